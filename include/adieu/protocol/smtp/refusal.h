// What the server side of a session refused a client, for whoever keeps the log: the session itself writes none.
#pragma once

#include <string>
#include <string_view>

#include "adieu/protocol/mail/message_summary.h"
#include "adieu/protocol/smtp/reply.h"

namespace adieu::smtp {

/// A reply of 4xx or 5xx that is about something the client asked for: not the 421 of a time-out or a shutdown.
struct Refusal {
  Reply reply;
  std::string_view command;        // its verb, "DATA" and "BDAT" for what came by them; empty where no command was recognized
  mail::MessageSummary message;    // as far as it had come; of a RCPT its forward-path alone
  std::string client_name;         // the argument of EHLO or HELO

  /// The command made no sense, or came out of order: nothing was decided about mail.
  bool about_syntax() const;
};

}  // namespace adieu::smtp
