// See settling.h.
#include "adieu/relay/deliver/settling.h"

#include <utility>

#include "adieu/protocol/mail/dsn.h"
#include "adieu/relay/observe/events.h"
#include "relay/deliver/notification.h"

namespace adieu::deliver {

Settling::Settling(Shared shared, Loop& loop, std::function<void()> on_idle)
    : shared_(shared),
      loop_(loop),
      on_idle_(std::move(on_idle)),
      timer_(loop.timer([this] { tell_due(); })) {}

void Settling::settle(const queue::Job& job, queue::Verdict verdict, const route::Destination& destination) {
  const bool tells = !job.message->head()->reverse_path.is_null();
  spool::Settlement settlement{job.claim, std::move(verdict.delivered)};
  job.message->delivered(settlement.done.size());
  if (verdict.again) settlement.deferred = queue::deferral(*verdict.again, destination).deferred;
  std::vector<queue::Failed> failures;
  for (queue::Verdict::Failure& failure : verdict.failures) {
    if (tells) {
      failures.push_back({job.claim, failure.index, std::move(failure.outcome)});
    } else {
      settlement.done.push_back(failure.index);
    }
  }
  if (!settlement.done.empty() || settlement.deferred) store({{std::move(settlement)}, {}});
  collect(job.message, std::move(failures));
}

/// Jobs of one message may have been claimed one by one: the first of them that fails has the failures of all.
void Settling::collect(const std::shared_ptr<queue::InFlight>& message, std::vector<queue::Failed> failures) {
  const auto known = collecting_.find(message->head()->id);
  const std::shared_ptr<queue::InFlight> with = known == collecting_.end() ? message : known->second;
  const bool first = !failures.empty() && with->hold(std::move(failures));
  if (stopping_ || with->only_failures_left()) {
    tell(with);
  } else if (first) {
    collecting_[message->head()->id] = with;
    collected_.push_back({loop_.now() + kCollect, with});
    arm();
  }
}

void Settling::put_back(const std::vector<queue::Job>& jobs, const route::Destination& destination) {
  std::vector<spool::Settlement> deferrals;
  for (const queue::Job& job : jobs) deferrals.push_back(queue::deferral(job, destination));
  put_back(std::move(deferrals));
}

void Settling::put_back(std::vector<spool::Settlement> deferrals) {
  if (!deferrals.empty()) store({std::move(deferrals), {}});
}

void Settling::arm() { timer_->set(collected_.empty() ? std::nullopt : Deadline(collected_.front().until)); }

void Settling::tell_due() {
  while (!collected_.empty() && collected_.front().until <= loop_.now()) {
    const auto message = std::move(collected_.front().message);
    collected_.pop_front();
    tell(message);
  }
  arm();
}

void Settling::stop() {
  stopping_ = true;
  for (const Collected& each : std::exchange(collected_, {})) tell(each.message);
  arm();
}

void Settling::tell(const std::shared_ptr<queue::InFlight>& message) {
  const auto known = collecting_.find(message->head()->id);
  if (known != collecting_.end() && known->second == message) collecting_.erase(known);
  std::vector<queue::Failed> failures = message->take_failures();
  if (failures.empty()) return;  // another shard has told of them
  if (const spool::MailData mail_data = message->mail_data()) {
    tell_with(message, std::move(failures), *mail_data);
    return;
  }
  ++under_way_;
  shared_.spool.read(*message->head(), 0, mail::kReportedHeaders, loop_,
                     lifetime_.bind([this, message, failures = std::move(failures)](Result<std::string> start) mutable {
                       tell_with(message, std::move(failures), start ? Octets(*start) : Octets());
                       done_one();
                     }));
}

void Settling::tell_with(const std::shared_ptr<queue::InFlight>& message, std::vector<queue::Failed> failures, Octets start_of_mail_data) {
  std::vector<spool::NewMessage> notifications;
  const spool::MessageHead& head = *message->head();
  auto notification = make_notification(shared_.config, shared_.rules, head, failures, mail::header_section(start_of_mail_data), loop_.wall(), shared_.log);
  if (notification && !shared_.limit.take(head.reverse_path, loop_.now())) {
    shared_.log.write(LogLevel::warning, LogLine("no-notification")
                                             .field("queue-id", head.id.text())
                                             .field("to", "<" + head.reverse_path.text() + ">")
                                             .field("nrcpt", static_cast<std::int64_t>(failures.size()))
                                             .field("hint", "this address has had `limits { notifications-per-address }` within an hour"));
  } else if (notification) {
    notifications.push_back(std::move(*notification));
  }
  spool::Settlements settlements{{}, std::move(notifications)};
  for (const queue::Failed& failure : failures) {
    if (settlements.jobs.empty() || settlements.jobs.back().claim != failure.claim) settlements.jobs.push_back({failure.claim, {}});
    settlements.jobs.back().done.push_back(failure.index);
  }
  store(std::move(settlements));
}

void Settling::store(spool::Settlements settlements) {
  std::vector<std::pair<route::Destination, WallTime>> deferred;
  for (const spool::Settlement& each : settlements.jobs) {
    if (each.deferred) deferred.emplace_back(each.deferred->destination, each.deferred->due);
  }
  ++under_way_;
  const spool::MessageId id = settlements.jobs.front().claim.job.message;
  shared_.spool.settle(std::move(settlements), loop_, lifetime_.bind([this, id, deferred = std::move(deferred)](Result<spool::Settled> result) {
    if (!result) {
      shared_.log.write(LogLevel::error, LogLine("spool-settle")
                                             .field("queue-id", id.text())
                                             .field("error", result.error().message)
                                             .field("hint", "after a restart these recipients are tried again; mend the disk"));
    } else {
      for (spool::Claimed& notification : result->notifications) {
        shared_.log.write(LogLevel::info, observe::notification_queued(*notification.head, id));
        shared_.accept({std::move(notification)});
      }
      for (const spool::MessageId finished : result->finished) shared_.log.write(LogLevel::info, observe::removed(finished));
      for (const auto& [destination, due] : deferred) shared_.queued(destination, due);
    }
    done_one();
  }));
}

void Settling::done_one() {
  if (--under_way_ == 0) on_idle_();
}

}  // namespace adieu::deliver
