// A message on its way out, shared by those of its jobs that were claimed together: they may be in the hands of several shards at once.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "adieu/protocol/smtp/outcome.h"
#include "adieu/relay/spool/message.h"

namespace adieu::queue {

/// What messages on their way keep in memory, all shards: mail data, which may be let go of, and the messages themselves, of which so many are claimed.
class MemoryBudget {
 public:
  /// `limit`: octets of mail data. `messages`: how many are claimed at once.
  explicit MemoryBudget(std::uint64_t limit, std::uint64_t messages = ~std::uint64_t{0}) : limit_(limit), most_messages_(messages) {}
  bool take(std::uint64_t octets) {
    if (used_.fetch_add(octets, std::memory_order_relaxed) + octets <= limit_) return true;
    give_back(octets);
    return false;
  }
  void give_back(std::uint64_t octets) { used_.fetch_sub(octets, std::memory_order_relaxed); }
  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  /// More than half is used: the rest is for messages that can be delivered now.
  bool is_tight() const { return used() > limit_ / 2; }

  std::uint64_t messages() const { return messages_.load(std::memory_order_relaxed); }
  std::uint64_t most_messages() const { return most_messages_; }
  /// What is not on its way yet stays in the spool. The last fifth is for those that are claimed there, destination by destination: new ones do not keep
  /// them waiting. Half is for destinations that answered the last time: any number of others does not keep these waiting.
  bool is_full(bool reached) const { return messages() >= (reached ? most_messages_ : most_messages_ / 2 + 1); }
  bool is_full_for_new(bool reached) const { return messages() >= (reached ? most_messages_ - most_messages_ / 5 : most_messages_ / 2 + 1); }
  /// How many more there may be; one at least.
  std::uint64_t room() const { return std::max<std::uint64_t>(1, most_messages_ - std::min(messages(), most_messages_)); }
  bool is_full_for_new() const { return messages() >= most_messages_ - most_messages_ / 5; }

 private:
  friend class InFlight;

  std::atomic<std::uint64_t> messages_ = 0;
  const std::uint64_t limit_;
  const std::uint64_t most_messages_;
  std::atomic<std::uint64_t> used_ = 0;
};

/// A recipient that has failed. It is settled together with the notification that tells of it, until then it is pending.
struct Failed {
  spool::Claim claim;
  std::uint32_t index = 0;  // into the head's recipients
  smtp::Outcome outcome;
};

/// May be used from any thread.
class InFlight {
 public:
  /// Mail data that the budget has no room for is let go: it can be read from the spool again. `budget` outlives this.
  InFlight(std::shared_ptr<const spool::MessageHead> head, spool::MailData mail_data, MemoryBudget& budget);
  ~InFlight();
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

  const std::shared_ptr<const spool::MessageHead>& head() const { return head_; }
  /// Null: read it from the spool.
  spool::MailData mail_data() const {
    const std::lock_guard lock(mutex_);
    return mail_data_;
  }
  /// A job of it has to wait: its mail data is let go where the budget is tight, so that a next hop that is down does not take the memory of those
  /// that are up. False: it was not tight.
  bool make_room();

  /// So many recipients have it.
  void delivered(std::size_t recipients);
  /// Failures that wait for others, to be told with them. True: they are the first since `take_failures`.
  bool hold(std::vector<Failed> failures);
  /// Whether all other recipients are known to be done with, so that there is nothing to wait for.
  bool only_failures_left() const;
  std::vector<Failed> take_failures();

 private:
  const std::shared_ptr<const spool::MessageHead> head_;
  mutable std::mutex mutex_;
  spool::MailData mail_data_;     // guarded by mutex_, as is what follows
  std::size_t ended_ = 0;         // recipients that are done with, as far as this knows
  std::vector<Failed> failures_;
  MemoryBudget& budget_;
};

}  // namespace adieu::queue
