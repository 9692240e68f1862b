// When to try again, and when to give up: RFC 5321 section 4.5.4.1.
#pragma once

#include <cstdint>

#include "adieu/relay/config/config.h"

namespace adieu::queue {

/// How long to wait after the `attempts`-th attempt (from 1): the intervals of `retry.after` one by one, then `retry.then_every`.
Duration interval_after(const config::Retry& retry, std::uint32_t attempts);

/// Whether a message that arrived at `arrived` has been tried for long enough by `now`.
inline bool gives_up(const config::Retry& retry, WallTime arrived, WallTime now) { return now - arrived >= retry.give_up; }

}  // namespace adieu::queue
