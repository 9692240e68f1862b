// One layer of a connection, in plaintext or in TLS, under both smtp::ServerConnection and smtp::ClientConnection: the closure machine, the
// channel, what of the session's output the transport has taken, and what the closure record is to say. Pure. It keeps the facts of
// R1, R2, R4, R7 and R10; what follows from them (what rolls back, whether plaintext comes again) is decided by the connection.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "adieu/base/bytes.h"
#include "adieu/base/clock.h"
#include "adieu/protocol/tls/channel.h"
#include "adieu/protocol/tls/closure.h"
#include "adieu/protocol/tls/layer_end.h"

namespace adieu::tls {

/// What the machine leaves unnamed: how a layer in plaintext ended, and what cut a handshake short.
Ending plaintext_ending(Event event);

/// A connection has one of these from its beginning to its end, and begins one layer after another in it. A layer knows nothing of the one before it.
class Layer {
 public:
  /// In plaintext, as a connection begins.
  explicit Layer(Instant now) : began_(now) {}

  /// Plaintext again; only where `leads_to_plaintext` (R4).
  void begin_plaintext(Instant now);
  /// TLS; only in plaintext. The handshake must be complete by `until`.
  void begin_tls(std::unique_ptr<Channel> channel, Instant now, Instant until);

  /// A TLS layer, until plaintext begins again or `drop`.
  bool is_tls() const { return channel_ != nullptr; }
  bool is_handshaking() const { return std::holds_alternative<Handshaking>(state_); }
  /// R has come, S is still to go.
  bool received_close_notify() const;
  /// A TLS layer that ended otherwise than by R and S.
  bool is_broken() const { return std::holds_alternative<Broken>(state_); }
  /// Broken by octets behind R: S is still sent (R4).
  bool is_injected() const { return state_ == State(Broken{Ending::injected}); }
  /// A TLS layer of which nothing is awaited any more: R and S have passed, or it is broken.
  bool is_over() const { return is_tls() && (is_plain() || is_broken()); }
  /// R and S have passed, and neither octets nor FIN were behind R: what comes next may be plaintext.
  bool leads_to_plaintext() const { return is_tls() && is_plain() && unread() == 0 && !eof_; }

  /// Where octets of the transport belong.
  enum class Place : std::uint8_t {
    session,              // they are plaintext
    channel,              // which has them; `step` works on them
    behind_close_notify,  // outside both layers (R4)
    nowhere,              // the layer is broken: they are not kept
  };
  Place receive(Octets octets);
  void receive_eof();
  /// Channel::step, told to the machine. `wants_input` in plaintext, behind R, and once broken: there nothing is read.
  ChannelEvent step(std::string& plaintext);
  const ChannelFailure& failure() const { return channel_->failure(); }
  /// The step that said `broken` has put our alert into the output.
  bool alert_waits() const { return alert_waits_; }
  /// FIN, RST, a time-out, octets behind R, or what `failure` tells. `detail` goes into the record, unless empty or another event broke the layer
  /// before. False where the layer goes on all the same: a FIN behind R leaves S to be sent.
  bool break_by(Event event, std::string detail);

  /// Makes records of what the session has said, `said` being all of its output: up to `end`, as far as that is not done. Octets of it must not
  /// be taken away before `sent` says so. In plaintext nothing is to be done.
  void encrypt(Octets said, std::size_t end);
  /// How much of the session's output stands in records that were not yet handed over whole.
  std::size_t in_records() const { return in_records_; }
  /// Puts S behind what stands in the output; S and R must have passed by `until`. A second call changes nothing.
  void close(Instant until);

  /// For the transport: ciphertext, or in plaintext what the session says.
  Octets output(Octets said) const;
  /// The transport has taken the first `count` octets of `output`. Returns how much more of the session's output it has thereby: records count when
  /// they are whole.
  std::size_t sent(std::size_t count);
  /// S has been handed over whole.
  bool sent_close_notify() const { return close_notify_end_ && octets_out_ >= *close_notify_end_; }
  /// What stands in the output does not go out.
  void drop();

  /// Of the handshake, or of S and R, or what `wait_until` set.
  const Deadline& deadline() const { return deadline_; }
  void wait_until(Instant until) { deadline_ = until; }

  Instant began() const { return began_; }
  /// What was negotiated; null in plaintext and during a handshake.
  const ChannelInfo* info() const { return is_tls() && !is_handshaking() ? &channel_->info() : nullptr; }
  /// Of the transport, in this layer.
  std::uint64_t octets_in() const { return octets_in_; }
  /// Those among them that the channel has not read; behind R they stand outside the layer (R4).
  std::size_t unread() const { return is_tls() ? channel_->unread() : 0; }

  /// Why we end it, for the record.
  void explain(std::string_view why) { detail_ = why; }
  /// The record of the layer, once, before `drop`; the connection adds what it cost. Ends the deadline.
  LayerEnd end(Instant now);

 private:
  bool is_plain() const { return std::holds_alternative<Plain>(state_); }
  void note(Event event) { state_ = on(state_, event); }

  /// `said` octets of the session's output are the transport's when it has taken `end` octets of the layer.
  struct Mark {
    std::uint64_t end;
    std::size_t said;
  };

  State state_ = Plain{};
  std::unique_ptr<Channel> channel_;
  std::vector<Mark> marks_;
  std::size_t in_records_ = 0;                     // the sum of the marks
  std::optional<std::uint64_t> close_notify_end_;  // as Mark::end, of S
  std::uint64_t octets_in_ = 0;
  std::uint64_t octets_out_ = 0;
  bool eof_ = false;  // FIN has come
  bool alert_waits_ = false;
  Ending ending_ = Ending::mutual;  // unless something breaks the layer
  std::string detail_;
  Instant began_;
  Deadline deadline_;
};

}  // namespace adieu::tls
