// Content-Transfer-Encodings of RFC 2045 section 6 as streams, and whether octets are UTF-8 (RFC 3629). Encoders only: a relay never decodes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "adieu/base/bytes.h"

namespace adieu::mail {

inline bool is_eight_bit(char c) { return static_cast<unsigned char>(c) >= 0x80; }

/// "=E9": an octet as quoted-printable and encoded words write it.
void append_hex(char octet, char mark, std::string& out);

/// Section 6.7: lines of at most 76 octets; a CRLF stays one, a space or tab is never last on its line. Fed in any division.
class QuotedPrintableEncoder {
 public:
  void encode(Octets text, std::string& out);
  void finish(std::string& out);

 private:
  void put(char c, bool literal, std::string& out);
  void put_blank(bool literal, std::string& out);

  std::size_t column_ = 0;
  bool soft_ = false;   // the line began behind a soft line break
  char blank_ = 0;      // a space or tab that may turn out to be the last of its line
  bool cr_ = false;
};

/// Section 6.8: lines of 76 octets, no CRLF behind the last. Fed in any division.
class Base64Encoder {
 public:
  void encode(Octets octets, std::string& out);
  void finish(std::string& out);

 private:
  void put(std::size_t octets, std::string& out);

  unsigned char group_[3] = {};
  std::size_t held_ = 0;
  std::size_t column_ = 0;
};

/// Fed in any division.
class Utf8Check {
 public:
  void feed(Octets octets);
  /// Whether all of it was well-formed.
  bool holds() const { return valid_ && more_ == 0; }

 private:
  bool valid_ = true;
  int more_ = 0;                 // octets that the character under way still has
  unsigned char lowest_ = 0x80;  // of the next of them
  unsigned char highest_ = 0xbf;
};

}  // namespace adieu::mail
