// A session says and keeps the same however its input is divided; as many messages are kept as were acknowledged; nothing outlives it.
#include <algorithm>
#include <cstdlib>

#include "support/session_shell.h"

namespace {
using namespace adieu;

struct Trial {
  std::string output;
  test::Ledger ledger;
  bool over = false;
};

void run(std::string_view wire, std::size_t block, bool secure, Trial& trial) {
  smtp::ServerProfile profile;
  profile.hostname = "relay.example.org";
  profile.limits.message_size = 300;
  profile.limits.recipients = 3;
  profile.limits.hops = 2;
  smtp::ServerLayer layer;
  layer.secure = secure;
  smtp::ServerSession session(profile, layer, Instant());
  const auto work = [&] {
    for (;;) {
      auto action = session.next_action();
      if (auto* question = std::get_if<smtp::Question>(&action)) {
        session.answer(test::answer(std::move(*question), trial.ledger));
        continue;
      }
      trial.over |= std::holds_alternative<smtp::EndSession>(action) || std::holds_alternative<smtp::BeginTls>(action);
      const bool idle = session.output().empty();
      trial.output += session.output();
      session.sent(session.output().size());
      if (idle || trial.over) return;
    }
  };
  work();
  while (!wire.empty() && !trial.over) {
    const auto part = wire.substr(0, block);
    wire.remove_prefix(part.size());
    session.receive(part, Instant());
    work();
  }
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view wire(reinterpret_cast<const char*>(data) + 1, size - 1);
  Trial whole;
  Trial parts;
  run(wire, wire.size(), (data[0] & 64) != 0, whole);
  run(wire, 1 + data[0] % 32, (data[0] & 64) != 0, parts);
  if (whole.output != parts.output || whole.ledger.committed != parts.ledger.committed) std::abort();
  if (whole.ledger.open != 0 || parts.ledger.open != 0) std::abort();
  constexpr std::string_view kAcknowledged = "\r\n250 2.0.0 Ok: queued as ID\r\n";  // a whole line, since replies to EHLO quote the client
  std::size_t acknowledged = 0;
  for (std::size_t at = whole.output.find(kAcknowledged); at != std::string::npos; at = whole.output.find(kAcknowledged, at + 1)) ++acknowledged;
  if (acknowledged != whole.ledger.committed.size()) std::abort();
  return 0;
}
