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
#include "adieu/relay/route/destination.h"

namespace adieu::spool {

/// The queue-id: unique in a spool for ever, and rising with time. Shown as 13 characters of Crockford's base 32.
struct MessageId {
  std::uint64_t value = 0;
  std::string text() const;
  static std::optional<MessageId> parse(std::string_view text);
  auto operator<=>(const MessageId&) const = default;
};

struct Recipient {
  mail::Mailbox forward_path;
  std::string next_hop;                       // the name in the policy file
};

/// Everything about a message but its mail data, as it was when its 250 was said. `trace` (our Received: field) goes in front of the mail data on
/// delivery.
struct MessageHead {
  MessageId id;
  WallTime arrived{};
  mail::Mailbox reverse_path;
  mail::BodyType body = mail::BodyType::unspecified;  // what the octets are, whatever the client said of them
  std::string trace;                          // header fields with CRLF, written by us
  std::string client;                         // who gave it to us, for logs: "[192.0.2.1]:4711 helo=client.example"
  std::uint64_t size = 0;                     // octets of mail data, without trace
  bool in_file = false;                       // mail data stands in a file of its own
  std::string fingerprint;                    // see Unconfirmed; empty where no window is kept, or it has no Message-ID
  std::vector<Recipient> recipients;
};

/// A message's recipients for one destination, which are tried together. It is there as long as one of them is pending, and the message as long as it
/// has a job.
struct Job {
  std::uint32_t number = 0;                   // within its message
  route::Destination destination;             // `after` is empty
  std::vector<std::uint32_t> recipients;      // that are pending: indices into MessageHead::recipients, rising
  std::uint32_t attempts = 0;                 // made before; those asked for out of turn do not count
  WallTime due{};                             // it is not tried before then
  std::optional<WallTime> promised{};         // set while an attempt out of turn is asked for: the time of its turn, which stays if that attempt fails
  std::string last_reply;                     // one line, of the last attempt
  bool operator==(const Job&) const = default;
};

struct JobId {
  MessageId message;
  std::uint32_t number = 0;
  auto operator<=>(const JobId&) const = default;
};

/// The right to deliver a job and to say what came of that: nobody else has it before its lease is over. `token` is never used twice, so that who comes
/// too late is known by it.
struct Claim {
  JobId job;
  std::uint64_t token = 0;
  bool operator==(const Claim&) const = default;
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

/// A job and what is needed to deliver it. `mail_data`: null where it has to be read.
struct Claimed {
  Claim claim;
  std::shared_ptr<const MessageHead> head;
  Job job;
  MailData mail_data;
};

}  // namespace adieu::spool
