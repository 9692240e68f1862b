// Messages whose acknowledgement may have been lost, so that they are known when they come again: R12, RFC 1047. In memory; what of it
// outlives a restart is the spool's business.
#pragma once

#include <atomic>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "adieu/relay/spool/message.h"

namespace adieu::spool {

/// From any thread. Holds at most `limit` messages, the newest.
class DuplicateWindow {
 public:
  static constexpr std::size_t kLimit = 100'000;
  explicit DuplicateWindow(std::size_t limit = kLimit) : limit_(limit) {}

  /// Returns the fingerprints that were dropped for it: expired ones, and the oldest beyond the limit.
  std::vector<std::string> note(Unconfirmed message, WallTime now);
  /// The message that was stored before, once: its acknowledgement is about to be said again.
  std::optional<Unconfirmed> take(std::string_view fingerprint, WallTime now);

 private:
  Unconfirmed remove(std::string_view fingerprint);

  const std::size_t limit_;
  std::atomic<std::size_t> count_ = 0;  // so that nobody waits for the mutex while there is nothing to find
  std::mutex mutex_;
  using Messages = std::list<Unconfirmed>;
  Messages messages_;                                                // guarded by mutex_, oldest first
  std::unordered_map<std::string_view, Messages::iterator> found_;   // guarded by mutex_, by the fingerprints in messages_
};

}  // namespace adieu::spool
