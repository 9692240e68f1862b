// The closure machine: which close_notify has passed, and nothing else. RFC 8446 section 6.1, RFC 5246 section 7.2.1; rules R1,
// R4, R7, R8. R is the peer's close_notify read from an authenticated record, S is ours written whole to the transport. It says
// what happened; what follows from it (roll back, end the connection, return to plaintext) is its owner's policy.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

namespace adieu::tls {

/// How a TLS layer ended.
enum class Ending : std::uint8_t {
  mutual,      // R and S
  unanswered,  // S sent, then FIN, RST or time-out without R
  fin,
  rst,
  timeout,
  alert,
  corrupt,     // a record failed authentication or decoding
  injected,    // octets behind R, before S (R4)
  handshake,   // never established
};

/// What the ending cost.
enum class Effect : std::uint8_t { none, after_quit, rolled_back, revoked, ack_unconfirmed };

std::string_view name(Ending ending);
std::string_view name(Effect effect);

enum class Event : std::uint8_t {
  begin_handshake,         // STARTTLS was answered, or the listener is implicit
  established,             // the handshake is complete and its peer authenticated as policy asks
  received_close_notify,   // R
  sent_close_notify,       // S
  fin,
  rst,
  timeout,
  alert,                   // a fatal alert, or any at all during a handshake (R1)
  corrupt,
  octets_behind,           // octets of the transport behind R
};

struct Plain {
  friend constexpr bool operator==(const Plain&, const Plain&) = default;
};
struct Handshaking {
  friend constexpr bool operator==(const Handshaking&, const Handshaking&) = default;
};
struct Secure {
  friend constexpr bool operator==(const Secure&, const Secure&) = default;
};
/// Exactly one of the two has passed; with both the layer is Plain again.
struct Closing {
  bool sent = false;
  bool received = false;
  friend constexpr bool operator==(const Closing&, const Closing&) = default;
};
/// No event leads out of it.
struct Broken {
  Ending ending = Ending::fin;
  friend constexpr bool operator==(const Broken&, const Broken&) = default;
};

using State = std::variant<Plain, Handshaking, Secure, Closing, Broken>;

/// This machine is not concerned with octets and endings in plaintext: only the beginning of a handshake changes it.
constexpr State on(const Plain& state, Event event) {
  switch (event) {
    case Event::begin_handshake: return Handshaking{};
    case Event::established:
    case Event::received_close_notify:
    case Event::sent_close_notify:
    case Event::fin:
    case Event::rst:
    case Event::timeout:
    case Event::alert:
    case Event::corrupt:
    case Event::octets_behind: return state;
  }
  return Broken{Ending::corrupt};
}

/// R1: before the keys are up a close_notify may be forged, so nothing but completion leads on.
constexpr State on(const Handshaking&, Event event) {
  switch (event) {
    case Event::established: return Secure{};
    case Event::begin_handshake:
    case Event::received_close_notify:
    case Event::sent_close_notify:
    case Event::fin:
    case Event::rst:
    case Event::timeout:
    case Event::alert:
    case Event::corrupt:
    case Event::octets_behind: return Broken{Ending::handshake};
  }
  return Broken{Ending::corrupt};
}

constexpr State on(const Secure&, Event event) {
  switch (event) {
    case Event::received_close_notify: return Closing{.sent = false, .received = true};
    case Event::sent_close_notify: return Closing{.sent = true, .received = false};
    case Event::fin: return Broken{Ending::fin};
    case Event::rst: return Broken{Ending::rst};
    case Event::timeout: return Broken{Ending::timeout};
    case Event::alert: return Broken{Ending::alert};
    case Event::begin_handshake:
    case Event::established:
    case Event::octets_behind:
    case Event::corrupt: return Broken{Ending::corrupt};
  }
  return Broken{Ending::corrupt};
}

constexpr State on(const Closing& state, Event event) {
  switch (event) {
    case Event::received_close_notify: return state.sent ? State(Plain{}) : State(state);
    case Event::sent_close_notify: return state.received ? State(Plain{}) : State(state);
    // A FIN behind R is an orderly half-close: S can still be written (TLS 1.3 lets each direction end alone).
    case Event::fin: return state.received ? State(state) : State(Broken{Ending::unanswered});
    case Event::rst: return Broken{state.received ? Ending::rst : Ending::unanswered};
    case Event::timeout: return Broken{state.received ? Ending::timeout : Ending::unanswered};
    case Event::octets_behind: return Broken{state.received ? Ending::injected : Ending::corrupt};
    case Event::alert: return Broken{Ending::alert};
    case Event::begin_handshake:
    case Event::established:
    case Event::corrupt: return Broken{Ending::corrupt};
  }
  return Broken{Ending::corrupt};
}

constexpr State on(const Broken& state, Event) { return state; }

constexpr State on(const State& state, Event event) {
  return std::visit([event](const auto& each) { return on(each, event); }, state);
}

}  // namespace adieu::tls
