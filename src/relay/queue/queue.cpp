// See queue.h.
#include "adieu/relay/queue/queue.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "adieu/base/result.h"

namespace adieu::queue {
namespace {
constexpr std::size_t kRemembered = 10'000;  // destinations that were reached
constexpr std::size_t kAtOnce = 64;          // jobs claimed together
constexpr std::size_t kToTry = 4;            // of a destination that may not answer
}  // namespace

std::size_t Queue::Site::open() const { return std::accumulate(connections.begin(), connections.end(), std::size_t{0}); }

Queue::Sites::iterator Queue::site_of(const route::Destination& destination) {
  const auto [site, is_new] = sites_.try_emplace(destination);
  if (is_new) {
    site->second.limit = static_cast<std::uint32_t>(limit_(destination));
    site->second.reached = is_believed(destination);
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

/// Before its connections have nothing to do.
bool Queue::is_hungry(const Site& site) const {
  const std::size_t enough = site.reached ? std::min(most_jobs_, std::max<std::size_t>(kAtOnce / 2, site.limit)) : 1;
  return site.stored_is_due && !site.fetching && !site.blocked && site.due.size() < enough;
}

void Queue::update(Sites::iterator site) {
  Site& updated = site->second;
  const Ready ready = readiness(updated);
  if (ready != updated.ready) {
    if (updated.ready != Ready::nothing) line(updated.ready).erase(updated.place);
    if (ready != Ready::nothing) updated.place = line(ready).insert(line(ready).end(), site);
    updated.ready = ready;
  }
  const bool hungry = is_hungry(updated);
  if (updated.hungry && (!hungry || updated.hungry_as_reached != updated.reached)) {
    hungry_[updated.hungry_as_reached ? 1 : 0].erase(*updated.hungry);
    updated.hungry.reset();
  }
  if (hungry && !updated.hungry) {
    Line& hungry_ones = hungry_[updated.reached ? 1 : 0];
    updated.hungry = hungry_ones.insert(hungry_ones.end(), site);
    updated.hungry_as_reached = updated.reached;
  }
  const bool idle = updated.due.empty() && updated.open() == 0 && updated.failures == 0;
  if (idle && !updated.blocked && !updated.stored && !updated.fetching) sites_.erase(site);
}

bool Queue::takes(const route::Destination& destination) const {
  const auto site = sites_.find(destination);
  if (site == sites_.end()) return true;
  return !site->second.blocked && !site->second.stored_is_due && site->second.due.size() < most_jobs_;
}

bool Queue::is_believed(const route::Destination& destination) const { return destination.domain.empty() || in_reached_.contains(destination); }

bool Queue::is_reached(const route::Destination& destination) const {
  const auto site = sites_.find(destination);
  return site != sites_.end() ? site->second.reached : is_believed(destination);
}

void Queue::add(const route::Destination& destination, Job job) {
  ++size_;
  job.number = ++last_number_;
  const auto site = site_of(destination);
  if (site->second.blocked) job.message->make_room();
  site->second.due.emplace_hint(site->second.due.end(), job.number, std::move(job));
  update(site);
}

void Queue::stored(const route::Destination& destination, WallTime due, Now now) {
  const auto found = site_of(destination);
  Site& site = found->second;
  if (!site.stored || due < *site.stored) {
    forget_stored(site);
    site.stored = due;
    const Duration wait = due - now.schedule;
    site.far = wait > longest_wait_;
    if (wait > Duration(0)) {
      site.waits = waiting_.emplace(now.instant + std::min(wait, longest_wait_), found);
    } else {
      site.stored_is_due = true;
    }
  }
  update(found);
}

void Queue::forget_stored(Site& site) {
  if (site.waits) waiting_.erase(*site.waits);
  site.waits.reset();
  site.stored.reset();
  site.stored_is_due = site.far = false;
}

std::optional<Queue::Fetch> Queue::wants_jobs(bool reached, Now now) {
  const Line& hungry = hungry_[reached ? 1 : 0];
  if (hungry.empty()) return std::nullopt;
  const auto found = hungry.front();
  Site& site = found->second;
  const std::size_t count = reached ? std::min(most_jobs_, std::max<std::size_t>(kAtOnce, site.limit)) : kToTry;
  const Fetch fetch{found->first, site.far ? WallTime::max() : std::max(now.schedule, *site.stored), count};
  forget_stored(site);
  site.fetching = true;
  update(found);
  return fetch;
}

void Queue::fetched(const route::Destination& destination, std::optional<WallTime> next, Now now) {
  const auto found = sites_.find(destination);
  check(found != sites_.end() && found->second.fetching, "what was fetched was asked for");
  found->second.fetching = false;
  if (next) {
    stored(destination, *next, now);
  } else {
    update(found);
  }
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
  return idle.front()->first;
}

std::optional<route::Destination> Queue::wants_connection(bool reached) {
  Line& wanting = line(reached ? Ready::for_connection : Ready::for_first_connection);
  if (wanting.empty()) return std::nullopt;
  wanting.splice(wanting.end(), wanting, wanting.begin());
  return wanting.back()->first;
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

Queue::BackOff Queue::back_off(const route::Destination& destination, Duration wait, std::string reason, Now now) {
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
  site.blocked = blocked_.emplace(now.instant + result.wait, found);
  ++site.back_offs;
  site.until = now.wall + result.wait;
  site.reason = std::move(reason);
  result.jobs.reserve(site.due.size());
  for (auto& [number, job] : site.due) result.jobs.push_back(std::move(job));
  size_ -= site.due.size();
  site.due.clear();
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

void Queue::try_now(const route::Destination& destination) {
  const auto site = sites_.find(destination);
  if (site == sites_.end() || !site->second.blocked) return;
  if (!site->second.promised) site->second.promised = (*site->second.blocked)->first;
  unblock(site->second);
  update(site);
}

void Queue::wake(Now now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now.instant) {
    const auto site = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    site->second.waits.reset();
    site->second.stored_is_due = true;
    update(site);
  }
  while (!blocked_.empty() && blocked_.begin()->first <= now.instant) {
    const auto site = blocked_.begin()->second;
    unblock(site->second);
    // Nothing was waiting for it: whoever comes next finds it as any other.
    if (site->second.due.empty() && !site->second.stored_is_due && !site->second.fetching) site->second.failures = 0;
    update(site);
  }
}

std::optional<Instant> Queue::next_wake() const {
  std::optional<Instant> when;
  if (!waiting_.empty()) when = waiting_.begin()->first;
  if (!blocked_.empty() && (!when || blocked_.begin()->first < *when)) when = blocked_.begin()->first;
  return when;
}

std::optional<Queue::Blocked> Queue::blocked(const route::Destination& destination) const {
  const auto site = sites_.find(destination);
  if (site == sites_.end() || !site->second.blocked) return std::nullopt;
  return Blocked{site->second.until, site->second.reason};
}

std::vector<ListedSite> Queue::sites(const route::Destination& after, std::size_t count) const {
  std::vector<ListedSite> all;
  for (auto site = sites_.upper_bound(after); site != sites_.end() && all.size() < count; ++site) {
    const Site& of = site->second;
    ListedSite& listed = all.emplace_back();
    listed.destination = site->first;
    std::copy(of.connections.begin(), of.connections.end(), listed.connections.begin());
    listed.limit = of.limit;
    listed.due = of.due.size();
    listed.stored = of.stored;
    listed.failures = of.failures;
    listed.reached = of.reached;
    if (!of.blocked) continue;
    listed.until = of.until;
    listed.reason = of.reason;
  }
  return all;
}

}  // namespace adieu::queue
