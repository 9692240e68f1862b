// See address_order.h.
#include "adieu/relay/route/address_order.h"

#include <algorithm>
#include <iterator>

namespace adieu::route {

std::vector<IpAddress> families_in_turn(const std::vector<IpAddress>& addresses) {
  std::vector<IpAddress> v6;
  std::vector<IpAddress> v4;
  std::partition_copy(addresses.begin(), addresses.end(), std::back_inserter(v6), std::back_inserter(v4),
                      [](const IpAddress& address) { return address.is_v6(); });
  std::vector<IpAddress> ordered;
  ordered.reserve(addresses.size());
  for (std::size_t i = 0; i < std::max(v6.size(), v4.size()); ++i) {
    if (i < v6.size()) ordered.push_back(v6[i]);
    if (i < v4.size()) ordered.push_back(v4[i]);
  }
  return ordered;
}

}  // namespace adieu::route
