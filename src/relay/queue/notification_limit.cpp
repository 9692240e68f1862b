// See notification_limit.h.
#include "adieu/relay/queue/notification_limit.h"

#include "adieu/base/bytes.h"

namespace adieu::queue {

bool NotificationLimit::take(const mail::Mailbox& address, Instant now) {
  const std::string key = to_ascii_lower(address.text());
  const std::lock_guard lock(mutex_);
  while (!told_.empty() && told_.front().since + kWindow <= now) {
    found_.erase(told_.front().address);
    told_.pop_front();
  }
  const auto found = found_.find(key);
  if (found != found_.end()) {
    if (found->second->count == limit_) return false;
    ++found->second->count;
    return true;
  }
  if (told_.size() == kAddresses) {
    found_.erase(told_.front().address);
    told_.pop_front();
  }
  told_.push_back({key, now, 1});
  found_[key] = std::prev(told_.end());
  return true;
}

}  // namespace adieu::queue
