// See retry.h.
#include "adieu/relay/queue/retry.h"

#include <algorithm>

namespace adieu::queue {
namespace {
constexpr double kSpread = 0.2;  // of the interval, around it

Duration spread(Duration interval, double random) {
  return Duration(static_cast<Duration::rep>(static_cast<double>(interval.count()) * (1 - kSpread / 2 + kSpread * random)));
}
}  // namespace

Duration interval_after(const config::Retry& retry, std::uint32_t attempts, double random) {
  const std::size_t index = std::max<std::size_t>(attempts, 1) - 1;
  return spread(index < retry.after.size() ? retry.after[index] : retry.then_every, random);
}

Duration longest_interval(const config::Retry& retry) {
  Duration longest = retry.then_every;
  for (const Duration each : retry.after) longest = std::max(longest, each);
  return spread(longest, 1);
}

}  // namespace adieu::queue
