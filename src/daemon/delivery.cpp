// See delivery.h.
#include "daemon/delivery.h"

#include <algorithm>
#include <utility>

#include "adieu/base/result.h"
#include "adieu/relay/observe/events.h"
#include "adieu/relay/queue/retry.h"

namespace adieu::daemon {
namespace {

constexpr Duration kHeldUp = std::chrono::seconds(1);  // between looks at a spool that takes nothing

WallTime wall_now() { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

}  // namespace

Delivery::Delivery(Shared& shared, uv::Loop& loop, std::unique_ptr<dns::Resolver> resolver)
    : shared_(shared),
      loop_(loop),
      resolver_(std::move(resolver)),
      settling_({shared.config, shared.rules, shared.spool, shared.log, shared.notifications, shared.accept}, loop, [this] { end_if_idle(); }),
      wake_(loop, [this] { schedule(); }),
      self_(std::make_shared<Delivery*>(this)) {}

Delivery::~Delivery() = default;

void Delivery::add(const route::Destination& destination, queue::Job job) {
  queue_.add(destination, std::move(job), wall_now());
  schedule();
}

std::size_t Delivery::retry(std::optional<spool::MessageId> id) {
  const std::size_t count = queue_.retry(id, wall_now());
  schedule();
  return count;
}

void Delivery::schedule() {
  if (scheduled_) return;
  scheduled_ = true;
  loop_.post([self = std::weak_ptr(self_)] {
    if (const auto alive = self.lock()) (*alive)->work();
  });
}

void Delivery::work() {
  scheduled_ = false;
  const WallTime now = wall_now();
  queue_.wake(now);
  if (may_begin()) {
    for (auto& [id, line] : lines_) {
      if (!line.waiting) continue;
      line.job = queue_.take(line.destination, now);
      if (!line.job) continue;
      line.waiting = false;
      send(line);
    }
    const auto limit = [this](const route::Destination& destination) {
      return shared_.next_hops.at(destination.next_hop).policy.connections;
    };
    while (const auto destination = queue_.wants_connection(now, limit)) open(*destination);
  }
  arm();
}

/// While the spool takes nothing, what came of a delivery could not be recorded, and it would be made again.
bool Delivery::may_begin() {
  held_up_ = shared_.spool.trouble().has_value();
  return !shutting_down_ && !held_up_;
}

void Delivery::arm() {
  const auto when = queue_.next_wake();
  if (shutting_down_) {
    wake_.set(std::nullopt);
  } else if (held_up_) {
    wake_.set(loop_.now() + kHeldUp);
  } else if (!when) {
    wake_.set(std::nullopt);
  } else {
    wake_.set(loop_.now() + std::max(Duration(1), *when - wall_now()));
  }
}

void Delivery::report(const queue::Job& job, const std::vector<smtp::Outcome>& outcomes, const Outbound* outbound) {
  const WallTime now = wall_now();
  const spool::MessageHead& head = *job.message->head();
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].at_once) continue;  // its turn comes with the next transaction
    shared_.metrics.count(outcomes[i].fate, job.attempts);
    shared_.log.write(outcomes[i].fate == smtp::Fate::delivered ? LogLevel::info : LogLevel::warning,
                      observe::attempted(head, head.recipients[job.recipients[i]], outbound != nullptr ? outbound->relay() : "none",
                                         outbound != nullptr && outbound->tls() != nullptr ? outbound->tls()->version : "",
                                         outcomes[i], now));
  }
}

void Delivery::settle(const queue::Job& job, queue::Verdict verdict, const route::Destination& destination) {
  if (verdict.again) queue_.add(destination, *std::exchange(verdict.again, std::nullopt), wall_now());
  settling_.settle(job.message, std::move(verdict));
}

void Delivery::end_if_idle() {
  if (shutting_down_ && lines_.empty() && !settling_.busy() && on_idle_) std::exchange(on_idle_, nullptr)();
}

void Delivery::shut_down(std::function<void()> on_idle) {
  shutting_down_ = true;
  on_idle_ = std::move(on_idle);
  std::vector<std::uint64_t> idle;
  for (auto& [id, line] : lines_) {
    if (std::exchange(line.waiting, false)) idle.push_back(id);
  }
  for (const std::uint64_t id : idle) lines_.at(id).outbound->quit();
  settling_.stop();
  end_if_idle();
}

void Delivery::cut() {
  std::vector<Outbound*> left;
  for (const auto& [id, line] : lines_) {
    if (line.outbound) left.push_back(line.outbound.get());
  }
  for (Outbound* outbound : left) outbound->cut();
}

}  // namespace adieu::daemon
