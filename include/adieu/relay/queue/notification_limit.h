// How many notifications one address gets in an hour: whoever forges a reverse-path would have us fill its mailbox. Pure.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

#include "adieu/base/clock.h"
#include "adieu/protocol/mail/address.h"

namespace adieu::queue {

/// May be used from any thread. Remembers the last kAddresses addresses.
class NotificationLimit {
 public:
  static constexpr std::size_t kAddresses = 10'000;
  static constexpr Duration kWindow = std::chrono::hours(1);

  /// `limit`: notifications to an address from the first on, for an hour.
  explicit NotificationLimit(std::size_t limit) : limit_(limit) {}

  /// Whether one more may go to `address`; counted when it may. `now` never runs backwards.
  bool take(const mail::Mailbox& address, Instant now);

 private:
  struct Told {
    std::string address;
    Instant since{};
    std::size_t count = 0;
  };

  const std::size_t limit_;
  std::mutex mutex_;
  std::list<Told> told_;  // guarded by mutex_, the oldest hour first
  std::unordered_map<std::string, std::list<Told>::iterator> found_;
};

}  // namespace adieu::queue
