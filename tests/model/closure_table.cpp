// Every transition of the closure machine, a line each, for tests/model/model_test.py to hold against the model's.
#include <cstdio>
#include <string>

#include "adieu/protocol/tls/closure.h"

namespace adieu::tls {
namespace {

std::string event_name(Event event) {
  switch (event) {
    case Event::begin_handshake: return "begin_handshake";
    case Event::established: return "established";
    case Event::received_close_notify: return "received_close_notify";
    case Event::sent_close_notify: return "sent_close_notify";
    case Event::fin: return "fin";
    case Event::rst: return "rst";
    case Event::timeout: return "timeout";
    case Event::alert: return "alert";
    case Event::corrupt: return "corrupt";
    case Event::octets_behind: return "octets_behind";
  }
  return "?";
}

std::string state_name(const State& state) {
  if (std::holds_alternative<Plain>(state)) return "Plain";
  if (std::holds_alternative<Handshaking>(state)) return "Handshaking";
  if (std::holds_alternative<Secure>(state)) return "Secure";
  if (const auto* closing = std::get_if<Closing>(&state)) {
    return std::string("Closing(") + (closing->sent ? "sent" : "") + (closing->received ? "received" : "") + ")";
  }
  return "Broken(" + std::string(name(std::get<Broken>(state).ending)) + ")";
}

}  // namespace
}  // namespace adieu::tls

int main() {
  using namespace adieu::tls;
  const State states[] = {Plain{}, Handshaking{}, Secure{}, Closing{.sent = true, .received = false},
                          Closing{.sent = false, .received = true}, Broken{Ending::fin}};
  const Event events[] = {Event::begin_handshake,   Event::established, Event::received_close_notify,
                          Event::sent_close_notify, Event::fin,         Event::rst,
                          Event::timeout,           Event::alert,       Event::corrupt,
                          Event::octets_behind};
  for (const State& state : states) {
    for (const Event event : events) {
      std::printf("%s %s %s\n", state_name(state).c_str(), event_name(event).c_str(), state_name(on(state, event)).c_str());
    }
  }
}
