// See limits.h.
#include "adieu/relay/access/limits.h"

#include <algorithm>
#include <utility>

#include "adieu/base/result.h"

namespace adieu::access {
namespace {

constexpr int kCustomer = 64;
constexpr int kSite = 48;

/// Of an IPv6 address the first `bits`; an IPv4 address as it is.
IpAddress prefix(const IpAddress& address, int bits) {
  if (!address.is_v6()) return address;
  auto octets = address.octets();
  std::fill(octets.begin() + bits / 8, octets.end(), std::uint8_t{0});
  return IpAddress::v6(octets);
}

void count_down(std::map<IpAddress, std::size_t>& counts, const IpAddress& address) {
  const auto found = counts.find(address);
  check(found != counts.end(), "a connection is released once");
  if (--found->second == 0) counts.erase(found);
}

std::size_t count_of(const std::map<IpAddress, std::size_t>& counts, const IpAddress& address) {
  const auto found = counts.find(address);
  return found == counts.end() ? 0 : found->second;
}

}  // namespace

ConnectionShares shares_of(const config::Config& config) {
  const config::Limits& limits = config.limits;
  ConnectionShares shares{limits.connections, limits.connections_per_address, limits.connections_per_site};
  shares.newcomers = limits.connections / 10;
  const bool trusts_anybody = std::any_of(config.rules.begin(), config.rules.end(), [](const config::Rule& rule) {
    return std::holds_alternative<config::FromNetwork>(rule.from) && std::holds_alternative<config::RelayVia>(rule.action);
  });
  if (trusts_anybody) shares.trusted = limits.trusted_connections.value_or(limits.connections / 10);
  for (const config::Listener& listener : config.listeners) {
    shares.listeners.push_back(listener.reserved_connections.value_or(limits.connections / 10 / config.listeners.size()));
  }
  return shares;
}

std::string_view name(ConnectionRefusal refusal) {
  switch (refusal) {
    case ConnectionRefusal::total: return "connections";
    case ConnectionRefusal::client: return "connections-per-address";
    case ConnectionRefusal::site: return "connections-per-site";
  }
  return "unknown";
}

ConnectionLimits::ConnectionLimits(ConnectionShares shares, Trusts trusts) : shares_(std::move(shares)), trusts_(std::move(trusts)) {
  counts_.listeners.resize(shares_.listeners.size());
}

/// How many connections must stay free for others than a client of this kind.
std::size_t ConnectionLimits::set_aside(std::size_t listener, bool trusted, bool newcomer) const {
  const auto left = [](std::size_t share, std::size_t taken) { return share - std::min(share, taken); };
  std::size_t sum = trusted ? 0 : left(shares_.trusted, counts_.trusted);
  if (!trusted && !newcomer) sum += shares_.newcomers;
  for (std::size_t i = 0; i < shares_.listeners.size(); ++i) {
    if (i != listener) sum += left(shares_.listeners[i], counts_.listeners[i]);
  }
  return sum;
}

std::optional<ConnectionRefusal> ConnectionLimits::admit(const IpAddress& address, std::size_t listener) {
  check(listener < shares_.listeners.size(), "a listener has its share");
  const bool trusted = trusts(address);
  const IpAddress client = prefix(address, kCustomer);
  const IpAddress site = prefix(address, kSite);
  const std::lock_guard lock(mutex_);
  const std::size_t has = count_of(clients_, client);
  if (has >= shares_.per_client) return ConnectionRefusal::client;
  const bool of_a_site = address.is_v6() && !trusted;
  if (of_a_site && count_of(sites_, site) >= shares_.per_site) return ConnectionRefusal::site;
  if (counts_.all + set_aside(listener, trusted, has == 0) >= shares_.total) return ConnectionRefusal::total;
  ++clients_[client];
  if (of_a_site) ++sites_[site];
  ++counts_.all;
  ++counts_.listeners[listener];
  if (trusted) ++counts_.trusted;
  return std::nullopt;
}

void ConnectionLimits::release(const IpAddress& address, std::size_t listener) {
  const bool trusted = trusts(address);
  const std::lock_guard lock(mutex_);
  count_down(clients_, prefix(address, kCustomer));
  if (address.is_v6() && !trusted) count_down(sites_, prefix(address, kSite));
  --counts_.all;
  --counts_.listeners[listener];
  if (trusted) --counts_.trusted;
}

}  // namespace adieu::access
