// The layers of one connection, client side: the counterpart of ServerConnection for delivery; rules R8, R14 to R17. tls::Layer has the
// facts of the layer in force, ClientSession speaks SMTP within it; decided here is which message a layer carries, what is believed of
// replies when it ends, and whether the connection goes on behind it. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "adieu/protocol/smtp/client_session.h"
#include "adieu/protocol/tls/layer.h"

namespace adieu::smtp {

struct ClientConnectionProfile {
  ClientProfile session;
  ClientStartTls starttls = ClientStartTls::when_offered;
  tls::ChannelFactory* channels = nullptr;  // not null unless starttls is never; outlives the connection
  Duration close_notify_timeout = std::chrono::seconds(5);
  Duration handshake_timeout = std::chrono::seconds(60);
  /// R17: how old a TLS layer may get before the next message finds a new one on the same connection, where the next hop can do that. 0: any age.
  std::uint64_t renew_after_messages = 0;
  Duration renew_after{};
  /// R16: close_notify while the connection waits for a message does not end it, where the next hop can return to plaintext (XTLSRETURN). The
  /// next message finds a new layer first, as in R17.
  bool returns_to_plaintext = false;
};

/// The connection is over and `output()` is empty: close the transport. `failure`: why it ended before our QUIT, for messages that never got their turn.
/// `tls_failed`: nothing was ever heard inside TLS, since the connection ended where the answer to STARTTLS was due, in the handshake, or right behind it
/// (where a TLS 1.3 server says that it wants a client certificate); an opportunistic next hop may be tried again in plaintext.
struct ClientClosed {
  std::optional<Outcome> failure;
  bool tls_failed = false;
};
using ClientConnectionAction = std::variant<std::monostate, Ready, WantsMailData, Finished, ClientClosed>;

class ClientConnection {
 public:
  ClientConnection(const ClientConnectionProfile& profile, Instant now);
  ~ClientConnection();
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  void receive(Octets octets, Instant now);
  void receive_eof(Instant now);
  void receive_reset(Instant now);
  /// Call until monostate or ClientClosed, then hand over `output()`.
  ClientConnectionAction next_action(Instant now);

  /// See ClientSession; only after Ready. Where the TLS layer is to be renewed first, or the next hop has ended it, the message waits for a new one.
  /// When that fails, or the connection has begun to end since Ready, the message finishes deferred and nothing of it was sent.
  void send(OutgoingMessage message, Instant now);
  void supply(Octets mail_data, bool last);
  /// After WantsMailData: the rest of it cannot be had. Ends the connection without the final dot, so that the next hop never has the message; TLS is
  /// closed in order.
  void abandon(std::string_view why);
  /// Ends the connection at once: output that was not handed over is dropped. A TLS layer is recorded as ended by a time-out.
  void give_up(std::string why, Instant now);
  void quit(Instant now);

  Octets output() const;
  void sent(std::size_t count, Instant now);
  Deadline deadline() const;
  void expire(Instant now);

  std::vector<tls::LayerEnd> take_layer_ends();
  const tls::ChannelInfo* tls() const { return layer_.info(); }

 private:
  void begin_tls(Instant now);
  bool is_to_be_renewed(Instant now) const;
  bool can_rest() const;
  void begin_plaintext_again(Instant now);
  void end_or_go_on(Instant now);
  bool work_on_channel(Instant now);
  void peer_closed(Instant now);
  void break_layer(tls::Event event, std::string detail, Instant now);
  void close_layer(Instant now);
  void finish_layer(Instant now);
  void end_at_once(Instant now);
  void end_session(std::string_view why);

  enum class Course : std::uint8_t {
    going_on,
    starting_tls,  // 220 came; what the session still has to say goes out first (nothing, in practice)
    closing,       // S stands in the channel's output; then the wait for R
    ending,        // what output there is goes out, then the transport closes
  };

  const ClientConnectionProfile& profile_;
  tls::Layer layer_;
  Course course_ = Course::going_on;
  std::unique_ptr<ClientSession> session_;
  std::optional<Finished> finished_;   // of a session that the end of its layer has cut
  ClientClosed closed_;
  bool in_message_ = false;                 // begun, and not all of its replies have come
  std::optional<OutgoingMessage> waiting_;  // for a new layer: R17
  bool is_ready_ = false;                   // Ready was told; neither `send` nor `quit` was called since
  bool rests_ = false;                      // waits in plaintext for the next message, or will once S is out (R16)
  bool heard_in_layer_ = false;             // a record of data
  std::uint64_t messages_ = 0;              // in this layer
  bool quit_sent_ = false;
  std::uint32_t delivered_ = 0;
  std::vector<tls::LayerEnd> layer_ends_;
};

}  // namespace adieu::smtp
