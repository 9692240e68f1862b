// A message on its way out, shared by its jobs: they may be in the hands of several shards at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "adieu/protocol/smtp/outcome.h"
#include "adieu/relay/spool/message.h"
#include "adieu/relay/spool/spool.h"

namespace adieu::queue {

/// What messages on their way keep in memory, all shards: mail data, which may be let go of, and recipients, which may not.
class MemoryBudget {
 public:
  /// `limit`: octets of mail data.
  explicit MemoryBudget(std::uint64_t limit) : limit_(limit) {}
  bool take(std::uint64_t octets) {
    if (used_.fetch_add(octets, std::memory_order_relaxed) + octets <= limit_) return true;
    give_back(octets);
    return false;
  }
  void give_back(std::uint64_t octets) { used_.fetch_sub(octets, std::memory_order_relaxed); }
  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  /// More than half is used: the rest is for messages that can be delivered now.
  bool is_tight() const { return used() > limit_ / 2; }

  /// Recipients of messages that have not left: those that are settled too, as long as their message stays for others.
  std::uint64_t recipients() const { return recipients_.load(std::memory_order_relaxed); }

 private:
  friend class InFlight;

  std::atomic<std::uint64_t> recipients_ = 0;
  const std::uint64_t limit_;
  std::atomic<std::uint64_t> used_ = 0;
};

/// A recipient that has failed. It is settled together with the notification that tells of it, until then it is pending.
struct Failed {
  spool::RecipientUpdate update;
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
  /// `count` recipients are delivered or have failed. Calls `hand_over` with whether this leaves none pending. Settlements of a message are handed over one
  /// after another, so the one that leaves none pending is the last.
  template <class HandOver>
  void settle(std::uint32_t count, const HandOver& hand_over) {
    const std::lock_guard lock(settling_);
    pending_ -= count;
    hand_over(count != 0 && pending_ == 0);
  }

  /// Failures that wait for others, to be told with them. True: they are the first since `take_failures`.
  bool hold(std::vector<Failed> failures);
  /// Whether the failures held are all that is pending, so that there is nothing left to wait for.
  bool only_failures_left() const;
  std::vector<Failed> take_failures();

 private:
  const std::shared_ptr<const spool::MessageHead> head_;
  mutable std::mutex mutex_;
  spool::MailData mail_data_;  // guarded by mutex_
  MemoryBudget& budget_;
  mutable std::mutex settling_;
  std::uint32_t pending_;        // guarded by settling_
  std::vector<Failed> failures_; // guarded by settling_; they are pending
};

}  // namespace adieu::queue
