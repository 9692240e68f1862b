// See closure_record.h.
#include "adieu/relay/observe/closure_record.h"

#include "adieu/relay/observe/events.h"
#include "relay/observe/fields.h"

namespace adieu::observe {

LogLevel ClosureRecord::level() const {
  if (end.ending == tls::Ending::corrupt || end.ending == tls::Ending::injected) return LogLevel::warning;
  if (end.over_limit) return LogLevel::info;
  switch (end.effect) {
    case tls::Effect::none:
    case tls::Effect::after_quit: return LogLevel::debug;
    case tls::Effect::rolled_back:
    case tls::Effect::revoked:
    case tls::Effect::ack_unconfirmed: return LogLevel::info;
  }
  return LogLevel::info;
}

LogLine ClosureRecord::line() const {
  LogLine line("closure");
  line.field("ending", name(end.ending)).field("effect", name(end.effect)).optional("detail", end.detail);
  line.field("role", role == Role::server ? "server" : "client");
  line.optional("connection", connection);
  if (role == Role::server) {
    add_helo(line.field("client", client_text(peer)), end.peer_name);
  } else {
    line.field("relay", host + client_text(peer));
  }
  add_name(line, "identity", end.info.peer_identity);
  add_name(line, "sni", end.info.server_name);
  line.field(role == Role::server ? "listener" : "next-hop", where);
  line.optional("tls", end.info.version).optional("cipher", end.info.cipher);
  line.field("in", static_cast<std::int64_t>(end.octets_in)).field("out", static_cast<std::int64_t>(end.octets_out));
  add_messages(line, end.messages);
  line.field("transactions", end.transactions);
  const auto millis = std::to_string(end.lasted.count() % 1000);
  line.field("seconds", std::to_string(end.lasted.count() / 1000) + "." + std::string(3 - millis.size(), '0') + millis);
  return line;
}

}  // namespace adieu::observe
