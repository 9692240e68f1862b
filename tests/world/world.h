// A whole relay in a simulated world, from one seed: its production code from the sockets' side of the event loop down to the spool's port, clients that send
// through it, a next hop that takes what it gives, and whatever goes wrong in between. What must hold is checked when the world has come to rest.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace adieu::world {

/// How much of a seed's world there is to be.
struct Options {
  bool traces = false;
  std::set<std::string> without;    // of the world's parts
};

struct Verdict {
  /// What did not hold, "what: where"; none: everything held.
  std::vector<std::string> faults;
  std::vector<std::string> trace;   // the relay's log, with the world's time, where it was asked for
  std::set<std::string> parts;      // kinds of trouble, whether this world has them or not, and messages
  std::set<std::string> walks;      // of TLS layers through the closure machine
  std::uint64_t events = 0;
  std::uint64_t messages = 0;
  std::uint64_t copies = 0;         // that arrived beyond what a client meant to send
  std::uint64_t lost = 0;           // connections that ended before their time
  std::uint64_t crashes = 0;
  double hours = 0;                 // of the world's time
};

Verdict run(std::uint64_t seed, const Options& options);

}  // namespace adieu::world
