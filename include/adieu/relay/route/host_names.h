// Names of hosts and domains as a delivery meets them: address literals (RFC 5321 section 4.1.3) and the limits of DNS (RFC 1035 section 2.3.4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "adieu/base/ip.h"

namespace adieu::route {

/// The address of a literal with its brackets, the tag `IPv6:` in any case; none for anything else, other tags included.
std::optional<IpAddress> literal_address(std::string_view domain);

/// Why no name server can have this name: an empty label, one of more than 63 octets, more than 253 octets in all. Empty where it can.
std::string_view name_fault(std::string_view name);

}  // namespace adieu::route
