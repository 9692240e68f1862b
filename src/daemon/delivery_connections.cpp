// See delivery.h: where connections come from, what they are given to do, and how they end.
#include <algorithm>
#include <utility>

#include "adieu/base/bytes.h"
#include "adieu/base/result.h"
#include "adieu/protocol/mail/seven_bit.h"
#include "adieu/relay/queue/retry.h"
#include "adieu/relay/route/mx_order.h"
#include "daemon/delivery.h"

namespace adieu::daemon {
namespace {

constexpr std::size_t kCandidates = 10;  // addresses tried in one attempt

/// Of a message that an earlier version of the relay has taken nobody knows what its octets are.
mail::BodyType body_of(const queue::InFlight& message) {
  const spool::MessageHead& head = *message.head();
  if (head.body != mail::BodyType::unspecified) return head.body;
  const spool::MailData mail_data = message.mail_data();
  return !mail_data || mail::has_eight_bit(*mail_data) ? mail::BodyType::eight_bit_mime : mail::BodyType::seven_bit;
}

WallTime wall_now() { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

}  // namespace

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
    // Everything that is due for it now fails for the same reason (no such domain, a null MX).
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
  end_if_idle();
}

}  // namespace adieu::daemon
