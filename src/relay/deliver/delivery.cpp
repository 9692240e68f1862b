// See delivery.h.
#include "adieu/relay/deliver/delivery.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "adieu/base/result.h"
#include "adieu/relay/observe/events.h"
#include "adieu/relay/queue/retry.h"

namespace adieu::deliver {
namespace {

constexpr Duration kHeldUp = std::chrono::seconds(1);  // between looks at a spool that takes nothing

}  // namespace

Delivery::Delivery(Shared& shared, Loop& loop, std::unique_ptr<dns::Resolver> resolver)
    : shared_(shared),
      loop_(loop),
      queue_([this](const route::Destination& destination) { return shared_.next_hops.at(destination.next_hop).policy.connections; },
             queue::longest_interval(shared.config.retry)),
      resolver_(std::move(resolver)),
      settling_({shared.config, shared.rules, shared.spool, shared.log, shared.notifications, shared.accept}, loop, [this] { end_if_idle(); }),
      budget_(
          shared.connections,
          [this] {
            loop_.post(lifetime_.bind([this] {
              has_room_ = true;
              work();
            }));
          },
          [this] { loop_.post(lifetime_.bind([this] { quit_one_that_idles(); })); }),
      wake_(loop.timer([this] { schedule(); })) {}

Delivery::~Delivery() = default;

queue::Now Delivery::now() const { return {loop_.now(), loop_.wall()}; }

/// In [0, 1).
double Delivery::random() {
  constexpr int kBits = 53;  // those of a double
  return std::ldexp(static_cast<double>(loop_.random() >> (64 - kBits)), -kBits);
}

void Delivery::add(const route::Destination& destination, queue::Job job) {
  queue_.add(destination, std::move(job), now());
  schedule();
}

void Delivery::schedule() {
  if (scheduled_) return;
  scheduled_ = true;
  loop_.post(lifetime_.bind([this] { work(); }));
}

void Delivery::work() {
  scheduled_ = false;
  queue_.wake(now());
  if (may_begin()) {
    while (const auto destination = queue_.next_for_idle()) {
      const auto connection = connections_.find(idle_.at(*destination).back());
      connection->second.job = queue_.take(*destination);
      move(connection, queue::Doing::sending);
      send(connection->second);
    }
  }
  const bool told = std::exchange(has_room_, false);
  bool taken = open_wanted(deliver::Standing::reached);
  taken |= open_wanted(deliver::Standing::unreached);
  if (told && !taken) budget_.pass_on();
  arm();
}

/// Opens connections as long as they are wanted and may be had; whether any was.
bool Delivery::open_wanted(deliver::Standing standing) {
  const bool reached = standing == deliver::Standing::reached;
  const bool may_open = !shutting_down_ && !held_up_ && loop_.now() >= paused_until_;
  bool taken = false;
  while (may_open && queue_.has_wanted_connection(reached)) {
    if (!budget_.take(standing)) return taken;
    open(*queue_.wants_connection(reached), standing);
    taken = true;
  }
  budget_.withdraw(standing);
  return taken;
}

/// While the spool takes nothing, what came of a delivery could not be recorded, and it would be made again.
bool Delivery::may_begin() {
  held_up_ = shared_.spool.trouble().has_value();
  return !shutting_down_ && !held_up_;
}

void Delivery::arm() {
  auto when = queue_.next_wake();
  if (paused_until_ > loop_.now() && (!when || paused_until_ < *when)) when = paused_until_;
  if (held_up_) when = loop_.now() + kHeldUp;
  wake_->set(shutting_down_ ? std::nullopt : when);
}

void Delivery::report(const queue::Job& job, const std::vector<smtp::Outcome>& outcomes, const Outbound* outbound) {
  const spool::MessageHead& head = *job.message->head();
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].at_once) continue;  // its turn comes with the next transaction
    shared_.metrics.count(outcomes[i].fate, job.attempts);
    shared_.log.write(outcomes[i].fate == smtp::Fate::delivered ? LogLevel::info : LogLevel::warning,
                      observe::attempted(head, head.recipients[job.recipients[i]],
                                         outbound != nullptr && outbound->tls() != nullptr ? outbound->tls()->version : "", outcomes[i],
                                         now().wall));
  }
}

std::optional<queue::Job> Delivery::judge_and_settle(const queue::Job& job, const std::vector<smtp::Outcome>& outcomes,
                                                     const route::Destination& destination, const Outbound* outbound) {
  queue::Verdict verdict = queue::judge(job, outcomes, shared_.config.retry, loop_.wall(), random());
  report(job, verdict.outcomes, outbound);
  auto rest = std::move(verdict.rest);
  if (rest) {
    shared_.log.write(LogLevel::info, LogLine("next-transaction")
                                          .field("queue-id", job.message->head()->id.text())
                                          .field("relay", outcomes.front().host)
                                          .field("nrcpt", static_cast<std::int64_t>(rest->recipients.size())));
  }
  settle(job, std::move(verdict), destination);
  return rest;
}

void Delivery::settle(const queue::Job& job, queue::Verdict verdict, const route::Destination& destination) {
  if (verdict.again) add(destination.anew(), *std::exchange(verdict.again, std::nullopt));
  settling_.settle(job.message, std::move(verdict));
}

void Delivery::end_if_idle() {
  if (shutting_down_ && connections_.empty() && !settling_.busy() && on_idle_) std::exchange(on_idle_, nullptr)();
}

void Delivery::shut_down(std::function<void()> on_idle) {
  shutting_down_ = true;
  on_idle_ = std::move(on_idle);
  while (!idle_order_.empty()) quit(connections_.find(idle_order_.front()));
  end_those_that_open();
  settling_.stop();
  end_if_idle();
}

/// They carry nothing yet, and nothing will be given to them.
void Delivery::end_those_that_open() {
  std::vector<std::uint64_t> opening;
  for (const auto& [id, connection] : connections_) {
    if (connection.doing == queue::Doing::opening) opening.push_back(id);
  }
  for (const std::uint64_t id : opening) {
    const auto found = connections_.find(id);
    if (found->second.outbound) {
      found->second.outbound->cut();
    } else {
      end(found);
    }
  }
}

void Delivery::cut() {
  std::vector<Outbound*> left;
  for (const auto& [id, connection] : connections_) {
    if (connection.outbound) left.push_back(connection.outbound.get());
  }
  for (Outbound* outbound : left) outbound->cut();
}

}  // namespace adieu::deliver
