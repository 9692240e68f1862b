// Endpoints as the system's addresses.
#pragma once

#include <sys/socket.h>

#include "adieu/base/ip.h"

namespace adieu::uv {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress to_system(const Endpoint& endpoint);
/// 0.0.0.0:0 of other families than IPv4 and IPv6.
Endpoint from_system(const SocketAddress& address);

}  // namespace adieu::uv
