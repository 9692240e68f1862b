// See duplicate_window.h.
#include "adieu/relay/spool/duplicate_window.h"

#include <iterator>
#include <utility>

namespace adieu::spool {

std::vector<std::string> DuplicateWindow::note(Unconfirmed message, WallTime now) {
  std::vector<std::string> gone;
  const std::lock_guard lock(mutex_);
  if (found_.contains(message.fingerprint)) remove(message.fingerprint);
  messages_.push_back(std::move(message));
  found_.emplace(messages_.back().fingerprint, std::prev(messages_.end()));
  while (messages_.size() > limit_ || messages_.front().until <= now) {
    gone.push_back(remove(messages_.front().fingerprint).fingerprint);
    if (messages_.empty()) break;
  }
  count_.store(messages_.size(), std::memory_order_relaxed);
  return gone;
}

std::optional<Unconfirmed> DuplicateWindow::take(std::string_view fingerprint, WallTime now) {
  if (count_.load(std::memory_order_relaxed) == 0) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto found = found_.find(fingerprint);
  if (found == found_.end() || found->second->until <= now) return std::nullopt;  // the next `note` clears it away
  Unconfirmed message = remove(fingerprint);
  count_.store(messages_.size(), std::memory_order_relaxed);
  return message;
}

Unconfirmed DuplicateWindow::remove(std::string_view fingerprint) {
  const auto node = found_.extract(fingerprint);
  Unconfirmed message = std::move(*node.mapped());
  messages_.erase(node.mapped());
  return message;
}

}  // namespace adieu::spool
