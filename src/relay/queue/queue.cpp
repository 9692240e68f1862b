// See queue.h.
#include "adieu/relay/queue/queue.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "adieu/base/result.h"

namespace adieu::queue {
namespace {
constexpr std::size_t kRemembered = 10'000;  // destinations that were reached
}  // namespace

std::size_t Queue::Site::open() const { return std::accumulate(connections.begin(), connections.end(), std::size_t{0}); }

Queue::Sites::iterator Queue::site_of(const route::Destination& destination) {
  const auto [site, is_new] = sites_.try_emplace(destination);
  if (is_new) {
    site->second.limit = limit_(destination);
    site->second.reached = destination.domain.empty() || in_reached_.contains(destination);
  }
  return site;
}

Queue::Ready Queue::readiness(const Site& site) const {
  if (site.due.empty() || site.blocked) return Ready::nothing;
  if (site.doing(Doing::idling) != 0) return Ready::for_idle;
  // Nobody knows when a connection that carries a message will be done with it, so it does not count as one that can take a job.
  const std::size_t limit = site.failures == 0 ? site.limit : 1;
  if (site.doing(Doing::opening) >= site.due.size() || site.open() >= limit) return Ready::nothing;
  return site.reached ? Ready::for_connection : Ready::for_first_connection;
}

void Queue::update(Sites::iterator site) {
  Site& updated = site->second;
  const Ready ready = readiness(updated);
  if (ready != updated.ready) {
    if (updated.ready != Ready::nothing) line(updated.ready).erase(updated.place);
    if (ready != Ready::nothing) updated.place = line(ready).insert(line(ready).end(), site->first);
    updated.ready = ready;
  }
  if (updated.due.empty() && updated.open() == 0 && updated.failures == 0 && !updated.blocked) sites_.erase(site);
}

void Queue::add(const route::Destination& destination, Job job, Now now) {
  ++size_;
  job.number = ++last_number_;
  const Duration wait = std::min(job.next_attempt - now.wall, longest_wait_);
  if (wait > Duration(0)) {
    job.message->make_room();
    waiting_.emplace(now.instant + wait, std::pair(destination, std::move(job)));
    return;
  }
  const auto site = site_of(destination);
  if (site->second.blocked) job.message->make_room();
  site->second.due.emplace_hint(site->second.due.end(), job.number, std::move(job));
  update(site);
}

std::optional<Job> Queue::take(const route::Destination& destination) {
  const auto site = sites_.find(destination);
  if (site == sites_.end() || site->second.due.empty() || site->second.blocked) return std::nullopt;
  Job job = std::move(site->second.due.begin()->second);
  site->second.due.erase(site->second.due.begin());
  --size_;
  update(site);
  return job;
}

std::optional<route::Destination> Queue::next_for_idle() const {
  const Line& idle = line(Ready::for_idle);
  if (idle.empty()) return std::nullopt;
  return idle.front();
}

std::optional<route::Destination> Queue::wants_connection(bool reached) {
  Line& wanting = line(reached ? Ready::for_connection : Ready::for_first_connection);
  if (wanting.empty()) return std::nullopt;
  wanting.splice(wanting.end(), wanting, wanting.begin());
  return wanting.back();
}

void Queue::connection_opened(const route::Destination& destination) {
  const auto site = site_of(destination);
  ++site->second.connections[static_cast<std::size_t>(Doing::opening)];
  update(site);
}

void Queue::connection_moved(const route::Destination& destination, Doing from, Doing to) {
  const auto site = sites_.find(destination);
  check(site != sites_.end() && site->second.doing(from) != 0, "a connection was doing what it stops doing");
  --site->second.connections[static_cast<std::size_t>(from)];
  ++site->second.connections[static_cast<std::size_t>(to)];
  update(site);
}

void Queue::connection_closed(const route::Destination& destination, Doing last) {
  const auto site = sites_.find(destination);
  check(site != sites_.end() && site->second.doing(last) != 0, "a connection that closes was opened");
  --site->second.connections[static_cast<std::size_t>(last)];
  update(site);
}

Queue::BackOff Queue::back_off(const route::Destination& destination, Duration wait, std::string reason, Now now,
                               const std::function<bool(const Job&)>& expired) {
  BackOff result{wait, {}};
  const auto found = site_of(destination);
  Site& site = found->second;
  unblock(site);
  if (site.promised && *site.promised > now.instant) {
    result.wait = *site.promised - now.instant;
  } else {
    ++site.failures;
  }
  site.promised.reset();
  site.reached = false;
  forget(destination);
  site.blocked = blocked_.emplace(now.instant + result.wait, destination);
  ++site.back_offs;
  site.until = now.wall + result.wait;
  site.reason = std::move(reason);
  // The line is in the order of coming, so most often the oldest messages stand in front, and the first that is not expired ends the search. An old
  // message that was deferred has come again later: it is found when those in front of it are gone.
  while (!site.due.empty() && expired(site.due.begin()->second)) {
    result.expired.push_back(std::move(site.due.begin()->second));
    site.due.erase(site.due.begin());
    --size_;
  }
  for (const auto& [number, job] : site.due) {
    if (!job.message->make_room()) break;
  }
  update(found);
  return result;
}

void Queue::unblock(Site& site) {
  if (!site.blocked) return;
  blocked_.erase(*site.blocked);
  site.blocked.reset();
}

bool Queue::backed_off(const route::Destination& destination) const {
  const auto site = sites_.find(destination);
  return site != sites_.end() && site->second.blocked.has_value();
}

std::uint64_t Queue::back_offs(const route::Destination& destination) const {
  const auto site = sites_.find(destination);
  return site == sites_.end() ? 0 : site->second.back_offs;
}

void Queue::remember(const route::Destination& reached) {
  const auto [known, is_new] = in_reached_.try_emplace(reached);
  if (!is_new) {
    reached_.splice(reached_.begin(), reached_, known->second);
    return;
  }
  known->second = reached_.insert(reached_.begin(), reached);
  if (reached_.size() <= kRemembered) return;
  in_reached_.erase(reached_.back());
  reached_.pop_back();
}

void Queue::forget(const route::Destination& unreached) {
  const auto known = in_reached_.find(unreached);
  if (known == in_reached_.end()) return;
  reached_.erase(known->second);
  in_reached_.erase(known);
}

void Queue::reached(const route::Destination& destination) {
  remember(destination);
  const auto site = sites_.find(destination);
  if (site == sites_.end()) return;
  site->second.reached = true;
  site->second.failures = 0;
  site->second.promised.reset();
  site->second.reason.clear();
  update(site);
}

std::uint32_t Queue::failures(const route::Destination& destination) const {
  const auto site = sites_.find(destination);
  return site == sites_.end() ? 0 : site->second.failures;
}

void Queue::wake(Now now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now.instant) {
    auto node = waiting_.extract(waiting_.begin());
    --size_;
    node.mapped().second.next_attempt = std::min(node.mapped().second.next_attempt, now.wall);
    add(node.mapped().first, std::move(node.mapped().second), now);
  }
  while (!blocked_.empty() && blocked_.begin()->first <= now.instant) {
    const auto site = sites_.find(blocked_.begin()->second);
    unblock(site->second);
    if (site->second.due.empty()) site->second.failures = 0;
    update(site);
  }
}

std::optional<Instant> Queue::next_wake() const {
  std::optional<Instant> when;
  if (!waiting_.empty()) when = waiting_.begin()->first;
  if (!blocked_.empty() && (!when || blocked_.begin()->first < *when)) when = blocked_.begin()->first;
  return when;
}

std::size_t Queue::retry(const std::function<bool(const Listed&)>& chosen, Now now) {
  const auto end_back_off = [&](Sites::iterator site) {
    if (!site->second.blocked) return;
    if (!site->second.promised) site->second.promised = (*site->second.blocked)->first;
    unblock(site->second);
    update(site);
  };
  std::size_t count = 0;
  // These first: what waits there ends the back-off of its destination, and with it the waiting of those.
  for (auto next = sites_.begin(); next != sites_.end();) {
    const auto site = next++;
    if (!site->second.blocked) continue;
    const auto jobs = std::count_if(site->second.due.begin(), site->second.due.end(), [&](const auto& due) { return chosen(listed(due.second, *site)); });
    if (jobs == 0) continue;
    end_back_off(site);
    count += static_cast<std::size_t>(jobs);
  }
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    const auto here = next++;
    if (!chosen(listed(*here))) continue;
    auto node = waiting_.extract(here);
    --size_;
    Job& job = node.mapped().second;
    job.promised = job.next_attempt;
    job.next_attempt = now.wall;
    add(node.mapped().first, std::move(job), now);
    if (const auto site = sites_.find(node.mapped().first); site != sites_.end()) end_back_off(site);
    ++count;
  }
  return count;
}

}  // namespace adieu::queue
