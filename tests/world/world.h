// A whole relay in a simulated world, from one seed: its production code from the sockets' side of the event loop down to the spool's port, clients that send
// through it, a next hop that takes what it gives, and whatever goes wrong in between. What must hold is checked when the world has come to rest.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace adieu::world {

struct Verdict {
  std::vector<std::string> faults;  // none: everything held
  std::vector<std::string> trace;   // the relay's log, with the world's time, where it was asked for
  std::uint64_t events = 0;
  std::uint64_t messages = 0;
  std::uint64_t copies = 0;         // that arrived beyond the first of a message
  std::uint64_t lost = 0;           // connections that ended before their time
  std::uint64_t crashes = 0;
  double hours = 0;                 // of the world's time
};

Verdict run(std::uint64_t seed, bool traces);

}  // namespace adieu::world
