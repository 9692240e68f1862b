// The least and the most that a setting may be, where its type does not say it: one row for each such setting. A test compares them with adieu.conf(5).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "adieu/relay/config/settings.h"

namespace adieu::config {

inline constexpr std::uint64_t kUnbounded = std::uint64_t{1} << 50;  // no setting is sensible beyond it, and arithmetic on it is safe

struct Bounds {
  std::string_view block;
  std::string_view name;
  std::uint64_t least = 0;   // a number, octets, or milliseconds, by the setting's type
  std::uint64_t most = kUnbounded;
  std::string_view why = {};
};

std::span<const Bounds> bounds();
/// Those of a setting; of its type where it has none of its own.
Bounds bounds_of(const Setting& setting);
/// "512B", "1ms", "100": a bound as the policy file writes it.
std::string bound_text(Type type, std::uint64_t bound);

}  // namespace adieu::config
