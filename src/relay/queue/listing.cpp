// See queue.h: what is shown of jobs and destinations, in steps.
#include <algorithm>

#include "adieu/relay/queue/queue.h"

namespace adieu::queue {

Listed Queue::listed(const Waiting::value_type& waiting) {
  const auto& [destination, job] = waiting.second;
  return {job, destination, job.next_attempt, job.last_reply, true};
}

Listed Queue::listed(const Job& due, const Sites::value_type& site) {
  const auto& [destination, of] = site;
  if (!of.blocked) return {due, destination, due.next_attempt, due.last_reply, false};
  return {due, destination, std::max(due.next_attempt, of.until), of.reason, true};
}

/// First what waits, by its time, then what is due, by destination: a job goes from the one to the other while a list is made, and is met.
void Queue::walk(Place& place, std::size_t steps, const std::function<void(const Listed&)>& visit) const {
  if (!place.waiting_done) {
    auto next = waiting_.lower_bound(place.when);
    while (next != waiting_.end() && next->first == place.when && next->second.second.number <= place.number) ++next;
    for (; next != waiting_.end(); ++next, --steps) {
      if (steps == 0) return;
      visit(listed(*next));
      place.when = next->first;
      place.number = next->second.second.number;
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
      visit(listed(next->second, *site));
      place.number = next->first;
    }
  }
  place.at_end = true;
}

std::vector<ListedSite> Queue::sites(const route::Destination& after, std::size_t count) const {
  std::vector<ListedSite> all;
  for (auto site = sites_.upper_bound(after); site != sites_.end() && all.size() < count; ++site) {
    const Site& of = site->second;
    ListedSite& listed = all.emplace_back();
    listed.destination = site->first;
    listed.connections = of.connections;
    listed.limit = of.limit;
    listed.due = of.due.size();
    listed.failures = of.failures;
    listed.reached = of.reached;
    if (!of.blocked) continue;
    listed.until = of.until;
    listed.reason = of.reason;
  }
  return all;
}

}  // namespace adieu::queue
