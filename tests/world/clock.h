// Time and chance of a simulated world: events in the order of their instants, from one seed. Nothing happens between two events, and nothing waits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <utility>

#include "adieu/base/clock.h"
#include "adieu/base/task.h"

namespace adieu::world {

class Clock {
 public:
  explicit Clock(std::uint64_t seed) : chance_(seed) {}

  Instant now() const { return now_; }
  /// The calendar's time may be set anew; instants go on.
  WallTime wall() const { return wall_ + (now_ - Instant{}); }
  void step_wall(Duration by) { wall_ += by; }

  void at(Instant when, Task task) {
    if (!stopped_) events_.emplace(std::pair(std::max(when, now_), ++last_), std::move(task));
  }
  void after(Duration wait, Task task) { at(now_ + wait, std::move(task)); }
  /// The next event. False: there is none.
  bool turn() {
    if (events_.empty()) return false;
    auto next = events_.extract(events_.begin());
    now_ = next.key().first;
    next.mapped()();
    return true;
  }
  /// Nothing more happens now.
  bool instant_is_over() const { return events_.empty() || events_.begin()->first.first > now_; }

  /// Nothing happens any more; what waited for it goes now, whatever it would begin by that.
  void stop() {
    stopped_ = true;
    events_.clear();
  }

  std::uint64_t random() { return chance_(); }
  /// From `least` to `most`, both among them.
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(chance_() % static_cast<std::uint64_t>(most - least + 1));
  }
  Duration between(Duration least, Duration most) { return Duration(between(least.count(), most.count())); }
  bool happens(double probability) { return std::ldexp(static_cast<double>(chance_() >> 11), -53) < probability; }

 private:
  Instant now_{std::chrono::hours(1)};
  WallTime wall_{std::chrono::seconds(1'795'464'082)};
  std::mt19937_64 chance_;
  std::uint64_t last_ = 0;
  bool stopped_ = false;
  std::map<std::pair<Instant, std::uint64_t>, Task> events_;
};

}  // namespace adieu::world
