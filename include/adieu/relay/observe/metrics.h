// What the relay counts since its start, for Prometheus and those who read its text format (version 0.0.4).
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "adieu/relay/observe/ledger.h"

namespace adieu::observe {

/// From any thread.
struct Metrics {
  using Count = std::atomic<std::uint64_t>;
  Count queued = 0;      // messages, durable
  Count duplicates = 0;  // messages that were said to be queued again (R12)
  Count refused = 0;     // MAIL and RCPT, by the relay's own decision
  Count delivered = 0;   // recipients of attempts, as the next two
  Count deferred = 0;
  Count failed = 0;
};

/// One metric a line, with its help and type.
std::string prometheus(const Metrics& metrics, const Ledger& ledger);

}  // namespace adieu::observe
