// RFC 5321 section 4.1.4 as data: which command may come when, and what is answered when it may not. One row a verb.
#pragma once

#include <array>
#include <string_view>

#include "adieu/protocol/mail/message_summary.h"
#include "adieu/protocol/smtp/command.h"

namespace adieu::smtp::command {

/// How far a session has come, as the order of commands sees it.
enum class Stage : std::uint8_t {
  fresh,       // no EHLO or HELO yet
  greeted,
  mail,        // MAIL was accepted, no recipient was
  recipients,  // at least one recipient was accepted
  chunks,      // BDAT has begun, its LAST has not come
};
inline constexpr std::size_t kStages = 5;

using Refusal = Reply (*)();

struct Row {
  Verb verb;
  std::string_view name;
  bool before_tls;                        // allowed in plaintext where TLS is required (RFC 3207 section 4)
  std::array<Refusal, kStages> refusal;   // null: allowed
};

const Row& row(Verb verb);

/// Begins with a verb of another protocol, as browsers and scanners do.
bool is_foreign(std::string_view line);

/// What a MAIL or a RCPT says of a message, for logs; of other commands nothing.
mail::MessageSummary summary(const Command& command);
mail::MessageSummary summary(const Mail& mail);

}  // namespace adieu::smtp::command
