// When to try again, and when to give up: RFC 5321 section 4.5.4.1.
#pragma once

#include <cstdint>

#include "adieu/relay/config/config.h"

namespace adieu::queue {

/// The same moment by each clock. `schedule`: the wall clock as it would stand had nobody set it since this process began; the spool's times are meant by it.
struct Now {
  Instant instant;
  WallTime wall;
  WallTime schedule;
};

/// How long to wait after the `attempts`-th attempt (from 1): the intervals of `retry.after` one by one, then `retry.then_every`, a tenth more or
/// less, so that what failed together does not come again together. `random`: from 0 up to 1, evenly spread; 0.5 leaves the interval as it is.
Duration interval_after(const config::Retry& retry, std::uint32_t attempts, double random);
/// The longest that interval_after can say.
Duration longest_interval(const config::Retry& retry);

/// Whether a message that arrived at `arrived` has been tried for long enough by `now`.
inline bool gives_up(const config::Retry& retry, WallTime arrived, WallTime now) { return now - arrived >= retry.give_up; }

}  // namespace adieu::queue
