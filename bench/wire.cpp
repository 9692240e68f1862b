// See wire.h.
#include "wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace adieu::bench {

TlsClient::TlsClient() {
  gnutls_certificate_allocate_credentials(&credentials_);
  gnutls_priority_init(&priority_, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", nullptr);
}

TlsClient::~TlsClient() {
  gnutls_priority_deinit(priority_);
  gnutls_certificate_free_credentials(credentials_);
}

gnutls_session_t TlsClient::session(int socket) const {
  gnutls_session_t session = nullptr;
  gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
  gnutls_priority_set(session, priority_);
  gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials_);
  gnutls_transport_set_int(session, socket);
  return session;
}

bool Wire::connect(std::uint16_t port) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return false;
  const int yes = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno == EINPROGRESS;
}

int Wire::handshake() {
  const int result = gnutls_handshake(session_);
  if (result == GNUTLS_E_SUCCESS) return 1;
  if (gnutls_error_is_fatal(result) == 0) return 0;
  failure_ = result;
  return -1;
}

long Wire::send(std::string_view octets) {
  if (session_ == nullptr) {
    const ssize_t sent = ::send(socket_, octets.data(), octets.size(), MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    return errno == EAGAIN ? 0 : -1;
  }
  const ssize_t sent = gnutls_record_send(session_, octets.data(), octets.size());
  if (sent >= 0) return sent;
  if (sent == GNUTLS_E_AGAIN || sent == GNUTLS_E_INTERRUPTED) return 0;
  failure_ = sent;
  return -1;
}

long Wire::receive(std::string& to) {
  std::array<char, 4096> buffer;
  ssize_t got = 0;
  if (session_ == nullptr) {
    got = recv(socket_, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EAGAIN) return 0;
  } else {
    do {
      got = gnutls_record_recv(session_, buffer.data(), buffer.size());
    } while (got == GNUTLS_E_INTERRUPTED);
    if (got < 0 && gnutls_error_is_fatal(static_cast<int>(got)) == 0) return 0;
    failure_ = std::min<ssize_t>(got, 0);
  }
  if (got <= 0) return -1;
  to.append(buffer.data(), static_cast<std::size_t>(got));
  return got;
}

void Wire::close() {
  if (session_ != nullptr) {
    gnutls_bye(session_, GNUTLS_SHUT_WR);
    gnutls_deinit(session_);
    session_ = nullptr;
  }
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

std::string Wire::error() const {
  return failure_ < 0 ? gnutls_strerror(static_cast<int>(failure_)) : errno != 0 ? std::strerror(errno) : "end of input";
}

}  // namespace adieu::bench
