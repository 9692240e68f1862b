// See incoming_message.h.
#include "protocol/smtp/incoming_message.h"

#include "adieu/protocol/smtp/reply_catalog.h"

namespace adieu::smtp {

void IncomingMessage::refuse(Reply reply) {
  if (!refusal) refusal = std::move(reply);
}

std::size_t IncomingMessage::take(Octets input, const ServerProfile& profile, std::string& out) {
  const std::size_t done = decoder->decode(input, out);
  judge(profile, out);
  return done;
}

void IncomingMessage::finish(const ServerProfile& profile, std::string& out) {
  decoder->finish(out);
  judge(profile, out);
}

void IncomingMessage::judge(const ServerProfile& profile, std::string& out) {
  size += out.size();
  received.feed(out);
  if (size > profile.limits.message_size) refuse(reply::message_too_big());
  if (decoder->saw_bare_newline() && profile.bare_newlines == BareNewlines::reject) refuse(reply::bare_newline());
  if (decoder->saw_long_line()) refuse(reply::text_line_too_long());
  if (received.count() > profile.limits.hops) refuse(reply::mail_loop());
  if (refusal) out.clear();
}

}  // namespace adieu::smtp
