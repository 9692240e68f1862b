// How the endings of TLS layers were spread over time: a ring of buckets, each a span of the calendar.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "adieu/base/record_codec.h"

namespace adieu::observe {

/// `Kinds` counts in each of the last `Buckets` spans; a count that is full stays full.
template <class Count, std::size_t Kinds, std::size_t Buckets>
class Timeline {
 public:
  using Counts = std::array<Count, Kinds>;
  static constexpr std::size_t kBuckets = Buckets;

  explicit Timeline(Duration span) : span_(span) {}

  void add(std::size_t kind, WallTime now) {
    advance(now);
    Count& count = buckets_[static_cast<std::size_t>(last_) % Buckets][kind];
    if (count != std::numeric_limits<Count>::max()) ++count;
  }
  /// The counts of the span that is `back` spans before the one of `now`: none where it lies beyond the ring.
  Counts at(std::size_t back, WallTime now) const {
    const std::int64_t number = number_of(now) - static_cast<std::int64_t>(back);
    const auto size = static_cast<std::int64_t>(Buckets);
    if (number > last_ || number <= last_ - size || number < 0) return {};
    return buckets_[static_cast<std::size_t>(number) % Buckets];
  }

  void write(RecordWriter& out) const {
    out.number(static_cast<std::uint64_t>(last_));
    for (const Counts& counts : buckets_) {
      for (const Count count : counts) out.number(count);
    }
  }
  void read(RecordReader& in) {
    last_ = static_cast<std::int64_t>(in.number<std::uint64_t>() & std::numeric_limits<std::int64_t>::max());
    for (Counts& counts : buckets_) {
      for (Count& count : counts) count = in.number<Count>();
    }
  }

 private:
  std::int64_t number_of(WallTime time) const { return time.time_since_epoch() / span_; }
  /// A clock that is set back by less than the ring keeps all counts, and new ones go into the newest span. One that is set forward or back by more begins an empty ring.
  void advance(WallTime now) {
    const std::int64_t number = number_of(now);
    const auto size = static_cast<std::int64_t>(Buckets);
    if (number - last_ >= size || last_ - number >= size) {
      buckets_ = {};
      last_ = number;
    }
    while (last_ < number) buckets_[static_cast<std::size_t>(++last_) % Buckets] = {};
  }

  Duration span_;
  std::int64_t last_ = 0;  // the number of the newest span, counted from 1970
  std::array<Counts, Buckets> buckets_{};
};

}  // namespace adieu::observe
