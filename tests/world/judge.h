// What must hold once a simulated world has come to rest: for each recipient, in the log, in the closure records, in what the relay has counted.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "adieu/relay/observe/metrics.h"
#include "log_book.h"
#include "peers.h"
#include "witness.h"

namespace adieu::world {

/// What is known of a world at rest. A fault is said as "what: where", and what comes before the colon is the same for all faults of a kind.
struct Facts {
  const IpAddress& relay;
  const Stories& stories;
  const LogBook& log;
  const LogBook& hops;  // the log of all next hops
  const Witness& witness;
  std::uint64_t crashes = 0;
  std::size_t lost = 0;  // connections
  bool spool_was_in_trouble = false;
  const adieu::Network& trusted;
  const IpAddress& rude;  // the one client that makes errors, unless somebody on the path makes them for others
};

/// Of each recipient: nothing that was acknowledged is lost, nothing arrives that was not, nothing twice without a reason.
void judge_stories(const Facts& facts, std::vector<std::string>& faults);
/// What the closure records say of each connection is what was seen of it.
void judge_layers(const Facts& facts, std::vector<std::string>& faults);
/// Nobody holds a connection of the relay's for longer than its time-outs allow, and what is set aside for trusted clients is theirs.
void judge_clients(const Facts& facts, std::vector<std::string>& faults);
/// The story of each message can be read from the log alone.
void judge_log(const Facts& facts, std::vector<std::string>& faults);
/// No recipient of that domain, whose next hop is well, has waited longer than that for others.
void judge_waits(const Facts& facts, std::string_view domain, Duration longest, std::vector<std::string>& faults);
/// Metrics and ledger of a process that has lived through it all add up to what happened.
void judge_counts(const Facts& facts, const observe::Metrics& metrics, const observe::Ledger& ledger, std::vector<std::string>& faults);

}  // namespace adieu::world
