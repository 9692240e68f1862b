// A connection that never blocks, plain or under TLS, as the load client uses it: no closure machine, no certificate is verified.
#pragma once

#include <gnutls/gnutls.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace adieu::bench {

// The client's credentials and priorities, made once for all connections.
class TlsClient {
 public:
  TlsClient();
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;
  gnutls_session_t session(int socket) const;

 private:
  gnutls_certificate_credentials_t credentials_ = nullptr;
  gnutls_priority_t priority_ = nullptr;
};

class Wire {
 public:
  Wire() = default;
  ~Wire() { close(); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  // Begins to connect to 127.0.0.1; false with errno set where that fails at once.
  bool connect(std::uint16_t port);
  void start_tls(const TlsClient& client) { session_ = client.session(socket_); }
  // 1: done, 0: wait for readiness, -1: failed.
  int handshake();
  bool wants_write() const { return session_ != nullptr && gnutls_record_get_direction(session_) == 1; }
  // Octets sent, 0 where the connection takes none now, -1 where it failed. After 0 under TLS the same octets must be given again.
  long send(std::string_view octets);
  // Appends what has come to `to`: octets read, 0 where there are none now, -1 at the end or a failure.
  long receive(std::string& to);
  void close();
  int socket() const { return socket_; }
  std::string error() const;

 private:
  int socket_ = -1;
  gnutls_session_t session_ = nullptr;
  long failure_ = 0;
};

}  // namespace adieu::bench
