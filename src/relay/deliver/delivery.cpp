// See delivery.h.
#include "adieu/relay/deliver/delivery.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "adieu/base/result.h"
#include "adieu/relay/observe/events.h"
#include "adieu/relay/queue/jobs.h"
#include "adieu/relay/queue/retry.h"

namespace adieu::deliver {
namespace {

constexpr Duration kHeldUp = std::chrono::seconds(1);    // between looks at a spool that takes nothing
constexpr Duration kFull = std::chrono::milliseconds(100);  // between looks at a memory that is full of messages on their way
constexpr std::size_t kFetches = 4;                         // at once
constexpr std::size_t kAtOnce = 64;                         // old messages that are given up together
constexpr std::size_t kShare = 20;                          // of one destination: that part of the messages in memory
constexpr Duration kLease = Duration::max();                // nobody else has this spool: a claim lasts as long as this process

}  // namespace

Delivery::Delivery(Shared& shared, Loop& loop, std::unique_ptr<dns::Resolver> resolver)
    : shared_(shared),
      loop_(loop),
      queue_([this](const route::Destination& destination) { return shared_.next_hops.at(destination.next_hop).policy.connections; },
             queue::longest_interval(shared.config.retry), std::max<std::size_t>(kAtOnce, shared.memory.most_messages() / kShare)),
      resolver_(std::move(resolver)),
      settling_({shared.config, shared.rules, shared.spool, shared.log, shared.notifications, shared.accept, shared.queued}, loop, [this] { end_if_idle(); }),
      budget_(
          shared.connections,
          [this] {
            loop_.post(lifetime_.bind([this] {
              has_room_ = true;
              work();
            }));
          },
          [this] { loop_.post(lifetime_.bind([this] { quit_one_that_idles(); })); }),
      began_(loop.now()),
      wall_at_begin_(loop.wall()),
      wake_(loop.timer([this] { schedule(); })) {}

Delivery::~Delivery() = default;

queue::Now Delivery::now() const {
  const Instant instant = loop_.now();
  return {instant, loop_.wall(), wall_at_begin_ + (instant - began_)};
}

/// A time of the schedule, as the wall clock will show it unless somebody sets it.
WallTime Delivery::shown(WallTime due) const {
  const queue::Now moment = now();
  return due + (moment.wall - moment.schedule);
}

/// In [0, 1).
double Delivery::random() {
  constexpr int kBits = 53;  // those of a double
  return std::ldexp(static_cast<double>(loop_.random() >> (64 - kBits)), -kBits);
}

void Delivery::take_in(const route::Destination& destination, queue::Job job) {
  if (queue_.takes(destination) && !shared_.memory.is_full_for_new(queue_.is_reached(destination))) {
    add(destination, std::move(job));
  } else {
    settling_.put_back({std::move(job)}, destination);
  }
}

void Delivery::add(const route::Destination& destination, queue::Job job) {
  queue_.add(destination, std::move(job));
  schedule();
}

void Delivery::queued(const route::Destination& destination, WallTime due) {
  queue_.stored(destination, due, now());
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
    fetch_wanted(true);
    fetch_wanted(false);
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

void Delivery::fetch_wanted(bool reached) {
  while (queue_.has_wanted_jobs(reached) && fetches_ < kFetches && !shared_.memory.is_full(reached)) {
    const queue::Queue::Fetch fetch = *queue_.wants_jobs(reached, now());
    const std::size_t count = std::min<std::size_t>(fetch.count, shared_.memory.room());
    ++fetches_;
    shared_.spool.claim_due(fetch.destination, fetch.until, count, kLease, loop_,
                            lifetime_.bind([this, destination = fetch.destination](Result<spool::Due> due) { fetched(destination, std::move(due)); }));
  }
}

void Delivery::fetched(const route::Destination& destination, Result<spool::Due> due) {
  --fetches_;
  if (!due) {
    shared_.log.write(LogLevel::error, LogLine("spool-claim")
                                           .field("destination", destination.text())
                                           .field("error", due.error().message)
                                           .field("hint", "what is queued for it waits in the spool, and is asked for again shortly"));
    queue_.fetched(destination, now().schedule + kHeldUp, now());
    schedule();
    return;
  }
  for (spool::Claimed& claimed : due->jobs) {
    if (auto job = take_over(std::move(claimed))) queue_.add(destination, std::move(*job));
  }
  queue_.fetched(destination, due->next, now());
  schedule();
}

/// What the policy sends elsewhere by now goes back, to be found there. None: that was all of it.
std::optional<queue::Job> Delivery::take_over(spool::Claimed claimed) {
  std::vector<spool::Settlement> elsewhere = queue::rerouted(claimed, shared_.config);
  for (const spool::Settlement& each : elsewhere) {
    for (const std::uint32_t index : each.deferred->recipients) std::erase(claimed.job.recipients, index);
  }
  settling_.put_back(std::move(elsewhere));
  if (claimed.job.recipients.empty()) return std::nullopt;
  return std::move(queue::on_their_way({std::move(claimed)}, shared_.memory).front().second);
}

/// Of a destination that cannot be reached, what has been tried for long enough by now: a part of it after another, as long as the oldest ones are.
void Delivery::give_up_old(const route::Destination& destination, const smtp::Outcome& outcome) {
  shared_.spool.claim_due(destination, now().schedule, kAtOnce, kLease, loop_, lifetime_.bind([this, destination, outcome](Result<spool::Due> due) {
    if (!due) return;  // whoever fetches next tells of it
    std::vector<queue::Job> others;
    for (spool::Claimed& claimed : due->jobs) {
      auto job = take_over(std::move(claimed));
      if (!job) continue;
      if (queue::gives_up(shared_.config.retry, job->message->head()->arrived, loop_.wall())) {
        judge_and_settle(*job, std::vector<smtp::Outcome>(job->recipients.size(), outcome), destination, nullptr);
      } else {
        others.push_back(std::move(*job));
      }
    }
    settling_.put_back(others, destination);
    if (due->next) queue_.stored(destination, *due->next, now());
    if (others.empty() && due->jobs.size() == kAtOnce && !shutting_down_) give_up_old(destination, outcome);
  }));
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
  if ((queue_.has_wanted_jobs(true) || queue_.has_wanted_jobs(false)) && fetches_ < kFetches) {
    const Instant again = loop_.now() + kFull;
    if (!when || again < *when) when = again;
  }
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
  queue::Verdict verdict = queue::judge(job, outcomes, shared_.config.retry, now(), random());
  report(job, verdict.outcomes, outbound);
  auto rest = std::move(verdict.rest);
  if (rest) {
    shared_.log.write(LogLevel::info, LogLine("next-transaction")
                                          .field("queue-id", job.message->head()->id.text())
                                          .field("relay", outcomes.front().host)
                                          .field("nrcpt", static_cast<std::int64_t>(rest->recipients.size())));
  }
  settling_.settle(job, std::move(verdict), destination.anew());
  return rest;
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
