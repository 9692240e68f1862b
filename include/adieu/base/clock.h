// The two times there are: a monotonic one for time-outs, the calendar's for what is stored and shown. Neither is read here:
// pure code is handed the time as an argument.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace adieu {

using Duration = std::chrono::milliseconds;

/// Monotonic, in milliseconds from an arbitrary start; for deadlines within one run.
using Instant = std::chrono::time_point<std::chrono::steady_clock, Duration>;

/// UTC, in milliseconds since 1970; what the spool stores and people read.
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;

using Deadline = std::optional<Instant>;

/// The earlier of two, where none is never.
inline Deadline earlier(Deadline left, Deadline right) {
  if (!left) return right;
  if (!right) return left;
  return *left < *right ? left : right;
}

/// RFC 5322 section 3.3, in UTC: "Mon, 23 Nov 2026 20:01:22 +0000".
std::string rfc5322_date(WallTime time);
/// RFC 3339 in UTC, with milliseconds: "2026-11-23T20:01:22.123Z".
std::string rfc3339(WallTime time);
/// The shortest exact way in the policy file's units: "250ms", "30s", "5m", "4h", "5d".
std::string to_text(Duration duration);

}  // namespace adieu
