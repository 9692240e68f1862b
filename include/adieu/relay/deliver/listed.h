// What an administrator is shown of a shard's deliveries, and which of them are asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adieu/base/clock.h"
#include "adieu/relay/route/destination.h"
#include "adieu/relay/spool/message.h"

namespace adieu::deliver {

/// A job as `adieu queue list` shows it.
struct Listed {
  enum class State : std::uint8_t { waiting, due, delivering };
  std::shared_ptr<const spool::MessageHead> head;
  std::vector<std::uint32_t> recipients;  // indices into the head's recipients
  route::Destination destination;
  State state{};
  std::uint32_t attempts = 0;
  WallTime next_attempt{};                // when it waits: its own, or the destination's where that is later
  std::string reason;                     // why it waits, or what its last attempt met
};
std::string_view name(Listed::State state);

/// Which jobs are asked for: those that all of this holds for. What is empty does not matter; addresses, domains and texts are compared without
/// regard to case.
struct ListFilter {
  std::optional<spool::MessageId> id;
  std::string next_hop;                   // its name in the policy file
  std::string domain;                     // of one of the job's recipients
  std::string from;                       // the reverse-path; "<>" for the null one
  std::string to;                         // one of the job's recipients
  std::string reason;                     // a part of it
  std::optional<Listed::State> state;
  std::optional<WallTime> arrived_before;

  bool matches(const Listed& job) const;
};

}  // namespace adieu::deliver
