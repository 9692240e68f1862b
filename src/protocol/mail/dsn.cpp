// See dsn.h.
#include "adieu/protocol/mail/dsn.h"

#include <algorithm>
#include <array>

#include "adieu/base/bytes.h"
#include "adieu/base/result.h"
#include "protocol/mail/mime_walker.h"
#include "protocol/mail/transfer_encoding.h"

namespace adieu::mail {
namespace {
constexpr std::size_t kText = 900;  // of a peer's text on one line, so that the line stays below 998 octets

std::string_view name(DsnAction action) {
  switch (action) {
    case DsnAction::failed: return "failed";
    case DsnAction::delayed: return "delayed";
  }
  return "failed";
}

void line(std::string& out, std::initializer_list<std::string_view> parts) {
  for (std::string_view part : parts) out += part;
  out += "\r\n";
}

// Foreign text on one line: no control octets, all ASCII, and its escapes counted.
std::string on_one_line(std::string_view text, std::size_t room = kText) {
  std::string shown = printable(text, room);
  if (shown.size() > room) shown.replace(room - 3, std::string::npos, "...");
  return shown;
}

// Fit for the wire as it is: lines with CRLF, at most 998 octets, no NUL, no octet beyond ASCII (RFC 5322 section 2.3).
bool is_plain(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find("\r\n");
    if (end == std::string_view::npos || end > 998) return false;
    const auto plain = [](char c) { return c != '\0' && c != '\r' && c != '\n' && static_cast<unsigned char>(c) < 0x80; };
    if (!std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end), plain)) return false;
    text.remove_prefix(end + 2);
  }
  return true;
}

std::string quoted_printable(std::string_view text) {
  QuotedPrintableEncoder encoder;
  std::string out;
  encoder.encode(text, out);
  encoder.finish(out);
  return out;
}

smtp::EnhancedStatus status_of(const DsnRecipient& recipient) {
  if (!recipient.status.none()) return recipient.status;
  return {static_cast<std::uint16_t>(recipient.action == DsnAction::failed ? 5 : 4), 0, 0};
}

bool any_failed(const DeliveryStatus& status) {
  return std::any_of(status.recipients.begin(), status.recipients.end(),
                     [](const DsnRecipient& recipient) { return recipient.action == DsnAction::failed; });
}

void add_header(std::string& out, const DeliveryStatus& status, std::string_view boundary) {
  const std::string millis = std::to_string(status.time.time_since_epoch().count());
  line(out, {"Date: ", rfc5322_date(status.time)});
  line(out, {"From: Mail Delivery System <MAILER-DAEMON@", status.hostname, ">"});
  // An address cannot be folded: where no line holds it, a group without members says that there is one (RFC 5322 section 3.4).
  const std::string to = status.reverse_path.text();
  if (printable(to, kText) == to) {
    line(out, {"To: <", to, ">"});
  } else {
    line(out, {"To: undisclosed-recipients:;"});
  }
  line(out, {"Subject: ", any_failed(status) ? "Undelivered mail returned to sender" : "Delayed mail (still being tried)"});
  line(out, {"Message-ID: <", status.queue_id, ".", millis, "@", status.hostname, ">"});
  line(out, {"Auto-Submitted: auto-replied"});
  line(out, {"MIME-Version: 1.0"});
  line(out, {"Content-Type: multipart/report; report-type=delivery-status;"});
  line(out, {"\tboundary=\"", boundary, "\""});
  line(out, {});
}

// What a person can do about it; by RFC 3463.
std::string_view advice(const DsnRecipient& recipient) {
  const smtp::EnhancedStatus status = status_of(recipient);
  if (recipient.action == DsnAction::delayed) return "You need not send it again.";
  if (status.subject == 1) return "Please check the address: the spelling, and the part behind the @.";
  if (status.subject == 2 && status.detail == 2) return "The mailbox is full. Please try again later, or tell the recipient in another way.";
  if ((status.subject == 2 || status.subject == 3) && (status.detail == 3 || status.detail == 4)) return "The message is too large for it. Please send less, or in several messages.";
  if (status.subject == 4) return "The recipient's mail system could not be reached. Please try again later.";
  if (status.subject == 6) return "The recipient's mail system does not take what the message contains.";
  if (status.subject == 7) return "The recipient's mail system refuses it by a rule of its own. Whoever runs that system can tell why.";
  return "If you cannot make out why, whoever runs the recipient's mail system can help.";
}

void add_text_for_people(std::string& out, const DeliveryStatus& status) {
  line(out, {"This is the mail system at ", status.hostname, "."});
  line(out, {});
  if (any_failed(status)) {
    line(out, {"Your message could not be delivered to the recipients below, and it will not be"});
    line(out, {"tried again. To recipients who are not named here it has been delivered, or is"});
    line(out, {"still on its way."});
  } else {
    line(out, {"Your message has not yet been delivered to the recipients below. It will be"});
    line(out, {"tried again; you need not send it again."});
  }
  const std::size_t explained = std::min(status.recipients.size(), kExplained);
  for (std::size_t i = 0; i < explained; ++i) {
    const DsnRecipient& recipient = status.recipients[i];
    line(out, {});
    line(out, {"<", on_one_line(recipient.forward_path.text()), "> (", name(recipient.action), ")"});
    line(out, {"    ", on_one_line(recipient.explanation.empty() ? recipient.diagnostic : recipient.explanation)});
    if (recipient.action == DsnAction::failed) line(out, {"    ", advice(recipient)});
  }
  if (explained < status.recipients.size()) {
    line(out, {});
    line(out, {"... and ", std::to_string(status.recipients.size() - explained), " more, which the attached report for mail programs names."});
  }
  line(out, {});
  line(out, {"The beginning of your message's header is attached. Whoever helps you with this"});
  line(out, {"will want to know: message ", status.queue_id, " at ", status.hostname, ","});
  line(out, {"which took it on ", rfc5322_date(status.arrived), "."});
}

void add_delivery_status(std::string& out, const DeliveryStatus& status) {
  // Of many recipients each gets less room: the notification goes to an address that anybody may have forged.
  const std::size_t room = status.recipients.size() > kExplained ? 200 : kText;
  line(out, {"Reporting-MTA: dns; ", status.hostname});
  line(out, {"Arrival-Date: ", rfc5322_date(status.arrived)});
  for (const DsnRecipient& recipient : status.recipients) {
    line(out, {});
    line(out, {"Final-Recipient: rfc822; ", on_one_line(recipient.forward_path.text())});
    line(out, {"Action: ", name(recipient.action)});
    line(out, {"Status: ", status_of(recipient).text()});
    if (!recipient.remote_mta.empty()) line(out, {"Remote-MTA: dns; ", on_one_line(recipient.remote_mta)});
    if (!recipient.diagnostic.empty()) line(out, {"Diagnostic-Code: smtp; ", on_one_line(recipient.diagnostic, room)});
    if (recipient.last_attempt != WallTime{}) line(out, {"Last-Attempt-Date: ", rfc5322_date(recipient.last_attempt)});
  }
}

void open_part(std::string& out, std::string_view boundary, std::string_view type) {
  line(out, {});
  line(out, {"--", boundary});
  line(out, {"Content-Type: ", type});
}
}  // namespace

std::string_view header_section(std::string_view mail_data, std::size_t limit) {
  std::size_t end = 0;
  while (end < mail_data.size()) {
    const std::size_t next = mail_data.find("\r\n", end);
    if (next == std::string_view::npos || next == end || next + 2 > limit) break;
    end = next + 2;
  }
  return mail_data.substr(0, end);
}

std::string reported_fields(std::string_view header_section) {
  static constexpr std::array<std::string_view, 10> kFirst = {"Message-ID", "Subject", "From", "To", "Date", "Sender", "Reply-To", "In-Reply-To", "References", "Cc"};
  struct Field {
    std::string_view text;
    std::size_t rank;
    bool chosen;
  };
  std::vector<Field> fields;
  while (!header_section.empty()) {
    std::size_t end = header_section.find("\r\n");
    while (end != std::string_view::npos && end + 2 < header_section.size() && (header_section[end + 2] == ' ' || header_section[end + 2] == '\t')) {
      end = header_section.find("\r\n", end + 2);
    }
    const std::string_view text = header_section.substr(0, end == std::string_view::npos ? end : end + 2);
    const auto known = std::find_if(kFirst.begin(), kFirst.end(), [&](std::string_view each) { return equal_ignoring_case(field_name(text), each); });
    fields.push_back({text, static_cast<std::size_t>(known - kFirst.begin()), false});
    header_section.remove_prefix(text.size());
  }
  std::size_t room = kReportedFields;
  for (std::size_t rank = 0; rank <= kFirst.size(); ++rank) {
    for (Field& field : fields) {
      if (field.rank != rank || field.text.size() > room) continue;
      field.chosen = true;
      room -= field.text.size();
    }
  }
  std::string out;
  for (const Field& field : fields) {
    if (field.chosen) out += field.text;
  }
  return out;
}

std::string delivery_status_notification(const DeliveryStatus& status) {
  check(!status.reverse_path.is_null(), "a delivery status notification has somewhere to go");
  const bool plain = is_plain(status.header_section);
  const std::string headers = plain ? status.header_section : quoted_printable(status.header_section);

  // Foreign text stands in this message, and its author may guess the queue-id: the boundary must not be in it.
  std::string boundary = "=_" + status.queue_id + "_" + std::to_string(status.time.time_since_epoch().count());
  while (headers.find(boundary) != std::string::npos) boundary += '_';

  std::string out;
  out.reserve(2048 + 1024 * status.recipients.size() + headers.size());
  add_header(out, status, boundary);
  line(out, {"This is a delivery status notification in MIME format."});
  open_part(out, boundary, "text/plain; charset=us-ascii");
  line(out, {});
  add_text_for_people(out, status);
  open_part(out, boundary, "message/delivery-status");
  line(out, {});
  add_delivery_status(out, status);
  open_part(out, boundary, "text/rfc822-headers");
  if (!plain) line(out, {"Content-Transfer-Encoding: quoted-printable"});
  line(out, {});
  out += headers;
  line(out, {});
  line(out, {"--", boundary, "--"});
  return out;
}

}  // namespace adieu::mail
