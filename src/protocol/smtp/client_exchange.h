// Commands on their way out and the replies they wait for, in the same order: what makes pipelining simple (RFC 2920).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "adieu/base/bytes.h"
#include "adieu/protocol/smtp/outcome.h"

namespace adieu::smtp {

/// What a reply is a reply to. `mail_data`: the end of mail data, by its final dot or by BDAT LAST.
enum class Awaited : std::uint8_t { greeting, hello, starttls, reset, mail, recipient, data, mail_data, quit };

constexpr std::string_view name(Awaited awaited) {
  switch (awaited) {
    case Awaited::greeting: return "the greeting";
    case Awaited::hello: return "the reply to EHLO";
    case Awaited::starttls: return "the reply to STARTTLS";
    case Awaited::reset: return "the reply to RSET";
    case Awaited::mail: return "the reply to MAIL";
    case Awaited::recipient: return "the reply to RCPT";
    case Awaited::data: return "the reply to DATA";
    case Awaited::mail_data: return "the reply to the end of mail data";
    case Awaited::quit: return "the reply to QUIT";
  }
  return "a reply";
}

struct ClientExchange {
  OctetQueue output;
  std::deque<Awaited> awaited;

  void say(Awaited reply, std::initializer_list<std::string_view> command) {
    for (std::string_view part : command) output.append(part);
    output.append("\r\n");
    awaited.push_back(reply);
  }
};

/// The peer's own word: 2xx delivered, 5xx failed, all else deferred; without an enhanced status code x.0.0 stands for it.
Outcome outcome_of(const Reply& reply);
/// Deferred by our own judgement; no reply.
Outcome deferred(EnhancedStatus status, std::string detail);
/// The same, of a reply that does not fit.
Outcome deferred(EnhancedStatus status, std::string detail, const Reply& reply);

}  // namespace adieu::smtp
