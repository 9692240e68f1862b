// See events.h.
#include "adieu/relay/observe/events.h"

#include "adieu/relay/queue/settle.h"
#include "relay/observe/fields.h"

namespace adieu::observe {
namespace {

std::string_view relay_of(const smtp::Outcome& outcome) { return outcome.host.empty() ? std::string_view("none") : outcome.host; }

std::string seconds(Duration duration) {
  const auto tenths = duration.count() / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}

std::string_view event_name(smtp::Fate fate) {
  switch (fate) {
    case smtp::Fate::delivered: return "delivered";
    case smtp::Fate::deferred: return "deferred";
    case smtp::Fate::failed: return "failed";
  }
  return "unknown";
}

LogLine& add_client(LogLine& line, const ClientFacts& client) {
  line.field("connection", client.connection).field("client", client_text(client.client));
  return add_helo(line, client.helo).field("listener", client.listener);
}

}  // namespace

std::string client_text(const Endpoint& client) { return "[" + client.address.text() + "]:" + std::to_string(client.port); }

mail::MessageSummary summary(const spool::MessageHead& head) {
  mail::MessageSummary summary;
  summary.queue_id = head.id.value == 0 ? std::string() : head.id.text();
  summary.has_reverse_path = true;
  summary.reverse_path = head.reverse_path;
  for (const spool::Recipient& recipient : head.recipients) summary.add(recipient.forward_path);
  summary.size = head.size;
  return summary;
}

LogLine queued(spool::MessageId id, const spool::MessageHead& head, const ClientFacts& client, std::string_view with, std::string_view message_id) {
  LogLine line("queued");
  add_client(line.field("queue-id", id.text()), client);
  add_envelope(line, summary(head));
  line.field("nrcpt", static_cast<std::int64_t>(head.recipients.size())).field("size", static_cast<std::int64_t>(head.size));
  if (!message_id.empty()) line.field("message-id", message_id, kPathLimit);
  line.field("proto", with);
  if (client.tls != nullptr) line.field("tls", client.tls->version).field("cipher", client.tls->cipher);
  return line;
}

LogLine duplicate(const mail::MessageSummary& message, const ClientFacts& client, std::string_view message_id) {
  LogLine line("duplicate");
  add_client(line.field("queue-id", message.queue_id), client);
  return add_envelope(line, message).field("message-id", message_id, kPathLimit);
}

LogLine rejected(const smtp::Refusal& refusal, const ClientFacts& client) {
  LogLine line("reject");
  add_client(line, client).optional("command", refusal.command);
  add_envelope(line, refusal.message);
  if (refusal.message.size != 0) line.field("size", static_cast<std::int64_t>(refusal.message.size));
  return line.field("reply", refusal.reply.line());
}

LogLine revoked(const mail::MessageSummary& message, std::string_view connection) {
  LogLine line("revoked");
  line.field("queue-id", message.queue_id).field("connection", connection);
  return add_envelope(line, message).field("reason", "the client was gone before its 250 could be handed over");
}

LogLine attempted(const spool::MessageHead& head, const spool::Recipient& recipient, std::string_view tls, const smtp::Outcome& outcome,
                  WallTime now) {
  LogLine line(event_name(outcome.fate));
  line.field("queue-id", head.id.text()).field("to", path(recipient.forward_path), kPathLimit).field("relay", relay_of(outcome)).optional("tls", tls);
  line.field("next-hop", recipient.next_hop).field("delay", seconds(now - head.arrived)).field("dsn", outcome.status.text());
  if (outcome.may_have_arrived) line.field("note", "the next hop may have it: no complete reply came after the end of data");
  return line.field("status", queue::reply_line(outcome));
}

LogLine notification_queued(const spool::MessageHead& notification, spool::MessageId parent) {
  LogLine line("queued");
  line.field("queue-id", notification.id.text()).field("parent", parent.text()).field("from", path(notification.reverse_path));
  for (const spool::Recipient& recipient : notification.recipients) line.field("to", path(recipient.forward_path));
  line.field("nrcpt", static_cast<std::int64_t>(notification.recipients.size()));
  return line.field("size", static_cast<std::int64_t>(notification.size));
}

LogLine again_elsewhere(const spool::MessageHead& head, const spool::Recipient& recipient, const smtp::Outcome& outcome) {
  LogLine line("again-elsewhere");
  line.field("queue-id", head.id.text()).field("to", path(recipient.forward_path), kPathLimit).field("relay", relay_of(outcome));
  return line.field("next-hop", recipient.next_hop).field("dsn", outcome.status.text()).field("status", queue::reply_line(outcome));
}

LogLine tried(std::string_view destination, std::string_view next_hop, const smtp::Outcome& failure) {
  LogLine line("tried");
  line.field("relay", relay_of(failure)).field("next-hop", next_hop).field("destination", destination);
  return line.field("dsn", failure.status.text()).field("status", queue::reply_line(failure));
}

LogLine removed(spool::MessageId id) {
  LogLine line("removed");
  line.field("queue-id", id.text());
  return line;
}

LogLine disconnect(const ClosureRecord& record) {
  LogLine line("disconnect");
  line.optional("connection", record.connection).field("client", client_text(record.peer));
  add_helo(line, record.end.peer_name).field("listener", record.where);
  line.field("ending", record.end.ending == tls::Ending::mutual ? "orderly" : name(record.end.ending));
  line.field("effect", name(record.end.effect)).optional("detail", record.end.detail);
  add_messages(line, record.end.messages);
  return line.field("transactions", record.end.transactions);
}

}  // namespace adieu::observe
