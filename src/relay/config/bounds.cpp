// See bounds.h.
#include "relay/config/bounds.h"

#include <algorithm>
#include <array>

namespace adieu::config {
namespace {

constexpr std::uint64_t kMaxLoops = 1024;
constexpr std::uint64_t kMaxPort = 65535;

// A wait of no time at all would end whatever it bounds before it began, and an interval of none would try again without a pause.
constexpr std::array kBounds = {
    Bounds{"", "loops", 1, kMaxLoops},
    Bounds{"tls", "handshake-timeout", 1},
    Bounds{"next-hop", "port", 1, kMaxPort},
    Bounds{"next-hop", "connect-timeout", 1},
    Bounds{"next-hop", "command-timeout", 1},
    Bounds{"next-hop", "data-timeout", 1},
    Bounds{"next-hop", "end-of-data-timeout", 1},
    Bounds{"next-hop", "renew-tls-after", 1},
    Bounds{"retry", "after", 1},
    Bounds{"retry", "then-every", 1},
    Bounds{"retry", "give-up", 1},
    Bounds{"limits", "message-size", 65'536, kUnbounded, "RFC 5321 section 4.5.3.1.7"},
    Bounds{"limits", "recipients", 100, kUnbounded, "RFC 5321 section 4.5.3.1.8"},
    Bounds{"limits", "command-line", 512, kUnbounded, "RFC 5321 section 4.5.3.1.4"},
    Bounds{"limits", "text-line", 1000, kUnbounded, "RFC 5321 section 4.5.3.1.6"},
    Bounds{"limits", "command-timeout", 1},
    Bounds{"limits", "transaction-memory", 65'536},
    Bounds{"limits", "data-timeout", 1},
};

bool is_time(Type type) { return type == Type::duration || type == Type::durations || type == Type::age; }

}  // namespace

std::span<const Bounds> bounds() { return kBounds; }

Bounds bounds_of(const Setting& setting) {
  const auto found =
      std::find_if(kBounds.begin(), kBounds.end(), [&](const Bounds& each) { return each.block == setting.block && each.name == setting.name; });
  if (found != kBounds.end()) return *found;
  return {setting.block, setting.name, setting.type == Type::number ? std::uint64_t{1} : std::uint64_t{0}};
}

std::string bound_text(Type type, std::uint64_t bound) {
  if (is_time(type)) return std::to_string(bound) + "ms";
  if (type != Type::size) return std::to_string(bound);
  return bound != 0 && bound % 1024 == 0 ? std::to_string(bound / 1024) + "KiB" : std::to_string(bound) + "B";
}

}  // namespace adieu::config
