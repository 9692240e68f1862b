// One connection of `adieu probe`: blocking waits over a socket and a TLS channel, each bounded by one time limit, and what the server may say in
// all by a size. It serves the command line alone, so it needs no loop.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "adieu/protocol/smtp/reply_reader.h"
#include "adieu/relay/probe/wire.h"
#include "io/uv/socket.h"

namespace adieu::tools {

struct ProbeTarget {
  std::string host;        // a name or an address; for SNI, and what the certificate is held against
  std::uint16_t port = 25;
  Duration timeout{};      // of each connect, handshake, reply, end
  std::string trust_file;  // trust anchors instead of the system's
};

/// Waits until `socket` can be read or, with `room`, written. False: not until `deadline`.
bool wait_for(const uv::Descriptor& socket, bool room, Instant deadline);
/// Monotonic.
Instant this_moment();

class ProbeWire final : public probe::Wire {
 public:
  /// `socket` is connected.
  ProbeWire(uv::Descriptor socket, const ProbeTarget& target) : socket_(std::move(socket)), target_(target) {}
  ~ProbeWire() override;
  ProbeWire(const ProbeWire&) = delete;
  ProbeWire& operator=(const ProbeWire&) = delete;

  void say(Octets octets) override;
  probe::Heard hear(Duration at_most) override;
  probe::Heard begin_tls(probe::Versions versions) override;
  void close_tls(Octets behind) override;
  void read_in_the_clear() override { read_clear({}); }
  const tls::ChannelInfo& tls() const override { return channel_->info(); }
  const tls::PeerCertificate& certificate() const override { return certificate_; }

 private:
  std::optional<probe::Heard> next();
  probe::Heard broken();
  void read();
  void read_clear(Octets already_there);
  void flush(Octets behind = {});
  void send(Octets octets);

  static constexpr std::size_t kLine = 2048;  // RFC 5321 section 4.5.3.1.5 has 512
  static constexpr std::size_t kLines = 100;
  static constexpr std::size_t kOctets = 1 << 20;

  uv::Descriptor socket_;
  ProbeTarget target_;
  std::unique_ptr<tls::Channel> channel_;
  tls::PeerCertificate certificate_;
  bool reads_tls_ = false;
  bool writes_tls_ = false;
  smtp::ReplyReader reader_{kLine, kLines};
  std::string raw_;                  // what was read since TLS began: whole records, and what may stand behind them
  std::size_t octets_ = 0;           // read in all
  std::optional<probe::Event> end_;  // fin or reset: nothing more is read
};

}  // namespace adieu::tools
