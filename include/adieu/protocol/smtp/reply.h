// SMTP replies as values: RFC 5321 section 4.2, with enhanced status codes of RFC 3463 and RFC 2034.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace adieu::smtp {

/// "5.7.1"; all zero where a reply carries none (greeting, EHLO, HELO, 354).
struct EnhancedStatus {
  std::uint16_t class_ = 0;
  std::uint16_t subject = 0;
  std::uint16_t detail = 0;

  bool none() const { return class_ == 0; }
  std::string text() const;
  auto operator<=>(const EnhancedStatus&) const = default;
};

/// One reply, of one line or several. `text` has no CR; a LF divides lines, and the status code is repeated in each.
struct Reply {
  std::uint16_t code = 0;
  EnhancedStatus status;
  std::string text;

  bool positive() const { return code >= 200 && code < 300; }
  bool intermediate() const { return code >= 300 && code < 400; }
  bool transient() const { return code >= 400 && code < 500; }
  bool permanent() const { return code >= 500 && code < 600; }
  /// As it goes out, lines with CRLF, each at most 512 octets (section 4.5.3.1.5): "250-2.1.0 a\r\n250 2.1.0 b\r\n".
  std::string wire() const;
  /// On one line for logs and status notifications: "550 5.7.1 relaying denied", printable, lines joined by a space.
  std::string line() const;
  bool operator==(const Reply&) const = default;
};

}  // namespace adieu::smtp
