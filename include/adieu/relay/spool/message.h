// A message as the relay holds it between its 250 and its last recipient: RFC 5321 section 4.2.5 (responsibility).
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adieu/base/clock.h"
#include "adieu/protocol/mail/envelope.h"
#include "adieu/protocol/smtp/reply.h"

namespace adieu::spool {

/// The queue-id: unique in a spool for ever, and rising with time. Shown as 13 characters of Crockford's base 32.
struct MessageId {
  std::uint64_t value = 0;
  std::string text() const;
  static std::optional<MessageId> parse(std::string_view text);
  auto operator<=>(const MessageId&) const = default;
};

enum class RecipientState : std::uint8_t { pending, delivered, failed };

struct Recipient {
  mail::Mailbox forward_path;
  std::string next_hop;                       // the name in the policy file
  RecipientState state = RecipientState::pending;
  std::uint32_t attempts = 0;
  WallTime next_attempt{};                    // while pending
  std::string last_reply;                     // one line: the last deferral or the failure
};

/// Everything about a message but its mail data. `trace` (our Received: field) goes in front of the mail data on delivery.
struct MessageHead {
  MessageId id;
  WallTime arrived{};
  mail::Mailbox reverse_path;
  mail::BodyType body = mail::BodyType::unspecified;  // what the octets are, whatever the client said of them
  std::string trace;                          // header fields with CRLF, written by us
  std::string client;                         // who gave it to us, for logs: "[192.0.2.1]:4711 helo=client.example"
  std::uint64_t size = 0;                     // octets of mail data, without trace
  bool in_file = false;                       // mail data stands in a file of its own
  bool hold = false;
  std::string fingerprint;                    // see Unconfirmed; empty where no window is kept, or it has no Message-ID
  std::vector<Recipient> recipients;
};

/// `fingerprint`: a digest of the client's address, the reverse-path, the forward-paths in their order and the mail data, wide enough that
/// nobody can make two messages share one.
struct Unconfirmed {
  std::string fingerprint;
  MessageId id;
  WallTime until{};  // the end of its window
  bool operator==(const Unconfirmed&) const = default;
};

/// The mail data of a small message, shared between those who deliver it.
using MailData = std::shared_ptr<const std::string>;

}  // namespace adieu::spool
