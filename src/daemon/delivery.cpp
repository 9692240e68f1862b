// See delivery.h.
#include "daemon/delivery.h"

#include <algorithm>
#include <utility>

#include "adieu/base/bytes.h"
#include "adieu/base/result.h"
#include "adieu/protocol/mail/seven_bit.h"
#include "adieu/relay/observe/events.h"
#include "adieu/relay/queue/retry.h"
#include "adieu/relay/route/mx_order.h"
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

constexpr std::size_t kCandidates = 10;  // addresses tried in one attempt

/// Of a message that an earlier version of the relay has taken nobody knows what its octets are.
mail::BodyType body_of(const queue::InFlight& message) {
  const spool::MessageHead& head = *message.head();
  if (head.body != mail::BodyType::unspecified) return head.body;
  const spool::MailData mail_data = message.mail_data();
  return !mail_data || mail::has_eight_bit(*mail_data) ? mail::BodyType::eight_bit_mime : mail::BodyType::seven_bit;
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

void Delivery::open(const route::Destination& destination) {
  const std::uint64_t id = ++last_id_;
  Line& line = lines_[id];
  line.destination = destination;
  line.next_hop = &shared_.next_hops.at(destination.next_hop);
  queue_.connection_opened(destination);
  if (const auto* target = std::get_if<config::HostTarget>(&line.next_hop->policy.target)) {
    line.hosts = {target->host};
    look_up_hosts(id);
  } else {
    look_up_exchangers(id);
  }
}

void Delivery::look_up_exchangers(std::uint64_t id) {
  const std::string domain = lines_.at(id).destination.domain;
  if (domain.starts_with('[')) {  // an address literal is its own exchanger (RFC 5321 section 4.1.3)
    lines_.at(id).hosts = {domain};
    look_up_hosts(id);
    return;
  }
  resolver_->mail_exchangers(domain, [this, id, domain](const dns::MailExchangers& answer) {
    auto ordered = route::order_exchangers(domain, answer, {to_ascii_lower(shared_.config.hostname)}, ++shuffle_);
    if (const auto* outcome = std::get_if<smtp::Outcome>(&ordered)) {
      unreachable(id, *outcome);
      return;
    }
    lines_.at(id).hosts = std::move(std::get<route::Hosts>(ordered));
    look_up_hosts(id);
  });
}

/// One host after another, in order, until there are addresses enough.
void Delivery::look_up_hosts(std::uint64_t id) {
  Line& line = lines_.at(id);
  const auto port = std::visit([](const auto& target) { return target.port; }, line.next_hop->policy.target);
  while (line.hosts_asked < line.hosts.size() && line.candidates.size() < kCandidates) {
    const std::string host = line.hosts[line.hosts_asked++];
    std::string literal = host;
    if (literal.starts_with("[IPv6:")) literal = literal.substr(6, literal.size() - 7);
    if (literal.starts_with('[')) literal = literal.substr(1, literal.size() - 2);
    if (const auto address = IpAddress::parse(literal)) {
      line.candidates.push_back({host, {*address, port}});
      continue;
    }
    resolver_->addresses(host, [this, id, host, port](const dns::Addresses& answer) {
      Line& asked = lines_.at(id);
      asked.dns_trouble |= answer.status == dns::Status::temporary || answer.status == dns::Status::bogus;
      for (const IpAddress& address : answer.records) asked.candidates.push_back({host, {address, port}});
      look_up_hosts(id);
    });
    return;
  }
  connect(id);
}

void Delivery::connect(std::uint64_t id) {
  Line& line = lines_.at(id);
  if (line.candidates.empty()) {
    unreachable(id, route::no_addresses(line.destination.text(), line.dns_trouble));
    return;
  }
  if (line.candidates.size() > kCandidates) line.candidates.resize(kCandidates);
  line.outbound = std::make_unique<Outbound>(loop_, line.next_hop->outbound, std::move(line.candidates), shared_.spool, *this,
                                             shared_.closures, shared_.log);
  line_ids_[line.outbound.get()] = id;
  line.outbound->start();
}

Delivery::Lines::iterator Delivery::line_of(const Outbound& outbound) { return lines_.find(line_ids_.at(&outbound)); }

void Delivery::on_ready(Outbound& outbound) {
  const auto found = line_of(outbound);
  Line& line = found->second;
  queue_.reached(line.destination);
  const bool used_up = outbound.messages() >= line.next_hop->policy.messages_per_connection;
  if (!used_up && may_begin()) line.job = line.rest ? std::exchange(line.rest, std::nullopt) : queue_.take(line.destination, wall_now());
  if (line.job) {
    send(line);
    return;
  }
  if (used_up || shutting_down_ || line.next_hop->policy.idle_timeout == Duration(0)) {
    outbound.quit();
    return;
  }
  line.waiting = line.has_waited = true;
  if (!line.idle) {
    line.idle = std::make_unique<uv::Timer>(loop_, [this, id = found->first] {
      const auto idle = lines_.find(id);
      if (idle == lines_.end() || !std::exchange(idle->second.waiting, false)) return;
      idle->second.outbound->quit();
    });
  }
  line.idle->set(loop_.now() + line.next_hop->policy.idle_timeout);
}

void Delivery::send(Line& line) {
  if (line.idle) line.idle->set(std::nullopt);
  const queue::InFlight& message = *line.job->message;
  mail::Envelope envelope;
  envelope.reverse_path = message.head()->reverse_path;
  envelope.body = body_of(message);
  for (const std::uint32_t index : line.job->recipients) {
    envelope.forward_paths.push_back(message.head()->recipients[index].forward_path);
  }
  line.outbound->send(std::move(envelope), {message.head(), message.mail_data()});
}

void Delivery::on_finished(Outbound& outbound, std::vector<smtp::Outcome> outcomes) {
  Line& line = line_of(outbound)->second;
  queue::Job job = *std::exchange(line.job, std::nullopt);
  // A next hop may close a connection that waited, at any moment: that says nothing about the message which met it (RFC 5321 section 3.8). The
  // next connection to it is a new one sooner or later, so that this ends.
  const bool used = outbound.messages() > 1 || line.has_waited;
  const bool tired = used && std::all_of(outcomes.begin(), outcomes.end(), [](const smtp::Outcome& outcome) {
    return outcome.fate == smtp::Fate::deferred && !outcome.may_have_arrived && (outcome.reply.code == 0 || outcome.reply.code == 421);
  });
  if (tired) {
    shared_.log.write(LogLevel::info, LogLine("again-at-once")
                                          .field("queue-id", job.message->head()->id.text())
                                          .field("relay", outbound.relay())
                                          .field("status", queue::reply_line(outcomes.front())));
    job.next_attempt = wall_now();
    queue_.add(line.destination, std::move(job), wall_now());
    schedule();
    return;
  }
  report(job, outcomes, &outbound);
  queue::Verdict verdict = queue::judge(job, outcomes, shared_.config.retry, wall_now());
  if (verdict.rest) {
    shared_.log.write(LogLevel::info, LogLine("next-transaction")
                                          .field("queue-id", job.message->head()->id.text())
                                          .field("relay", outbound.relay())
                                          .field("nrcpt", static_cast<std::int64_t>(verdict.rest->recipients.size())));
    line.rest = std::move(verdict.rest);
  }
  settle(job, std::move(verdict), line.destination);
}

void Delivery::on_closed(Outbound& outbound, const std::optional<smtp::Outcome>& failure) {
  const auto found = line_of(outbound);
  Line& line = found->second;
  check(!line.job, "a connection finishes its message before it closes");
  // A connection that had been ready and broke while it waited says nothing about the next one.
  if (failure && outbound.messages() == 0 && !line.has_waited) {
    unreachable(found->first, *failure);
  } else {
    end(found);
  }
}

/// The destination could not be reached: what is due pays for the attempt, the rest waits for the end of the back-off.
void Delivery::unreachable(std::uint64_t id, const smtp::Outcome& outcome) {
  const auto found = lines_.find(id);
  const route::Destination destination = found->second.destination;
  const Outbound* outbound = found->second.outbound.get();  // null: no address was found
  const WallTime now = wall_now();
  const bool for_good = outcome.fate == smtp::Fate::failed;
  const auto charge = [&](const queue::Job& job) {
    report(job, std::vector<smtp::Outcome>(job.recipients.size(), outcome), outbound);
    settle(job, queue::judge_all(job, outcome, shared_.config.retry, now), destination);
  };
  if (for_good) {
    // Everything that is due for it now fails alike (no such domain, null MX, a greeting of 5xx).
    while (const auto job = queue_.take(destination, now)) charge(*job);
  } else if (!queue_.backed_off(destination, now)) {  // several connections to it may fail at once
    if (const auto job = queue_.take(destination, now)) charge(*job);
    const Duration wait = queue::interval_after(shared_.config.retry, queue_.failures(destination) + 1);
    const auto expired = queue_.back_off(destination, now + wait, queue::reply_line(outcome), [&](const queue::Job& job) {
      return queue::gives_up(shared_.config.retry, job.message->head()->arrived, now);
    });
    for (const queue::Job& job : expired) charge(job);
    shared_.log.write(LogLevel::warning, LogLine("back-off")
                                             .field("destination", destination.text())
                                             .field("for", to_text(wait))
                                             .field("reason", queue::reply_line(outcome)));
  }
  end(found);
}

void Delivery::end(Lines::iterator line) {
  if (line->second.rest) queue_.add(line->second.destination, *std::exchange(line->second.rest, std::nullopt), wall_now());
  queue_.connection_closed(line->second.destination);
  if (line->second.outbound) line_ids_.erase(line->second.outbound.get());
  if (line->second.idle) line->second.idle->set(std::nullopt);
  // Not destroyed here: this may be its own call.
  loop_.post([dead = std::shared_ptr(std::move(line->second.outbound)), timer = std::shared_ptr(std::move(line->second.idle))] {});
  lines_.erase(line);
  schedule();
  if (shutting_down_ && lines_.empty() && settling_ == 0 && on_idle_) std::exchange(on_idle_, nullptr)();
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
