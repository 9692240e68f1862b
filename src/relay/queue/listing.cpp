// See queue.h: a walk through all jobs in steps.
#include <algorithm>

#include "adieu/relay/queue/queue.h"

namespace adieu::queue {

/// First what waits, by its time, then what is due, by destination: a job goes from the one to the other while a list is made, and is met.
void Queue::walk(Place& place, std::size_t steps, const std::function<void(const Listed&)>& visit) const {
  if (!place.waiting_done) {
    auto next = waiting_.lower_bound(place.when);
    while (next != waiting_.end() && next->first == place.when && next->second.second.number <= place.number) ++next;
    for (; next != waiting_.end(); ++next, --steps) {
      if (steps == 0) return;
      const auto& [destination, job] = next->second;
      visit({job, destination, job.next_attempt, job.last_reply, true});
      place.when = next->first;
      place.number = job.number;
    }
    place.waiting_done = true;
    place.number = 0;
  }
  for (auto site = sites_.lower_bound(place.destination); site != sites_.end(); ++site) {
    if (site->first != place.destination) {
      if (steps == 0) return;
      --steps;  // a destination where nothing is due is a step too
      place.destination = site->first;
      place.number = 0;
    }
    for (auto next = site->second.due.upper_bound(place.number); next != site->second.due.end(); ++next, --steps) {
      if (steps == 0) return;
      const Job& job = next->second;
      const bool blocked = site->second.blocked.has_value();
      visit({job, site->first, blocked ? std::max(job.next_attempt, site->second.until) : job.next_attempt, blocked ? site->second.reason : job.last_reply, blocked});
      place.number = job.number;
    }
  }
  place.at_end = true;
}

}  // namespace adieu::queue
