// See machine_addresses.h.
#include "io/uv/machine_addresses.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <memory>
#include <optional>

namespace adieu::uv {
namespace {

std::optional<IpAddress> address_of(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    std::array<std::uint8_t, 4> octets{};
    std::memcpy(octets.data(), &v4.sin_addr, octets.size());
    return IpAddress::v4(octets);
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    std::array<std::uint8_t, 16> octets{};
    std::memcpy(octets.data(), &v6.sin6_addr, octets.size());
    return IpAddress::v6(octets);
  }
  return std::nullopt;
}

}  // namespace

route::MachineAddresses machine_addresses() {
  route::MachineAddresses found;
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return found;
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owned(first, ::freeifaddrs);
  for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next) {
    if (const auto own = address_of(each->ifa_addr)) found.own.push_back(*own);
    if ((each->ifa_flags & IFF_BROADCAST) == 0) continue;
    if (const auto broadcast = address_of(each->ifa_broadaddr)) found.broadcast.push_back(*broadcast);
  }
  return found;
}

}  // namespace adieu::uv
