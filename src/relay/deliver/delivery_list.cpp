// See delivery.h: what an administrator asks about the queue.
#include <algorithm>
#include <set>
#include <utility>

#include "adieu/relay/deliver/delivery.h"

namespace adieu::deliver {
namespace {

constexpr std::size_t kDestinations = 64;  // in one part

}  // namespace

void Delivery::complete(std::vector<Listed>& jobs) const {
  std::set<spool::JobId> sending;  // no more than connections, and so these are few
  for (const auto& [number, connection] : connections_) {
    if (connection.job) sending.insert(connection.job->claim.job);
  }
  const WallTime schedule = now().schedule;
  for (Listed& job : jobs) {
    if (sending.contains({job.head->id, job.job})) {
      job.state = Listed::State::delivering;
    } else if (const auto blocked = queue_.blocked(job.destination)) {
      job.state = Listed::State::waiting;
      job.next_attempt = std::max(shown(job.next_attempt), blocked->until);
      job.reason = blocked->reason;
      continue;
    } else if (job.next_attempt <= schedule) {
      job.state = Listed::State::due;
    }
    job.next_attempt = shown(job.next_attempt);
  }
}

std::vector<queue::ListedSite> Delivery::destinations(const route::Destination& after) const {
  auto sites = queue_.sites(after, kDestinations);
  for (queue::ListedSite& site : sites) {
    if (site.stored) site.stored = shown(*site.stored);
  }
  return sites;
}

void Delivery::retry(std::vector<Listed> jobs, std::function<void(std::size_t)> done) {
  std::vector<spool::JobId> ids;
  std::set<route::Destination> destinations;
  for (const Listed& job : jobs) {
    ids.push_back({job.head->id, job.job});
    destinations.insert(job.destination);
  }
  const WallTime at = now().schedule;
  shared_.spool.advance(ids, at, loop_, lifetime_.bind([this, at, destinations = std::move(destinations), done = std::move(done)](Result<std::size_t> count) {
    for (const route::Destination& destination : destinations) {
      queue_.try_now(destination);
      queue_.stored(destination, at, now());
    }
    schedule();
    done(count.value_or(0));
  }));
}

}  // namespace adieu::deliver
