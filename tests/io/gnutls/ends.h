// Both ends of a TLS layer over memory: two channels against each other, or the server's channel against a bare GnuTLS session
// that can say what no channel of ours would (alerts, padded records, key updates).
#pragma once

#include <gnutls/gnutls.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "io/gnutls/channel.h"
#include "io/gnutls/record13.h"
#include "pki.h"

namespace adieu::test {

using tls::ChannelEvent;

inline const std::string kHost = "mx.example.org";
inline const std::string kCloseNotify("\x01\x00", 2);
inline const std::string kUserCanceled("\x01\x5a", 2);
inline constexpr std::uint8_t kAlertRecord = 21;

inline std::string priority_of(const std::string& version) { return "NORMAL:-VERS-ALL:+VERS-" + version; }

inline std::shared_ptr<const gnutls::Credentials> server_credentials(const std::string& priority = "NORMAL") {
  static const gnutls::CertificatePem kPem = gnutls::make_self_signed(kHost, 2).value();
  return gnutls::make_server_credentials(kPem, priority).value();
}

/// All that `channel` has to say, taken.
inline std::string take(tls::Channel& channel) {
  std::string out(channel.output());
  channel.consume_output(out.size());
  return out;
}

/// What steps gave until nothing was left to work on: plaintext, and the last event.
struct Worked {
  std::string plaintext;
  ChannelEvent last = ChannelEvent::wants_input;
  bool established = false;
};
inline Worked work(tls::Channel& channel) {
  Worked worked;
  for (;;) {
    worked.last = channel.step(worked.plaintext);
    if (worked.last == ChannelEvent::established) worked.established = true;
    if (worked.last != ChannelEvent::established && worked.last != ChannelEvent::plaintext) return worked;
  }
}
inline Worked feed(tls::Channel& channel, Octets octets) {
  channel.receive(octets);
  return work(channel);
}
inline Worked end(tls::Channel& channel) {
  channel.receive_eof();
  return work(channel);
}

/// A handshake between two channels; true when both are established.
inline bool shake_hands(tls::Channel& client, tls::Channel& server) {
  bool client_done = work(client).established;
  bool server_done = false;
  for (int flights = 0; flights < 8; ++flights) {
    server_done |= feed(server, take(client)).established;
    client_done |= feed(client, take(server)).established;
    if (client_done && server_done && client.output().empty()) return true;
  }
  return false;
}

struct Pair {
  explicit Pair(const std::string& version = "TLS1.3",
                std::shared_ptr<const gnutls::Credentials> credentials = server_credentials())
      : server(gnutls::ServerChannels(std::move(credentials)).make()),
        client(
            gnutls::ClientChannels(gnutls::make_client_credentials(priority_of(version), false).value(), kHost, false).make()) {}

  std::unique_ptr<tls::Channel> server;
  std::unique_ptr<tls::Channel> client;
};

/// A client by GnuTLS alone.
class BareClient {
 public:
  explicit BareClient(const std::string& priority, const std::string& resume = {}) {
    must(gnutls_init(&session_, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL));
    must(gnutls_priority_set_direct(session_, priority.c_str(), nullptr));
    must(gnutls_certificate_allocate_credentials(&credentials_));
    must(gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, credentials_));
    if (!resume.empty()) must(gnutls_session_set_data(session_, resume.data(), resume.size()));
    gnutls_transport_set_ptr(session_, this);
    gnutls_transport_set_pull_function(session_, [](gnutls_transport_ptr_t self, void* buffer, std::size_t size) -> ssize_t {
      return static_cast<BareClient*>(self)->pull(buffer, size);
    });
    gnutls_transport_set_push_function(session_,
                                       [](gnutls_transport_ptr_t self, const void* octets, std::size_t size) -> ssize_t {
                                         static_cast<BareClient*>(self)->out_.append(static_cast<const char*>(octets), size);
                                         return static_cast<ssize_t>(size);
                                       });
  }
  ~BareClient() {
    gnutls_deinit(session_);
    gnutls_certificate_free_credentials(credentials_);
  }
  BareClient(const BareClient&) = delete;
  BareClient& operator=(const BareClient&) = delete;

  void name_host(const std::string& host) { must(gnutls_server_name_set(session_, GNUTLS_NAME_DNS, host.data(), host.size())); }
  /// With the server's channel; false when it came to nothing.
  bool shake_hands(tls::Channel& server) {
    for (int flights = 0; flights < 8; ++flights) {
      const int code = gnutls_handshake(session_);
      const Worked worked = feed(server, take());
      receive(test::take(server));
      if (code == GNUTLS_E_SUCCESS) return worked.last != ChannelEvent::broken;
      if (gnutls_error_is_fatal(code) != 0) return false;
    }
    return false;
  }
  void receive(Octets octets) { in_ += octets; }
  std::string take() { return std::exchange(out_, {}); }
  std::string record(Octets plaintext) {
    must(static_cast<int>(gnutls_record_send(session_, plaintext.data(), plaintext.size())));
    return take();
  }
  std::string alert(gnutls_alert_level_t level, gnutls_alert_description_t what) {
    must(gnutls_alert_send(session_, level, what));
    return take();
  }
  std::string close_notify() {
    must(gnutls_bye(session_, GNUTLS_SHUT_WR));
    return take();
  }
  /// What record_recv says: plaintext, or its code (0: close_notify).
  long read(std::string* plaintext = nullptr) {
    std::string block(16'384, '\0');
    for (;;) {
      const long size = gnutls_record_recv(session_, block.data(), block.size());
      if (size == GNUTLS_E_AGAIN && !in_.empty()) continue;
      if (size > 0 && plaintext != nullptr) plaintext->append(block, 0, static_cast<std::size_t>(size));
      return size;
    }
  }
  gnutls_session_t session() { return session_; }

 private:
  ssize_t pull(void* buffer, std::size_t size) {
    if (in_.empty()) {
      gnutls_transport_set_errno(session_, EAGAIN);
      return -1;
    }
    const std::size_t count = std::min(size, in_.size());
    std::memcpy(buffer, in_.data(), count);
    in_.erase(0, count);
    return static_cast<ssize_t>(count);
  }

  gnutls_session_t session_ = nullptr;
  gnutls_certificate_credentials_t credentials_ = nullptr;
  std::string in_;
  std::string out_;
};

}  // namespace adieu::test
