// See retry.h.
#include "adieu/relay/queue/retry.h"

#include <algorithm>

namespace adieu::queue {

Duration interval_after(const config::Retry& retry, std::uint32_t attempts) {
  const std::size_t index = std::max<std::size_t>(attempts, 1) - 1;
  return index < retry.after.size() ? retry.after[index] : retry.then_every;
}

}  // namespace adieu::queue
