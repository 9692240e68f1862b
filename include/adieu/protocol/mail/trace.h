// The Received: field that a relay puts in front of what it takes: RFC 5321 section 4.4, `with` types of RFC 3848. It does not
// count the fields of a message (loops).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "adieu/base/clock.h"
#include "adieu/base/ip.h"
#include "adieu/protocol/mail/address.h"

namespace adieu::mail {

/// The last token of `with`. HELO inside TLS has no name in RFC 3848: it is `smtp`, and the TLS comment tells the rest.
enum class WithProtocol : std::uint8_t { smtp, esmtp, lmtp };

struct ReceivedTls {
  std::string_view version;  // "TLS1.3"
  std::string_view cipher;   // "TLS_AES_256_GCM_SHA384"
};

/// How a message came. Views: they need only live as long as the call.
struct Arrival {
  std::string_view client_name;    // the argument of EHLO or HELO, whatever octets it has; may be empty
  IpAddress client_address;
  std::string_view hostname;       // ours
  WithProtocol protocol = WithProtocol::esmtp;
  std::optional<ReceivedTls> tls;
  std::string_view queue_id;
  const Mailbox* only_recipient = nullptr;  // where there is exactly one: several must not learn of each other
  WallTime time{};
};

/// The whole field with its CRLFs, folded into lines of at most 78 octets where its words are not longer than that. Octets of the
/// client that could end a line or a comment become '?'; its name is cut at 255 octets.
std::string received_field(const Arrival& arrival);

}  // namespace adieu::mail
