// See probe_wire.h.
#include "tools/probe_wire.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "io/gnutls/channel.h"
#include "io/gnutls/peer_certificate.h"

namespace adieu::tools {
namespace {

using probe::Event;
using probe::Heard;

std::string priority_of(probe::Versions versions) {
  switch (versions) {
    case probe::Versions::any: break;
    case probe::Versions::tls13: return "NORMAL:-VERS-ALL:+VERS-TLS1.3";
    case probe::Versions::tls12: return "NORMAL:-VERS-ALL:+VERS-TLS1.2";
    case probe::Versions::old: return "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0";
  }
  return "NORMAL";
}

/// What stands behind the whole records of TLS in `raw`.
Octets behind_records(Octets raw) {
  constexpr std::size_t kHeader = 5;
  constexpr unsigned char kFirstType = 20;  // change_cipher_spec, alert, handshake, application_data
  constexpr unsigned char kLastType = 23;
  const auto octet = [&raw](std::size_t at) { return static_cast<unsigned char>(raw[at]); };
  while (raw.size() >= kHeader && octet(0) >= kFirstType && octet(0) <= kLastType) {
    const std::size_t size = kHeader + octet(3) * std::size_t{256} + octet(4);
    if (raw.size() < size) break;
    raw.remove_prefix(size);
  }
  return raw;
}

bool begins_like_reply(Octets octets) { return !octets.empty() && octets.front() >= '2' && octets.front() <= '5'; }

}  // namespace

Instant this_moment() { return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now()); }

bool wait_for(const uv::Descriptor& socket, bool room, Instant deadline) {
  for (;;) {
    const auto left = std::clamp<Duration::rep>((deadline - this_moment()).count(), 0, 1 << 30);
    pollfd poll{socket.get(), static_cast<short>(room ? POLLOUT : POLLIN), 0};
    const int ready = ::poll(&poll, 1, static_cast<int>(left));
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) return true;  // the call that follows reports the error
  }
}

ProbeWire::~ProbeWire() {
  close_tls({});
  uv::shut_down_writing(socket_);
}

void ProbeWire::say(Octets octets) {
  if (writes_tls_) {
    channel_->send(octets);
    flush();
  } else {
    send(octets);
  }
}

void ProbeWire::close_tls(Octets behind) {
  if (!writes_tls_) return;
  writes_tls_ = false;
  channel_->close();
  flush(behind);
}

/// What the channel has to say, and `behind` it, as one segment.
void ProbeWire::flush(Octets behind) {
  std::string octets(channel_->output());
  channel_->consume_output(octets.size());
  send(octets.append(behind));
}

void ProbeWire::send(Octets octets) {
  const Instant deadline = this_moment() + target_.timeout;
  while (!octets.empty() && !end_) {
    const Transferred result = uv::send(socket_.get(), octets);
    octets.remove_prefix(result.octets);
    // The system tells of an RST once: here, and not to a later read. After EPIPE reading still tells of the FIN.
    if (result.how == Transfer::reset && errno == ECONNRESET) end_ = Event::reset;
    if (result.how == Transfer::reset || (result.how == Transfer::again && !wait_for(socket_, true, deadline))) return;
  }
}

Heard ProbeWire::hear(Duration at_most) {
  const Instant began = this_moment();
  const Instant deadline = began + std::min(at_most, target_.timeout);
  for (;;) {
    if (auto heard = next()) {
      heard->after = this_moment() - began;
      return *heard;
    }
    if (!wait_for(socket_, false, deadline)) return {Event::timeout, {}, {}, this_moment() - began};
    read();
  }
}

Heard ProbeWire::begin_tls(probe::Versions versions) {
  // Nothing in the clear may pass for what TLS brought (RFC 3207 section 5).
  if (!reader_.empty()) return {Event::clear, {}, {}, {}};
  auto credentials = gnutls::make_client_credentials(priority_of(versions), true, target_.trust_file);
  // Without the system's trust store no certificate proves anything, and that is what is found.
  if (!credentials) credentials = gnutls::make_client_credentials(priority_of(versions), false);
  const auto look = [this](gnutls_session_t session) { certificate_ = gnutls::read_peer_certificate(session, target_.host); };
  channel_ = gnutls::ClientChannels(*credentials, target_.host, false, nullptr, look).make();
  reads_tls_ = true;
  const Instant deadline = this_moment() + target_.timeout;
  for (;;) {
    std::string none;
    const tls::ChannelEvent event = channel_->step(none);
    flush();
    if (event == tls::ChannelEvent::established) {
      writes_tls_ = true;
      return {Event::established, {}, {}, {}};
    }
    if (event != tls::ChannelEvent::wants_input) return broken();
    if (end_ == Event::reset) return {Event::reset, {}, {}, {}};
    if (!wait_for(socket_, false, deadline)) return {Event::timeout, {}, {}, {}};
    read();
  }
}

/// What has been read, if it says anything.
std::optional<Heard> ProbeWire::next() {
  for (;;) {
    if (auto reply = reader_.next()) return Heard{Event::reply, std::move(*reply), {}, {}};
    if (!reader_.fault().empty()) return Heard{Event::fault, {}, std::string(reader_.fault()), {}};
    if (octets_ > kOctets) return Heard{Event::fault, {}, "no end of what it says", {}};
    if (reads_tls_) {
      std::string plaintext;
      switch (channel_->step(plaintext)) {
        case tls::ChannelEvent::plaintext:
        case tls::ChannelEvent::established: reader_.receive(plaintext); continue;
        case tls::ChannelEvent::close_notify:
          read_clear(Octets(raw_).substr(raw_.size() - channel_->unread()));
          return Heard{Event::close_notify, {}, {}, {}};
        case tls::ChannelEvent::broken: return broken();
        case tls::ChannelEvent::wants_input: break;
      }
    }
    if (end_) return Heard{*end_, {}, {}, {}};
    return std::nullopt;
  }
}

Heard ProbeWire::broken() {
  flush();
  writes_tls_ = false;
  const tls::ChannelFailure failure = channel_->failure();
  if (failure.event == tls::Event::fin) return {Event::fin, {}, {}, {}};
  if (failure.event == tls::Event::alert) return {Event::alert, {}, failure.detail, {}};
  const Octets behind = behind_records(raw_);
  if (!begins_like_reply(behind)) return {Event::fault, {}, failure.detail, {}};
  read_clear(behind);
  return {Event::clear, {}, {}, {}};
}

void ProbeWire::read_clear(Octets already_there) {
  reads_tls_ = false;
  reader_ = smtp::ReplyReader(kLine, kLines);
  reader_.receive(already_there);
}

void ProbeWire::read() {
  std::array<char, 16'384> block{};
  const Transferred result = uv::receive(socket_.get(), block.data(), block.size());
  const Octets octets(block.data(), result.octets);
  octets_ += octets.size();
  if (reads_tls_) {
    raw_.append(octets);
    channel_->receive(octets);
  } else {
    reader_.receive(octets);
  }
  switch (result.how) {
    case Transfer::done:
    case Transfer::again: return;
    case Transfer::eof:
      if (!end_) end_ = Event::fin;
      if (reads_tls_ && end_ == Event::fin) channel_->receive_eof();
      return;
    case Transfer::reset: end_ = Event::reset; return;
  }
}

}  // namespace adieu::tools
