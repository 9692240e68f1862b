// The layers of one connection, server side: a plaintext session, a TLS layer with a session of its own, plaintext again; rules R1 to
// R11, R20. tls::Layer has the facts of the layer in force, ServerSession speaks SMTP within it; decided here is what follows from the two:
// when S goes, what rolls back or stays unconfirmed, which replies still go out, whether plaintext comes again. Pure: the transport's octets
// in and out, time as an argument. Each layer's session is destroyed with its layer, so nothing it learned or had open outlives it (R3, R5).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "adieu/protocol/smtp/server_session.h"
#include "adieu/protocol/tls/layer.h"

namespace adieu::smtp {

enum class ServerTls : std::uint8_t { off, optional, required, implicit };

struct ServerConnectionProfile {
  ServerProfile session;
  ServerTls tls = ServerTls::off;
  tls::ChannelFactory* channels = nullptr;  // not null unless tls is off; outlives every connection
  bool returns_to_plaintext = true;         // `after-close-notify plaintext`
  Duration close_notify_timeout = std::chrono::seconds(5);
  Duration handshake_timeout = std::chrono::seconds(60);
};

/// A question of the session, with the number that its answer must carry. An answer that comes after the layer has gone is dropped.
struct AskedQuestion {
  std::uint64_t number = 0;
  Question question;
};
/// The connection is over and `output()` is empty: close the transport.
struct CloseTransport {};
using ServerConnectionAction = std::variant<std::monostate, AskedQuestion, CloseTransport>;

class ServerConnection {
 public:
  /// `profile` outlives the connection.
  ServerConnection(const ServerConnectionProfile& profile, Instant now);
  ~ServerConnection();
  ServerConnection(const ServerConnection&) = delete;
  ServerConnection& operator=(const ServerConnection&) = delete;

  /// From the transport. After each of these call `next_action` until it gives monostate, then hand over `output()`.
  void receive(Octets octets, Instant now);
  void receive_eof(Instant now);
  void receive_reset(Instant now);
  ServerConnectionAction next_action(Instant now);
  void answer(std::uint64_t number, Answer answer);

  /// Octets for the transport. `sent`: the transport has taken the first `count` of them; S counts as sent only then.
  Octets output() const;
  void sent(std::size_t count, Instant now);
  /// False: leave what else comes in the transport.
  bool wants_input() const;
  /// R has been read and S is about to go: what the transport holds already came before S and must be read first (R4).
  bool reads_before_writing() const { return course_ == Course::closing && layer_.received_close_notify(); }

  Deadline deadline() const;
  void expire(Instant now);
  void shut_down(Instant now);
  /// The time of a shutdown is over: 421 and S at once, what is open rolls back. Hand over what can be, then `give_up`.
  void cut(Instant now);
  /// Ends the connection at once: output that was not handed over is dropped.
  void give_up(Instant now);

  /// What clients were refused since the last call, in order.
  std::vector<Refusal> take_refusals();
  /// The layers that have ended since the last call.
  std::vector<tls::LayerEnd> take_layer_ends();
  /// The layer that is in force: what was negotiated, or null in plaintext. For the trace field and for logs.
  const tls::ChannelInfo* tls() const { return layer_.info(); }
  /// None between two layers and at the end.
  const ServerSession* session() const { return session_.get(); }

 private:
  void begin_plaintext(bool greets, Instant now);
  void begin_tls(Instant now);
  void begin_secure_session(Instant now);
  bool work_on_channel(Instant now);
  void peer_closed(Instant now);
  void close_layer(Instant now);
  void end_or_go_on(Instant now);
  void break_layer(tls::Event event, std::string detail, Instant now);
  void finish_layer(Instant now);
  void end_session();
  void heard();
  void abandon(Instant now);
  enum class Encrypting : std::uint8_t { all, what_may_precede_an_alert };
  void encrypt(Encrypting which);
  bool promise_in_records() const;

  /// What follows from the closure machine's state and the session's wish.
  enum class Course : std::uint8_t {
    going_on,
    starting_tls,   // STARTTLS was accepted, its 220 is not yet handed over
    finishing,      // the session has ended, its replies are not yet all handed over
    replying,       // R came in TLS 1.3: what arrived before it is carried out, then S
    closing,        // S stands in the channel's output; then plaintext again, or the wait for R, or the end
    ending,         // nothing is worked on any more; what output there is goes out, then the transport closes
  };

  const ServerConnectionProfile& profile_;
  tls::Layer layer_;
  Course course_ = Course::going_on;
  bool stays_plain_ = false;        // with R and S the session goes on in plaintext
  bool shutting_down_ = false;      // the session was told; a TLS layer that begins after that is broken at once
  std::unique_ptr<ServerSession> session_;
  bool settled_ = false;            // the session has done all it can with what it was given
  std::uint64_t question_ = 0;      // the open one, 0 where none
  std::uint64_t last_question_ = 0;

  // What the layer will have cost.
  ServerStanding standing_;         // of a session that has been destroyed
  /// R11: a message whose 2xx was handed over, while nothing that came later has been heard of the client.
  struct Unconfirmed {
    std::unique_ptr<Transaction> transaction;
    std::uint64_t octets_in;        // how many the transport had given by then
  };
  std::vector<Unconfirmed> unconfirmed_;
  std::string peer_name_;
  bool over_limit_ = false;

  Deadline write_deadline_;         // the peer must have taken all of the output at some moment until then: an octet now and then gains no time
  std::vector<Refusal> refusals_;  // of sessions that have been destroyed
  std::vector<tls::LayerEnd> layer_ends_;
};

}  // namespace adieu::smtp
