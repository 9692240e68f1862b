// The order in which a host's addresses are tried: RFC 8305 section 4.
#pragma once

#include <vector>

#include "adieu/base/ip.h"

namespace adieu::route {

/// The families take turns, IPv6 first; within one the order stays.
std::vector<IpAddress> families_in_turn(const std::vector<IpAddress>& addresses);

}  // namespace adieu::route
