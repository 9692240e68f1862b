// See queue.h.
#include "adieu/relay/queue/queue.h"

#include <algorithm>
#include <utility>

#include "adieu/base/result.h"

namespace adieu::queue {

void Queue::add(const route::Destination& destination, Job job, WallTime now) {
  ++size_;
  job.number = ++last_number_;
  if (job.next_attempt > now) {
    job.message->make_room();
    const WallTime when = job.next_attempt;
    waiting_.emplace(when, std::pair(destination, std::move(job)));
    return;
  }
  const auto site = sites_.try_emplace(destination).first;
  const bool blocked = site->second.blocked_until > now;
  if (blocked) job.message->make_room();
  site->second.due.emplace_hint(site->second.due.end(), job.number, std::move(job));
  if (!blocked) line_up(site);
}

void Queue::line_up(Sites::iterator site) {
  if (site->second.in_turn || site->second.due.empty()) return;
  site->second.in_turn = true;
  turn_.push_back(site->first);
}

void Queue::drop_if_unused(Sites::iterator site) {
  const Site& unused = site->second;
  if (unused.due.empty() && unused.connections == 0 && unused.failures == 0 && !unused.in_turn) sites_.erase(site);
}

std::optional<Job> Queue::take(const route::Destination& destination, WallTime now) {
  const auto site = sites_.find(destination);
  if (site == sites_.end() || site->second.due.empty() || site->second.blocked_until > now) return std::nullopt;
  Job job = std::move(site->second.due.begin()->second);
  site->second.due.erase(site->second.due.begin());
  --size_;
  return job;
}

std::optional<route::Destination> Queue::wants_connection(
    WallTime now, const std::function<std::size_t(const route::Destination&)>& limit) {
  for (std::size_t left = turn_.size(); left != 0; --left) {
    const auto site = sites_.find(turn_.front());
    Site& candidate = site->second;
    if (candidate.due.empty() || candidate.blocked_until > now) {
      turn_.pop_front();
      candidate.in_turn = false;
      drop_if_unused(site);
      continue;
    }
    turn_.splice(turn_.end(), turn_, turn_.begin());
    if (candidate.connections < std::min(limit(site->first), candidate.due.size())) return site->first;
  }
  return std::nullopt;
}

void Queue::connection_opened(const route::Destination& destination) { ++sites_[destination].connections; }

void Queue::connection_closed(const route::Destination& destination) {
  const auto site = sites_.find(destination);
  check(site != sites_.end() && site->second.connections != 0, "a connection that closes was opened");
  --site->second.connections;
  drop_if_unused(site);
}

std::vector<Job> Queue::back_off(const route::Destination& destination, WallTime until, std::string reason,
                                 const std::function<bool(const Job&)>& expired) {
  Site& site = sites_[destination];
  ++site.failures;
  site.blocked_until = until;
  site.reason = std::move(reason);
  blocked_.emplace(until, destination);
  std::vector<Job> given_up;
  // In the order of arrival but for those that were deferred before: these are met when the ones before them are gone.
  while (!site.due.empty() && expired(site.due.begin()->second)) {
    given_up.push_back(std::move(site.due.begin()->second));
    site.due.erase(site.due.begin());
    --size_;
  }
  for (const auto& [number, job] : site.due) {
    if (!job.message->make_room()) break;
  }
  return given_up;
}

bool Queue::backed_off(const route::Destination& destination, WallTime now) const {
  const auto site = sites_.find(destination);
  return site != sites_.end() && site->second.blocked_until > now;
}

void Queue::reached(const route::Destination& destination) {
  const auto site = sites_.find(destination);
  if (site == sites_.end()) return;
  site->second.failures = 0;
  site->second.reason.clear();
}

std::uint32_t Queue::failures(const route::Destination& destination) const {
  const auto site = sites_.find(destination);
  return site == sites_.end() ? 0 : site->second.failures;
}

void Queue::wake(WallTime now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    auto node = waiting_.extract(waiting_.begin());
    --size_;
    add(node.mapped().first, std::move(node.mapped().second), now);
  }
  while (!blocked_.empty() && blocked_.begin()->first <= now) {
    const auto site = sites_.find(blocked_.begin()->second);
    blocked_.erase(blocked_.begin());
    if (site == sites_.end() || site->second.blocked_until > now) continue;
    line_up(site);
    if (site->second.due.empty()) {
      site->second.failures = 0;
      drop_if_unused(site);
    }
  }
}

std::optional<WallTime> Queue::next_wake() const {
  std::optional<WallTime> when;
  if (!waiting_.empty()) when = waiting_.begin()->first;
  if (!blocked_.empty() && (!when || blocked_.begin()->first < *when)) when = blocked_.begin()->first;
  return when;
}

std::size_t Queue::retry(std::optional<spool::MessageId> id, WallTime now) {
  const auto chosen = [&](const Job& job) { return !id || job.message->head()->id == *id; };
  std::size_t count = 0;
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    const auto here = next++;
    if (!chosen(here->second.second)) continue;
    auto node = waiting_.extract(here);
    --size_;
    node.mapped().second.next_attempt = now;
    sites_[node.mapped().first].blocked_until = {};
    add(node.mapped().first, std::move(node.mapped().second), now);
    ++count;
  }
  for (auto site = sites_.begin(); site != sites_.end(); ++site) {
    if (site->second.blocked_until <= now) continue;
    const auto jobs = std::count_if(site->second.due.begin(), site->second.due.end(), [&](const auto& due) { return chosen(due.second); });
    if (jobs == 0) continue;
    site->second.blocked_until = {};
    line_up(site);
    count += static_cast<std::size_t>(jobs);
  }
  return count;
}

}  // namespace adieu::queue
