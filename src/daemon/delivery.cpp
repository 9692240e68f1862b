// See delivery.h.
#include "daemon/delivery.h"

#include <algorithm>
#include <utility>

#include "adieu/base/result.h"
#include "adieu/relay/observe/events.h"
#include "adieu/relay/queue/retry.h"
#include "daemon/notification.h"

namespace adieu::daemon {
namespace {

observe::Metrics::Count& count_of(observe::Metrics& metrics, smtp::Fate fate) {
  switch (fate) {
    case smtp::Fate::delivered: return metrics.delivered;
    case smtp::Fate::deferred: return metrics.deferred;
    case smtp::Fate::failed: return metrics.failed;
  }
  return metrics.failed;
}

constexpr Duration kHeldUp = std::chrono::seconds(1);  // between looks at a spool that takes nothing

WallTime wall_now() { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

}  // namespace

Delivery::Delivery(Shared& shared, uv::Loop& loop, std::unique_ptr<dns::Resolver> resolver)
    : shared_(shared),
      loop_(loop),
      resolver_(std::move(resolver)),
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
    ++count_of(shared_.metrics, outcomes[i].fate);
    shared_.log.write(outcomes[i].fate == smtp::Fate::delivered ? LogLevel::info : LogLevel::warning,
                      observe::attempted(head, head.recipients[job.recipients[i]], outbound != nullptr ? outbound->relay() : "none",
                                         outbound != nullptr && outbound->tls() != nullptr ? outbound->tls()->version : "",
                                         outcomes[i], now));
  }
}

void Delivery::settle(const queue::Job& job, queue::Verdict verdict, const route::Destination& destination) {
  const std::shared_ptr<const spool::MessageHead>& head = job.message->head();
  spool::Settlement settlement;
  settlement.id = head->id;
  settlement.updates = std::move(verdict.updates);
  if (verdict.again) queue_.add(destination, std::move(*verdict.again), wall_now());
  if (settlement.updates.empty()) return;
  if (verdict.failures.empty() || head->reverse_path.is_null()) {
    store(*job.message, std::move(settlement));
    return;
  }
  if (const spool::MailData mail_data = job.message->mail_data()) {
    settlement.notifications.push_back(notification(job, verdict.failures, std::string(mail::header_section(*mail_data))));
    store(*job.message, std::move(settlement));
    return;
  }
  // Its header section stands in the spool.
  ++settling_;
  shared_.spool.read(*head, 0, mail::kReportedHeaders, loop_,
                     [self = std::weak_ptr(self_), job, failures = std::move(verdict.failures),
                      settlement = std::move(settlement)](Result<std::string> start) mutable {
                       const auto alive = self.lock();
                       if (!alive) return;
                       Delivery& delivery = **alive;
                       --delivery.settling_;
                       std::string headers = start ? std::string(mail::header_section(*start)) : std::string();
                       settlement.notifications.push_back(delivery.notification(job, failures, std::move(headers)));
                       delivery.store(*job.message, std::move(settlement));
                     });
}

spool::NewMessage Delivery::notification(const queue::Job& job, const std::vector<queue::Verdict::Failure>& failures,
                                         std::string original_headers) const {
  return make_notification(shared_.config, shared_.rules, *job.message->head(), failures, std::move(original_headers), wall_now(),
                           shared_.log);
}

void Delivery::store(queue::InFlight& message, spool::Settlement settlement) {
  std::erase_if(settlement.notifications, [](const spool::NewMessage& one) { return one.head.recipients.empty(); });
  const auto settled = static_cast<std::uint32_t>(
      std::count_if(settlement.updates.begin(), settlement.updates.end(),
                    [](const spool::RecipientUpdate& update) { return update.state != spool::RecipientState::pending; }));
  ++settling_;
  // Counted only now that nothing else is waited for: whoever comes last takes the message out of the spool, and what others still have to say of it
  // would be lost.
  message.settle(settled, [&](bool finished) {
    const spool::MessageId id = settlement.id;
    settlement.finished = finished;
    shared_.spool.settle(std::move(settlement), loop_, [self = std::weak_ptr(self_), id, finished](auto stored) {
      if (const auto alive = self.lock()) (*alive)->stored(id, finished, std::move(stored));
    });
  });
}

void Delivery::stored(spool::MessageId id, bool finished, Result<std::vector<spool::Transaction::Kept>> notifications) {
  --settling_;
  if (!notifications) {
    shared_.log.write(LogLevel::error, LogLine("spool-settle")
                                           .field("queue-id", id.text())
                                           .field("error", notifications.error().message)
                                           .field("hint", "after a restart these recipients are tried again; mend the disk"));
  } else {
    if (finished) shared_.log.write(LogLevel::info, observe::removed(id));
    for (spool::Transaction::Kept& kept : *notifications) shared_.accept(std::move(kept));
  }
  if (shutting_down_ && lines_.empty() && settling_ == 0 && on_idle_) std::exchange(on_idle_, nullptr)();
}

void Delivery::shut_down(std::function<void()> on_idle) {
  shutting_down_ = true;
  on_idle_ = std::move(on_idle);
  std::vector<std::uint64_t> idle;
  for (auto& [id, line] : lines_) {
    if (std::exchange(line.waiting, false)) idle.push_back(id);
  }
  for (const std::uint64_t id : idle) lines_.at(id).outbound->quit();
  if (lines_.empty() && settling_ == 0 && on_idle_) std::exchange(on_idle_, nullptr)();
}

void Delivery::cut() {
  std::vector<Outbound*> left;
  for (const auto& [id, line] : lines_) {
    if (line.outbound) left.push_back(line.outbound.get());
  }
  for (Outbound* outbound : left) outbound->cut();
}

}  // namespace adieu::daemon
