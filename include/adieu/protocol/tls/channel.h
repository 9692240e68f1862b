// One TLS layer as the pure part sees it: ciphertext in and out on one side, plaintext on the other, no socket. The port behind
// which io/gnutls stands; tests have one of their own. TLS 1.2 and 1.3.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "adieu/base/bytes.h"
#include "adieu/protocol/tls/closure.h"

namespace adieu::tls {

/// What was negotiated; complete once the channel is established.
struct ChannelInfo {
  std::string version;        // "TLS1.3"
  std::string cipher;         // "TLS_AES_256_GCM_SHA384" or the library's name of the suite
  std::string server_name;    // SNI, empty where none
  std::string peer_identity;  // from a certificate that was verified, else empty
  bool resumed = false;
  bool discards_pending_writes = false;  // TLS 1.2: on R, replies that are not yet records are dropped (R2)
};

enum class ChannelEvent : std::uint8_t {
  wants_input,   // all that was fed is worked off
  established,   // the handshake is complete; said once
  plaintext,     // `plaintext` of this step holds something; call again
  close_notify,  // R, authenticated (R1, R20); nothing behind it was read: see unread()
  broken,        // failure() tells how; our alert, where one is due, stands in output() behind what stood there before
};

struct ChannelFailure {
  Event event = Event::corrupt;  // fin, alert or corrupt
  std::string detail;            // the alert's name, or the library's words
};

/// Never throws; never blocks; owned and used by one thread.
class Channel {
 public:
  virtual ~Channel() = default;

  /// Octets from the transport, any division. They wait until `step`.
  virtual void receive(Octets ciphertext) = 0;
  /// The transport will bring no more (FIN). Seen by `step` once all before it is worked off.
  virtual void receive_eof() = 0;
  /// Works on what was received until one of the events is there. Plaintext is appended to `plaintext`, one record at the most.
  virtual ChannelEvent step(std::string& plaintext) = 0;

  /// Encrypts; only while established and before `close`. Any size; appended to output().
  virtual void send(Octets plaintext) = 0;
  /// Appends our close_notify to output(), once: a second call does nothing. Only after the handshake.
  virtual void close() = 0;

  /// Ciphertext for the transport; S is written when everything up to the end of output() after close() has been consumed.
  virtual Octets output() const = 0;
  virtual void consume_output(std::size_t count) = 0;

  /// Octets received but not read; after close_notify these are behind the layer (R4).
  virtual std::size_t unread() const = 0;
  virtual const ChannelFailure& failure() const = 0;
  virtual const ChannelInfo& info() const = 0;
};

/// Makes the channel for a connection's next TLS layer; for a client the server's name and what to require of it are the
/// factory's. May be used from any thread; what it makes belongs to the caller.
class ChannelFactory {
 public:
  virtual ~ChannelFactory() = default;
  virtual std::unique_ptr<Channel> make() = 0;
};

}  // namespace adieu::tls
