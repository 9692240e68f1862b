// Delivery status notifications: RFC 3464 in the multipart/report of RFC 6522, worded after RFC 3461 section 6. It only writes
// the message. Whether one is due (none ever is for a null reverse-path) its caller decides.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adieu/base/clock.h"
#include "adieu/protocol/mail/address.h"
#include "adieu/protocol/smtp/reply.h"

namespace adieu::mail {

/// RFC 3464 section 2.3.3; those that this relay says.
enum class DsnAction : std::uint8_t { failed, delayed };

struct DsnRecipient {
  Mailbox forward_path;
  DsnAction action = DsnAction::failed;
  smtp::EnhancedStatus status;   // of the last attempt; none: 5.0.0 failed, 4.0.0 delayed
  WallTime last_attempt{};       // when that was; the epoch: not known
  std::string explanation;       // for people: "mx.example said: 550 5.1.1 no such mailbox"; empty: the diagnostic
  std::string remote_mta;        // the host name of the next hop that answered; empty where none did
  std::string diagnostic;        // its reply on one line, "550 5.1.1 no such mailbox"; empty where none came
};

struct DeliveryStatus {
  std::string hostname;           // ours
  std::string queue_id;           // of the message that is reported on
  WallTime arrived{};             // of that message
  WallTime time{};                // of the notification
  Mailbox reverse_path;           // of that message: to whom this goes; not null
  std::vector<DsnRecipient> recipients;  // at least one
  std::string header_section;     // of that message: see header_section()
};

inline constexpr std::size_t kReportedHeaders = 65'536;  // octets of a message in which its header section is looked for
inline constexpr std::size_t kReportedFields = 4'096;    // octets of it that are returned
inline constexpr std::size_t kExplained = 50;            // recipients that the text for people names; the part for programs has them all

/// The header section of `mail_data` (or of its beginning): up to the empty line, which is not included; whole lines with CRLF,
/// at most `limit` octets.
std::string_view header_section(std::string_view mail_data, std::size_t limit = kReportedHeaders);

/// Whole fields of a header section, in their order, kReportedFields octets at most: first of all those by which people and programs know a message
/// (Message-ID, Subject, From, To, Date, …), then the others as far as they fit.
std::string reported_fields(std::string_view header_section);

/// The whole message, header and body: lines with CRLF, at most 998 octets, all 7-bit. It goes out with the null reverse-path.
std::string delivery_status_notification(const DeliveryStatus& status);

}  // namespace adieu::mail
