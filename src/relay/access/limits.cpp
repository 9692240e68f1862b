// See limits.h.
#include "adieu/relay/access/limits.h"

#include <algorithm>

#include "adieu/base/result.h"

namespace adieu::access {

IpAddress ConnectionLimits::client_of(const IpAddress& address) {
  if (!address.is_v6()) return address;
  auto octets = address.octets();
  std::fill(octets.begin() + 8, octets.end(), std::uint8_t{0});
  return IpAddress::v6(octets);
}

bool ConnectionLimits::admit(const IpAddress& address) {
  const std::lock_guard lock(mutex_);
  if (count_ >= total_) return false;
  const auto [client, fresh] = clients_.try_emplace(client_of(address), 0);
  if (client->second >= per_client_) {
    if (fresh) clients_.erase(client);
    return false;
  }
  ++client->second;
  ++count_;
  return true;
}

void ConnectionLimits::release(const IpAddress& address) {
  const std::lock_guard lock(mutex_);
  const auto client = clients_.find(client_of(address));
  check(client != clients_.end(), "a connection is released once");
  if (--client->second == 0) clients_.erase(client);
  --count_;
}

}  // namespace adieu::access
