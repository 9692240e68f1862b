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

void Settling::settle(const std::shared_ptr<queue::InFlight>& message, queue::Verdict verdict) {
  const bool tells = !message->head()->reverse_path.is_null();
  std::vector<spool::RecipientUpdate> updates;
  std::vector<queue::Failed> failures;
  auto failure = verdict.failures.begin();
  for (spool::RecipientUpdate& update : verdict.updates) {
    if (tells && update.state == spool::RecipientState::failed) {
      failures.push_back({std::move(update), std::move((failure++)->outcome)});
    } else {
      updates.push_back(std::move(update));
    }
  }
  const auto final_count = static_cast<std::uint32_t>(verdict.final_count - failures.size());
  const bool fails = !failures.empty();
  store(message, std::move(updates), {}, final_count);
  const bool first = fails && message->hold(std::move(failures));
  if (stopping_ || message->only_failures_left()) {
    tell(message);
  } else if (first) {
    collected_.push_back({loop_.now() + kCollect, message});
    arm();
  }
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
  std::vector<spool::RecipientUpdate> updates;
  updates.reserve(failures.size());
  for (queue::Failed& failure : failures) updates.push_back(std::move(failure.update));
  const auto count = static_cast<std::uint32_t>(updates.size());
  store(message, std::move(updates), std::move(notifications), count);
}

void Settling::store(const std::shared_ptr<queue::InFlight>& message, std::vector<spool::RecipientUpdate> updates,
                     std::vector<spool::NewMessage> notifications, std::uint32_t final_count) {
  if (updates.empty()) return;
  spool::Settlement settlement;
  settlement.id = message->head()->id;
  settlement.updates = std::move(updates);
  settlement.notifications = std::move(notifications);
  ++under_way_;
  message->settle(final_count, [&](bool finished) {
    settlement.finished = finished;
    shared_.spool.settle(std::move(settlement), loop_,
                         lifetime_.bind([this, id = message->head()->id, finished](Result<std::vector<spool::Transaction::Kept>> result) {
                           stored(id, finished, std::move(result));
                         }));
  });
}

void Settling::stored(spool::MessageId id, bool finished, Result<std::vector<spool::Transaction::Kept>> result) {
  if (!result) {
    shared_.log.write(LogLevel::error, LogLine("spool-settle")
                                           .field("queue-id", id.text())
                                           .field("error", result.error().message)
                                           .field("hint", "after a restart these recipients are tried again; mend the disk"));
  } else {
    for (spool::Transaction::Kept& kept : *result) {
      shared_.log.write(LogLevel::info, observe::notification_queued(*kept.head, id));
      shared_.accept(std::move(kept));
    }
    if (finished) shared_.log.write(LogLevel::info, observe::removed(id));
  }
  done_one();
}

void Settling::done_one() {
  if (--under_way_ == 0) on_idle_();
}

}  // namespace adieu::deliver
