// See incoming_message.h.
#include "protocol/smtp/incoming_message.h"

#include "adieu/base/bytes.h"
#include "adieu/protocol/smtp/reply_catalog.h"

namespace adieu::smtp {

/// RFC 5321 section 2.4: the local-part is its host's to compare, so only the same octets are the same; a domain has no case. Nor has `<Postmaster>`.
std::string recipient_key(const mail::Mailbox& path) {
  if (path.domain.empty()) return to_ascii_lower(path.local_part);
  return path.local_part + '@' + to_ascii_lower(path.domain);
}

std::uint64_t most_mail_data(const ServerProfile& profile) {
  const std::uint64_t size = profile.limits.message_size;
  return size > ~std::uint64_t{0} / 2 ? ~std::uint64_t{0} : 2 * size;
}

std::size_t IncomingMessage::take(Octets input, const ServerProfile& profile, std::string& out) {
  const std::size_t done = decoder->decode(input, out);
  came += done;
  check(profile, out);
  return done;
}

std::uint64_t IncomingMessage::room(const ServerProfile& profile) const {
  const std::uint64_t most = most_mail_data(profile);
  return came < most ? most - came : 0;
}

mail::MessageSummary IncomingMessage::summary() const {
  mail::MessageSummary summary = transaction ? transaction->summary() : mail::MessageSummary{};
  summary.size = size;
  return summary;
}

void IncomingMessage::finish(const ServerProfile& profile, std::string& out) {
  decoder->finish(out);
  check(profile, out);
  std::string held;
  boundary.finish(held);
  if (refusal(profile)) return;
  size += held.size();
  out += held;
}

void IncomingMessage::check(const ServerProfile& profile, std::string& out) {
  decoded += out.size();
  boundary.feed(out);
  size += out.size();
  received.feed(out);
  if (refusal(profile)) out.clear();
}

std::optional<Reply> IncomingMessage::refusal(const ServerProfile& profile) const {
  if (decoded > profile.limits.message_size) return reply::message_too_big();
  if (decoder->saw_bare_newline() && profile.bare_newlines == BareNewlines::reject) return reply::bare_newline();
  if (decoder->saw_nul() && profile.bare_newlines == BareNewlines::reject) return reply::nul_in_mail_data();
  if (decoder->saw_long_line()) return reply::text_line_too_long();
  if (received.count() > profile.limits.hops) return reply::mail_loop();
  return storage_refusal;
}

}  // namespace adieu::smtp
