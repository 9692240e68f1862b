// Which addresses a mail exchanger may have. Its owner chooses them freely, and an address of this machine would bring the mail back, again and
// again: RFC 5321 sections 5.1 and 6.3, RFC 6890 (addresses for special purposes).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "adieu/base/ip.h"
#include "adieu/protocol/smtp/outcome.h"
#include "adieu/relay/config/config.h"

namespace adieu::route {

/// What the interfaces of this machine have.
struct MachineAddresses {
  std::vector<IpAddress> own;
  std::vector<IpAddress> broadcast;
};

enum class AddressKind : std::uint8_t {
  ordinary,
  private_use,  // RFC 1918, RFC 6598 (shared by carriers), RFC 4193 (unique local), link-local
  ourselves,    // loopback, unspecified, an address of this machine
  group,        // multicast, broadcast, reserved
};

/// An IPv6 address that carries an IPv4 address (IPv4-compatible, NAT64 of RFC 6052, 6to4 of RFC 3056) is of that one's kind, unless it is of a
/// kind of its own.
AddressKind kind_of(const IpAddress& address, const MachineAddresses& machine);

/// Why `address` of `host` is not dialled under that setting of the next hop named `next_hop`: failed with 5.4.6 where it is ourselves, with 5.4.4
/// where it is of another kind. None: it may be dialled.
std::optional<smtp::Outcome> refusal(const std::string& host, const IpAddress& address, const MachineAddresses& machine,
                                     config::LocalAddresses setting, const std::string& next_hop);

}  // namespace adieu::route
