// What the relay counts since its start, for Prometheus and those who read its text format (version 0.0.4).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "adieu/protocol/smtp/outcome.h"
#include "adieu/protocol/smtp/refusal.h"
#include "adieu/relay/observe/ledger.h"

namespace adieu::observe {

/// From any thread.
struct Metrics {
  using Count = std::atomic<std::uint64_t>;
  Count queued = 0;               // messages of clients, durable and acknowledged
  Count queued_recipients = 0;    // theirs
  Count duplicates = 0;           // messages that were said to be queued again (R12)
  Count refused_connections = 0;
  Count refused_messages = 0;     // as a whole: at MAIL, or at the end of mail data
  Count refused_recipients = 0;
  Count refused_commands = 0;     // for what they are, as syntax and order
  Count delivered = 0;            // recipients, as the next two
  Count deferred = 0;             // by their first attempt: each once, however often it is tried again
  Count failed = 0;
  std::array<Count, 3> attempts{};  // to deliver to one recipient, by smtp::Fate

  void count_queued(std::size_t recipients);
  void count(const smtp::Refusal& refusal);
  /// A recipient's attempt; `attempts_before`: how many it had.
  void count(smtp::Fate fate, std::uint32_t attempts_before);
};

/// One metric a line, with its help and type.
std::string prometheus(const Metrics& metrics, const Ledger& ledger);

}  // namespace adieu::observe
