// For log lines about a trouble that comes again with each try: one a second, of all threads together, with how often it came meanwhile.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "adieu/base/clock.h"

namespace adieu {

/// From any thread.
class OnceASecond {
 public:
  /// How many times this was called since it last gave a number, this time included; none within a second of that.
  std::optional<std::int64_t> count(Instant now) {
    times_.fetch_add(1, std::memory_order_relaxed);
    Instant::rep last = told_.load(std::memory_order_relaxed);
    const Instant::rep moment = now.time_since_epoch().count();
    if (last != 0 && moment - last < kSecond) return std::nullopt;
    if (!told_.compare_exchange_strong(last, moment, std::memory_order_relaxed)) return std::nullopt;
    return times_.exchange(0, std::memory_order_relaxed);
  }

 private:
  static constexpr Instant::rep kSecond = Duration(1000).count();
  std::atomic<Instant::rep> told_ = 0;
  std::atomic<std::int64_t> times_ = 0;
};

}  // namespace adieu
