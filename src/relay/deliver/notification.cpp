// See notification.h.
#include "relay/deliver/notification.h"

#include "adieu/protocol/mail/dsn.h"
#include "adieu/relay/queue/jobs.h"
#include "adieu/relay/queue/settle.h"

namespace adieu::deliver {
namespace {

/// "mx.example.net" of "mx.example.net[192.0.2.1]:25", as Remote-MTA names it; an address stands in brackets (RFC 3464 section 2.1.2).
std::string name_of(const std::string& host) {
  std::string name = host.substr(0, host.find('['));
  if (name.empty()) return host.substr(0, host.find(']') + 1);  // it was an address literal
  if (!IpAddress::parse(name)) return name;
  return (name.find(':') == std::string::npos ? "[" : "[IPv6:") + name + "]";
}

mail::DsnRecipient told(const spool::Recipient& recipient, const smtp::Outcome& outcome, WallTime now) {
  mail::DsnRecipient told;
  told.forward_path = recipient.forward_path;
  told.status = outcome.status;
  told.last_attempt = now;
  told.explanation = queue::reply_line(outcome);
  if (outcome.reply.code != 0) {
    told.diagnostic = outcome.reply.line();
    if (!outcome.host.empty()) {
      told.remote_mta = name_of(outcome.host);
      told.explanation = outcome.host + (outcome.detail.empty() ? " said: " : ": ") + told.explanation;
    }
  }
  return told;
}

}  // namespace

std::optional<spool::NewMessage> make_notification(const config::Config& config, const access::Rules& rules, const spool::MessageHead& original,
                                                   const std::vector<queue::Failed>& failures, std::string_view header_section, WallTime now,
                                                   Log& log) {
  const access::Decision decision = rules.decide_own(original.reverse_path);
  const auto* relay = std::get_if<access::Accepted>(&decision);
  if (relay == nullptr) {
    log.write(LogLevel::warning, LogLine("no-notification")
                                     .field("queue-id", original.id.text())
                                     .field("to", "<" + original.reverse_path.text() + ">")
                                     .field("hint", "no `relay` rule leads to this reverse-path, or a `reject` rule refuses it, so nobody can be told of the failure"));
    return std::nullopt;
  }
  mail::DeliveryStatus status;
  status.hostname = config.hostname;
  status.queue_id = original.id.text();
  status.arrived = original.arrived;
  status.time = now;
  status.reverse_path = original.reverse_path;
  status.header_section = mail::reported_fields(header_section);
  for (const queue::Failed& failure : failures) status.recipients.push_back(told(original.recipients[failure.index], failure.outcome, now));
  spool::NewMessage message;
  message.mail_data = mail::delivery_status_notification(status);
  message.head.arrived = now;
  message.head.body = mail::BodyType::seven_bit;
  message.head.client = config.hostname;
  spool::Recipient to;
  to.forward_path = relay->instead.value_or(original.reverse_path);
  to.next_hop = relay->next_hop;
  message.head.recipients.push_back(std::move(to));
  message.job = queue::jobs_of(message.head, config).front();
  return message;
}

}  // namespace adieu::deliver
