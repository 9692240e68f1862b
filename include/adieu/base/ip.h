// IP addresses, endpoints and networks as values: parsed, printed, compared. No sockets here.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace adieu {

/// An IPv4 or IPv6 address, in network byte order (IPv4: the first four octets). An IPv4-mapped IPv6 address
/// (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2) is held as the IPv4 address that it means, so that no rule can be slipped past.
class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  static IpAddress v4(std::array<std::uint8_t, 4> octets);
  static IpAddress v6(std::array<std::uint8_t, 16> octets);
  /// "192.0.2.1", "2001:db8::1"; no brackets, no zone.
  static std::optional<IpAddress> parse(std::string_view text);

  bool is_v6() const { return v6_; }
  const std::array<std::uint8_t, 16>& octets() const { return octets_; }
  int bits() const { return v6_ ? 128 : 32; }
  bool is_loopback() const;
  /// RFC 5952 for IPv6.
  std::string text() const;
  /// As an SMTP address literal (RFC 5321 section 4.1.3): "[192.0.2.1]", "[IPv6:2001:db8::1]".
  std::string literal() const;
  auto operator<=>(const IpAddress&) const = default;

 private:
  bool v6_ = false;
  std::array<std::uint8_t, 16> octets_{};
};

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  /// "127.0.0.1:25", "[::1]:25".
  static std::optional<Endpoint> parse(std::string_view text);
  std::string text() const;
  auto operator<=>(const Endpoint&) const = default;
};

/// A network in CIDR notation; an address without a length is itself alone. Bits behind the length must be zero.
class Network {
 public:
  static std::optional<Network> parse(std::string_view text);
  Network(IpAddress address, int length) : address_(address), length_(length) {}
  bool contains(const IpAddress& address) const;
  const IpAddress& address() const { return address_; }
  int length() const { return length_; }
  std::string text() const;
  auto operator<=>(const Network&) const = default;

 private:
  IpAddress address_;
  int length_ = 0;
};

}  // namespace adieu
