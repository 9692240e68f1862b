// See socket.h.
#include "io/uv/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/uv/socket_address.h"

namespace adieu::uv {
SocketAddress to_system(const Endpoint& endpoint) {
  SocketAddress address;
  const auto& octets = endpoint.address.octets();
  if (endpoint.address.is_v6()) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    std::memcpy(&v6->sin6_addr, octets.data(), 16);
    address.length = sizeof(sockaddr_in6);
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    std::memcpy(&v4->sin_addr, octets.data(), 4);
    address.length = sizeof(sockaddr_in);
  }
  return address;
}

Endpoint from_system(const SocketAddress& address) {
  if (address.storage.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
    std::array<std::uint8_t, 16> octets{};
    std::memcpy(octets.data(), &v6->sin6_addr, 16);
    return {IpAddress::v6(octets), ntohs(v6->sin6_port)};
  }
  if (address.storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
    std::array<std::uint8_t, 4> octets{};
    std::memcpy(octets.data(), &v4->sin_addr, 4);
    return {IpAddress::v4(octets), ntohs(v4->sin_port)};
  }
  return {};
}

namespace {

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return failure(ErrorKind::invalid, "control socket " + path + ": the path is longer than " +
                                           std::to_string(sizeof(address.sun_path) - 1) + " octets");
  }
  std::copy(path.begin(), path.end(), address.sun_path);
  return address;
}

void turn_on(int socket, int level, int option) {
  const int on = 1;
  setsockopt(socket, level, option, &on, sizeof on);
}

tl::unexpected<Error> failed(const std::string& what) { return tl::unexpected<Error>(error_of_errno(what, errno)); }

/// Whether the system knows a way there; a datagram socket asks without sending anything, and takes none of the ports that may have run out.
bool has_route(SocketAddress address) {
  const Descriptor socket(::socket(address.storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return socket && ::connect(socket.get(), address.get(), address.length) == 0;
}

ConnectFailure::Whose whose(int error, const SocketAddress& address) {
  using enum ConnectFailure::Whose;
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return ours;
    case ENETUNREACH:
    case EAFNOSUPPORT: return no_route;
    // Either no local port is left, or no local address is of that family.
    case EADDRNOTAVAIL: return has_route(address) ? ours : no_route;
    default: return peer;
  }
}

}  // namespace

Descriptor::~Descriptor() {
  if (value_ >= 0) ::close(value_);
}

namespace {

tl::unexpected<Error> failed_to_listen(const Endpoint& endpoint) {
  const int error = errno;
  Error told = error_of_errno("listen on " + endpoint.text(), error);
  if (error == EADDRINUSE) {
    told.message += ": the port is taken, by another program (`ss -ltnp sport = :" + std::to_string(endpoint.port) +
                    "` names it) or by another `listen` or `metrics` of this policy file; stop that one, or choose another port";
  } else if (error == EACCES) {
    told.message += ": ports below 1024 are for root, or need CAP_NET_BIND_SERVICE";
  } else if (error == EADDRNOTAVAIL) {
    told.message += ": no interface of this machine has this address";
  }
  return tl::unexpected<Error>(std::move(told));
}

Result<Descriptor> bind_tcp(const Endpoint& endpoint, bool shares) {
  SocketAddress address = to_system(endpoint);
  Descriptor socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return failed_to_listen(endpoint);
  turn_on(socket.get(), SOL_SOCKET, SO_REUSEADDR);
  if (shares) turn_on(socket.get(), SOL_SOCKET, SO_REUSEPORT);
  turn_on(socket.get(), IPPROTO_TCP, TCP_NODELAY);  // what it accepts inherits that (tcp(7))
  if (::bind(socket.get(), address.get(), address.length) != 0) return failed_to_listen(endpoint);
  return socket;
}

}  // namespace

Result<std::vector<Descriptor>> listen_tcp(const Endpoint& endpoint, std::size_t loops) {
  std::vector<Descriptor> sockets;
  Endpoint bound = endpoint;
  while (sockets.size() < loops) {
    // The first one is bound as one that shares with nobody, so that a port which another process shares is an error; it shares from then on.
    auto socket = bind_tcp(bound, !sockets.empty());
    if (!socket) return tl::unexpected<Error>(std::move(socket.error()));
    if (loops > 1) turn_on(socket->get(), SOL_SOCKET, SO_REUSEPORT);
    if (::listen(socket->get(), SOMAXCONN) != 0) return failed_to_listen(bound);
    if (sockets.empty()) {
      const auto local = local_endpoint(socket->get());
      if (!local) return tl::unexpected<Error>(local.error());
      bound.port = local->port;
    }
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

Result<Descriptor> listen_tcp(const Endpoint& endpoint) {
  auto sockets = listen_tcp(endpoint, 1);
  if (!sockets) return tl::unexpected<Error>(std::move(sockets.error()));
  return std::move(sockets->front());
}

Result<Descriptor> listen_unix(const std::string& path) {
  const auto address = unix_address(path);
  if (!address) return tl::unexpected<Error>(address.error());
  const std::string what = "control socket " + path;
  // Somebody who is too busy to accept is there, too.
  if (const auto other = connect_unix(path, std::chrono::seconds(1)); other || other.error().kind == ErrorKind::timeout) {
    return failure(ErrorKind::refused, what + ": another relay answers there; give this one a `control-socket` of its own");
  }
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return failed(what);
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) ::unlink(path.c_str());
  const mode_t mask = ::umask(0177);
  const int bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(sockaddr_un));
  ::umask(mask);
  if (bound != 0) return failed(what);
  if (::listen(socket.get(), 16) != 0) return failed(what);
  return socket;
}

Result<Descriptor> connect_unix(const std::string& path, Duration patience) {
  const auto address = unix_address(path);
  if (!address) return tl::unexpected<Error>(address.error());
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return failed("control socket");
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(patience);
  const timeval time{seconds.count(), std::chrono::microseconds(patience - seconds).count()};
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(sockaddr_un)) != 0) {
    if (errno == EAGAIN) return failure(ErrorKind::timeout, "control socket " + path + ": whoever listens there does not accept");
    return failed("control socket " + path);
  }
  return socket;
}

bool is_of_reserve(int socket, std::size_t times) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return false;
  const auto all = static_cast<std::size_t>(limit.rlim_cur);
  const std::size_t held_back = times * std::clamp<std::size_t>(all / 8, 16, 64);
  // The kernel gives the lowest number that is free.
  return static_cast<std::size_t>(socket) + held_back >= all;
}

Result<Endpoint> local_endpoint(int socket) {
  SocketAddress address;
  address.length = sizeof address.storage;
  if (::getsockname(socket, address.get(), &address.length) != 0) return failed("getsockname");
  return from_system(address);
}

Result<Endpoint> remote_endpoint(int socket) {
  SocketAddress address;
  address.length = sizeof address.storage;
  if (::getpeername(socket, address.get(), &address.length) != 0) return failed("getpeername");
  return from_system(address);
}

ConnectFailure connect_failure(int error, const Endpoint& endpoint) {
  return {whose(error, to_system(endpoint)), error_of_errno("connect to " + endpoint.text(), error)};
}

tl::expected<Descriptor, ConnectFailure> connect_tcp(const Endpoint& endpoint) {
  SocketAddress address = to_system(endpoint);
  const auto failed_to_connect = [&] { return tl::unexpected(connect_failure(errno, endpoint)); };
  Descriptor socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return failed_to_connect();
  turn_on(socket.get(), IPPROTO_TCP, TCP_NODELAY);
  if (::connect(socket.get(), address.get(), address.length) != 0 && errno != EINPROGRESS) return failed_to_connect();
  return socket;
}

std::optional<Error> connect_error(const Descriptor& socket) {
  int value = 0;
  socklen_t length = sizeof value;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &value, &length) != 0) value = errno;
  if (value == 0) return std::nullopt;
  return error_of_errno("connect", value);
}

Transferred receive(int socket, char* buffer, std::size_t size) {
  for (;;) {
    const ssize_t count = ::recv(socket, buffer, size, 0);
    if (count > 0) return {Transfer::done, static_cast<std::size_t>(count)};
    if (count == 0) return {Transfer::eof, 0};
    if (errno == EINTR) continue;
    return {errno == EAGAIN ? Transfer::again : Transfer::reset, 0};
  }
}

Transferred send(int socket, Octets octets) {
  for (;;) {
    const ssize_t count = ::send(socket, octets.data(), octets.size(), MSG_NOSIGNAL);
    if (count >= 0) return {Transfer::done, static_cast<std::size_t>(count)};
    if (errno == EINTR) continue;
    return {errno == EAGAIN ? Transfer::again : Transfer::reset, 0};
  }
}

void shut_down_writing(const Descriptor& socket) { ::shutdown(socket.get(), SHUT_WR); }

}  // namespace adieu::uv
