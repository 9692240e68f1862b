// See ip.h.
#include "adieu/base/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace adieu {
namespace {
template <class Number>
std::optional<Number> number(std::string_view text, unsigned long limit) {
  unsigned long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value > limit) return std::nullopt;
  return static_cast<Number>(value);
}
}  // namespace

IpAddress IpAddress::v4(std::array<std::uint8_t, 4> octets) {
  IpAddress address;
  std::copy(octets.begin(), octets.end(), address.octets_.begin());
  return address;
}

IpAddress IpAddress::v6(std::array<std::uint8_t, 16> octets) {
  static constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(kMapped.begin(), kMapped.end(), octets.begin())) return v4({octets[12], octets[13], octets[14], octets[15]});
  IpAddress address;
  address.v6_ = true;
  address.octets_ = octets;
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string copy(text);
  if (copy.size() != text.size() || copy.find('\0') != std::string::npos) return std::nullopt;
  std::array<std::uint8_t, 16> octets{};
  if (inet_pton(AF_INET, copy.c_str(), octets.data()) == 1) return v4({octets[0], octets[1], octets[2], octets[3]});
  if (inet_pton(AF_INET6, copy.c_str(), octets.data()) == 1) return v6(octets);
  return std::nullopt;
}

bool IpAddress::is_loopback() const {
  if (!v6_) return octets_[0] == 127;
  return std::all_of(octets_.begin(), octets_.end() - 1, [](auto octet) { return octet == 0; }) && octets_[15] == 1;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(v6_ ? AF_INET6 : AF_INET, octets_.data(), text.data(), text.size());
  return text.data();
}

std::string IpAddress::literal() const { return (v6_ ? "[IPv6:" : "[") + text() + "]"; }

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  const auto port = number<std::uint16_t>(text.substr(colon + 1), 65535);
  // Brackets belong to IPv6 and to nothing else: "::1:25" would be ambiguous.
  if (!address || !port || bracketed != (host.find(':') != std::string_view::npos)) return std::nullopt;
  return Endpoint{*address, *port};
}

std::string Endpoint::text() const {
  return (address.is_v6() ? "[" + address.text() + "]" : address.text()) + ":" + std::to_string(port);
}

std::optional<Network> Network::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return Network(*address, address->bits());
  const auto length = number<int>(text.substr(slash + 1), static_cast<unsigned long>(address->bits()));
  if (!length) return std::nullopt;
  for (int bit = *length; bit < address->bits(); ++bit) {
    if ((address->octets()[static_cast<std::size_t>(bit / 8)] >> (7 - bit % 8)) & 1) return std::nullopt;
  }
  return Network(*address, *length);
}

bool Network::contains(const IpAddress& address) const {
  if (address.is_v6() != address_.is_v6()) return false;
  const auto& left = address.octets();
  const auto& right = address_.octets();
  const auto whole = static_cast<std::size_t>(length_ / 8);
  if (!std::equal(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(whole), right.begin())) return false;
  const int rest = length_ % 8;
  return rest == 0 || (left[whole] >> (8 - rest)) == (right[whole] >> (8 - rest));
}

std::string Network::text() const {
  return length_ == address_.bits() ? address_.text() : address_.text() + "/" + std::to_string(length_);
}

}  // namespace adieu
