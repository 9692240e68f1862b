// One connection to a server that is probed, as the questions see it: lines and TLS, each direction's layer on its own, every wait bounded.
// The port behind which a socket stands; tests have a server of their own there.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "adieu/base/bytes.h"
#include "adieu/base/clock.h"
#include "adieu/base/result.h"
#include "adieu/protocol/smtp/reply.h"
#include "adieu/protocol/tls/channel.h"
#include "adieu/protocol/tls/peer_certificate.h"

namespace adieu::probe {

enum class Versions : std::uint8_t {
  any,
  tls13,
  tls12,
  old,  // TLS 1.0 and 1.1
};

enum class Event : std::uint8_t {
  reply,         // complete, in the layer that is read
  established,   // a handshake is complete
  close_notify,  // R: what follows is read in the clear
  clear,         // octets in the clear where a record was due: they, and what follows, are read in the clear
  fin,
  reset,
  timeout,
  alert,         // a fatal alert ended TLS
  fault,         // octets that are no reply, or no record
};

struct Heard {
  Event event = Event::timeout;
  smtp::Reply reply;      // of Event::reply
  std::string detail;     // an alert's name, what was wrong
  Duration after{};       // how long it took
};

/// Blocks in `hear` and `begin_tls`, each for a bounded time. What cannot be sent is dropped: hearing tells why. Its destructor sends what is
/// missing of a close_notify, and closes.
class Wire {
 public:
  virtual ~Wire() = default;

  /// Inside TLS from a handshake to `close_tls`, in the clear else; all in one segment where it fits.
  virtual void say(Octets octets) = 0;
  /// Waits for `at_most`, where that is shorter than the time limit of every wait.
  virtual Heard hear(Duration at_most = Duration::max()) = 0;
  /// established, or how it failed. `clear`: octets that came before the handshake, or instead of it; they are heard next.
  virtual Heard begin_tls(Versions versions) = 0;
  /// S, and behind it in the same segment `behind` in the clear.
  virtual void close_tls(Octets behind = {}) = 0;
  /// Waits no longer for R: what comes from now on is read in the clear.
  virtual void read_in_the_clear() = 0;

  /// Of a handshake that is complete.
  virtual const tls::ChannelInfo& tls() const = 0;
  virtual const tls::PeerCertificate& certificate() const = 0;
};

/// A new connection. Errors: it could not be made.
using Dial = std::function<Result<std::unique_ptr<Wire>>()>;

}  // namespace adieu::probe
