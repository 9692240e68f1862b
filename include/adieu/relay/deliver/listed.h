// What an administrator is shown of queued messages, and which of them are asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adieu/base/clock.h"
#include "adieu/relay/route/destination.h"
#include "adieu/relay/spool/spool.h"

namespace adieu::deliver {

/// A job as `adieu queue list` shows it: what the spool has, and what is known of it where it is delivered.
struct Listed {
  enum class State : std::uint8_t { waiting, due, delivering };
  std::shared_ptr<const spool::MessageHead> head;
  std::uint32_t job = 0;                  // its number
  std::vector<std::uint32_t> recipients;  // indices into the head's recipients
  route::Destination destination;
  State state{};
  std::uint32_t attempts = 0;
  WallTime next_attempt{};                // when it waits: its own, or the destination's where that is later
  std::string reason;                     // why it waits, or what its last attempt met
};
std::string_view name(Listed::State state);

/// As far as the spool knows it: one that is held is due.
Listed listed(const spool::Listed& stored);

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
  /// Whether it may, as far as the spool knows the job: state and reason are not looked at.
  bool matches_stored(const Listed& job) const;
};

}  // namespace adieu::deliver
