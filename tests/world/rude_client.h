// A client that ends TLS in the middle of a message and goes on in clear, as in CVE-2026-45185: at once, or once the relay has said close_notify too. What it
// sends is Attacker's word, and never a whole message in one layer, so that nothing of it may be delivered (R3, R4, R5).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "adieu/protocol/tls/channel.h"
#include "network.h"

namespace adieu::world {

class RudeClient final : Stream::User {
 public:
  /// Comes `times` times. `channels` are not watched: nothing holds it to the rules.
  RudeClient(Host& host, Endpoint relay, std::function<std::unique_ptr<tls::ChannelFactory>()> channels, std::int64_t times);
  bool done() const { return times_ == 0 && !stream_; }

 private:
  enum class Stage : std::uint8_t { greeting, hello, starttls, handshake, secure, closing, in_clear };
  void come();
  void go();
  void on_octets(Octets octets) override;
  void on_end(Transfer) override { end_later(); }
  void on_taken(std::size_t) override {}
  void end_later() { timer_->set(host_.now()); }
  void on_reply();
  void read_records();
  void say_next();
  void say(const std::string& octets) { stream_->write(octets); }
  void flush();
  void say_rest();

  Host& host_;
  const Endpoint relay_;
  const std::function<std::unique_ptr<tls::ChannelFactory>()> channels_;
  std::int64_t times_;
  Stage stage_{};
  bool waits_ = false;                // for the relay's close_notify, before it goes on
  std::vector<std::string> commands_; // inside TLS; the last one is part of the mail data
  std::size_t said_ = 0;
  std::string rest_;
  std::string lines_;
  std::string ciphertext_;            // stays what it is until the stream goes
  std::unique_ptr<tls::Channel> channel_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Timer> timer_;
};

}  // namespace adieu::world
