// See connection_ids.h.
#include "adieu/relay/observe/connection_ids.h"

#include <charconv>

namespace adieu::observe {

std::string ConnectionIds::next() {
  char seconds[16];
  const auto end = std::to_chars(seconds, seconds + sizeof seconds, std::chrono::floor<std::chrono::seconds>(start_).time_since_epoch().count(), 16).ptr;
  return std::string(seconds, end) + "." + std::to_string(last_.fetch_add(1, std::memory_order_relaxed) + 1);
}

}  // namespace adieu::observe
