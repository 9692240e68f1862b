// See notification.h.
#include "daemon/notification.h"

#include "adieu/protocol/mail/dsn.h"

namespace adieu::daemon {

spool::NewMessage make_notification(const config::Config& config, const access::Rules& rules, const spool::MessageHead& original,
                                    const std::vector<queue::Verdict::Failure>& failures, std::string original_headers, WallTime now,
                                    Log& log) {
  spool::NewMessage message;
  const access::Decision decision = rules.decide_own(original.reverse_path);
  const auto* relay = std::get_if<access::Accepted>(&decision);
  if (relay == nullptr) {
    log.write(LogLevel::warning, LogLine("no-notification")
                                     .field("queue-id", original.id.text())
                                     .field("to", original.reverse_path.text())
                                     .field("hint", "no `relay` rule leads to this reverse-path, so nobody can be told of the failure"));
    return message;
  }
  mail::DeliveryStatus status;
  status.hostname = config.hostname;
  status.queue_id = original.id.text();
  status.arrived = original.arrived;
  status.time = now;
  status.reverse_path = original.reverse_path;
  status.header_section = std::move(original_headers);
  for (const auto& [index, outcome] : failures) {
    mail::DsnRecipient recipient;
    recipient.forward_path = original.recipients[index].forward_path;
    recipient.status = outcome.status;
    recipient.explanation = queue::reply_line(outcome);
    if (outcome.reply.code != 0) recipient.diagnostic = outcome.reply.line();
    status.recipients.push_back(std::move(recipient));
  }
  message.mail_data = mail::delivery_status_notification(status);
  message.head.arrived = now;
  message.head.body = mail::BodyType::seven_bit;
  message.head.client = config.hostname;
  spool::Recipient to;
  to.forward_path = relay->instead.value_or(original.reverse_path);
  to.next_hop = relay->next_hop;
  message.head.recipients.push_back(std::move(to));
  return message;
}

}  // namespace adieu::daemon
