// See events.h.
#include "adieu/relay/observe/events.h"

#include "adieu/relay/queue/settle.h"

namespace adieu::observe {
namespace {

std::string path(const mail::Mailbox& mailbox) { return "<" + mailbox.text() + ">"; }

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

}  // namespace

LogLine queued(spool::MessageId id, const spool::MessageHead& head, std::string_view helo, std::string_view with) {
  LogLine line("queued");
  line.field("queue-id", id.text()).field("client", head.client).field("from", path(head.reverse_path));
  if (head.recipients.size() == 1) line.field("to", path(head.recipients.front().forward_path));
  line.field("nrcpt", static_cast<std::int64_t>(head.recipients.size())).field("size", static_cast<std::int64_t>(head.size));
  return line.field("proto", with).field("helo", helo);
}

LogLine attempted(const spool::MessageHead& head, const spool::Recipient& recipient, std::string_view relay, std::string_view tls,
                  const smtp::Outcome& outcome, WallTime now) {
  LogLine line(event_name(outcome.fate));
  line.field("queue-id", head.id.text()).field("to", path(recipient.forward_path)).field("relay", relay).optional("tls", tls);
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

LogLine removed(spool::MessageId id) {
  LogLine line("removed");
  line.field("queue-id", id.text());
  return line;
}

LogLine disconnect(const ClosureRecord& record) {
  LogLine line("disconnect");
  line.field("client", record.peer.text()).optional("helo", record.end.peer_name).field("listener", record.where);
  line.field("ending", record.end.ending == tls::Ending::mutual ? "orderly" : name(record.end.ending));
  line.field("effect", name(record.end.effect)).optional("detail", record.end.detail);
  return line.field("transactions", record.end.transactions);
}

}  // namespace adieu::observe
