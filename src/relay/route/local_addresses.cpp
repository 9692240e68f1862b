// See local_addresses.h.
#include "adieu/relay/route/local_addresses.h"

#include <algorithm>
#include <array>

namespace adieu::route {
namespace {

struct Special {
  Network network;
  AddressKind kind;
};

Special special(std::string_view network, AddressKind kind) { return {*Network::parse(network), kind}; }

const auto& special_networks() {
  using enum AddressKind;
  static const std::array networks = {
      special("0.0.0.0/8", ourselves),       special("127.0.0.0/8", ourselves),  special("::/128", ourselves),
      special("::1/128", ourselves),         special("224.0.0.0/4", group),      special("240.0.0.0/4", group),
      special("ff00::/8", group),            special("10.0.0.0/8", private_use), special("172.16.0.0/12", private_use),
      special("192.168.0.0/16", private_use), special("100.64.0.0/10", private_use), special("169.254.0.0/16", private_use),
      special("fc00::/7", private_use),      special("fe80::/10", private_use),
  };
  return networks;
}

/// Behind the prefixes of IPv4-compatible addresses, of NAT64 and of 6to4.
std::optional<IpAddress> carried_address(const IpAddress& address) {
  if (!address.is_v6()) return std::nullopt;
  static const Network compatible = *Network::parse("::/96");
  static const Network nat64 = *Network::parse("64:ff9b::/96");
  static const Network six_to_four = *Network::parse("2002::/16");
  const auto at = [&](std::size_t first) {
    const auto& octets = address.octets();
    return IpAddress::v4({octets[first], octets[first + 1], octets[first + 2], octets[first + 3]});
  };
  if (compatible.contains(address) || nat64.contains(address)) return at(12);
  if (six_to_four.contains(address)) return at(2);
  return std::nullopt;
}

bool holds(const std::vector<IpAddress>& addresses, const IpAddress& address) {
  return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

}  // namespace

AddressKind kind_of(const IpAddress& address, const MachineAddresses& machine) {
  if (holds(machine.own, address)) return AddressKind::ourselves;
  if (holds(machine.broadcast, address)) return AddressKind::group;
  for (const auto& [network, kind] : special_networks()) {
    if (network.contains(address)) return kind;
  }
  const auto carried = carried_address(address);
  return carried ? kind_of(*carried, machine) : AddressKind::ordinary;
}

std::optional<smtp::Outcome> refusal(const std::string& host, const IpAddress& address, const MachineAddresses& machine,
                                     config::LocalAddresses setting, const std::string& next_hop) {
  if (setting == config::LocalAddresses::yes) return std::nullopt;
  const AddressKind kind = kind_of(address, machine);
  if (kind == AddressKind::ordinary) return std::nullopt;
  if (kind == AddressKind::private_use && setting == config::LocalAddresses::private_too) return std::nullopt;
  smtp::Outcome outcome;
  outcome.fate = smtp::Fate::failed;
  outcome.status = {5, 4, static_cast<std::uint16_t>(kind == AddressKind::ourselves ? 6 : 4)};
  outcome.detail = host + "[" + address.text() + "] ";
  switch (kind) {
    case AddressKind::ourselves: outcome.detail += "is this machine itself: mail loops back"; break;
    case AddressKind::group: outcome.detail += "is not the address of a host"; break;
    case AddressKind::ordinary:
    case AddressKind::private_use: outcome.detail += "is an address of a private network"; break;
  }
  outcome.detail += " (`local-addresses ";
  outcome.detail += setting == config::LocalAddresses::no ? "no" : "private";
  outcome.detail += "` of next-hop " + next_hop + ")";
  return outcome;
}

}  // namespace adieu::route
