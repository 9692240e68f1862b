// See probe_dialer.h.
#include "tools/probe_dialer.h"

#include <netdb.h>
#include <netinet/in.h>

#include <cstring>

namespace adieu::tools {
namespace {

Endpoint endpoint_of(const addrinfo& found, std::uint16_t port) {
  if (found.ai_family == AF_INET6) {
    std::array<std::uint8_t, 16> octets{};
    std::memcpy(octets.data(), &reinterpret_cast<const sockaddr_in6*>(found.ai_addr)->sin6_addr, octets.size());
    return {IpAddress::v6(octets), port};
  }
  std::array<std::uint8_t, 4> octets{};
  std::memcpy(octets.data(), &reinterpret_cast<const sockaddr_in*>(found.ai_addr)->sin_addr, octets.size());
  return {IpAddress::v4(octets), port};
}

Result<uv::Descriptor> connect_within(const Endpoint& endpoint, Duration timeout) {
  auto socket = uv::connect_tcp(endpoint);
  if (!socket) return tl::unexpected<Error>(std::move(socket.error().error));
  if (!wait_for(*socket, true, this_moment() + timeout)) return failure(ErrorKind::timeout, "connect to " + endpoint.text() + ": timed out");
  if (auto error = uv::connect_error(*socket)) return tl::unexpected<Error>(std::move(*error).within(endpoint.text()));
  return std::move(*socket);
}

}  // namespace

Result<ProbeDialer> ProbeDialer::open(ProbeTarget target) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(target.host.c_str(), nullptr, &hints, &found);
  if (code != 0) return failure(ErrorKind::unavailable, target.host + ": " + ::gai_strerror(code));
  std::vector<Endpoint> endpoints;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    if (each->ai_family == AF_INET || each->ai_family == AF_INET6) endpoints.push_back(endpoint_of(*each, target.port));
  }
  ::freeaddrinfo(found);
  if (endpoints.empty()) return failure(ErrorKind::unavailable, target.host + ": it has no address");
  return ProbeDialer(std::move(target), std::move(endpoints));
}

Result<std::unique_ptr<probe::Wire>> ProbeDialer::connect() {
  Error last;
  for (const Endpoint& endpoint : endpoints_) {
    auto socket = connect_within(endpoint, target_.timeout);
    if (socket) {
      const Endpoint answered = endpoint;
      endpoints_ = {answered};
      return std::make_unique<ProbeWire>(std::move(*socket), target_);
    }
    last = std::move(socket.error());
  }
  return tl::unexpected<Error>(std::move(last));
}

}  // namespace adieu::tools
