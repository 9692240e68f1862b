// See transfer_encoding.h.
#include "protocol/mail/transfer_encoding.h"

#include <algorithm>

namespace adieu::mail {
namespace {
constexpr std::size_t kLine = 76;
}  // namespace

void append_hex(char octet, char mark, std::string& out) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  const auto value = static_cast<unsigned char>(octet);
  out += {mark, kHex[value >> 4], kHex[value & 15]};
}

void QuotedPrintableEncoder::put(char c, bool literal, std::string& out) {
  // One column is left for the "=" of a soft line break.
  if (column_ + (literal ? 1 : 3) > kLine - 1) {
    out += "=\r\n";
    column_ = 0;
    soft_ = true;
  }
  // A line that is of our making must not look like a delimiter of a multipart around it.
  if (column_ == 0 && soft_ && c == '-') literal = false;
  if (literal) {
    out += c;
  } else {
    append_hex(c, '=', out);
  }
  column_ += literal ? 1 : 3;
}

void QuotedPrintableEncoder::put_blank(bool literal, std::string& out) {
  if (blank_ != 0) put(blank_, literal, out);
  blank_ = 0;
}

void QuotedPrintableEncoder::encode(Octets text, std::string& out) {
  for (const char c : text) {
    if (cr_ && c == '\n') {
      put_blank(false, out);
      out += "\r\n";
      column_ = 0;
      cr_ = soft_ = false;
      continue;
    }
    if (cr_) {
      put_blank(true, out);
      put('\r', false, out);
      cr_ = false;
    }
    if (c == '\r') {
      cr_ = true;
      continue;
    }
    put_blank(true, out);
    if (c == ' ' || c == '\t') {
      blank_ = c;
    } else {
      put(c, c > ' ' && c < 0x7f && c != '=', out);
    }
  }
}

void QuotedPrintableEncoder::finish(std::string& out) {
  put_blank(false, out);
  if (cr_) put('\r', false, out);
  cr_ = false;
}

void Base64Encoder::put(std::size_t octets, std::string& out) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (column_ == kLine) {
    out += "\r\n";
    column_ = 0;
  }
  const unsigned value = static_cast<unsigned>(group_[0] << 16 | group_[1] << 8 | group_[2]);
  for (std::size_t i = 0; i < 4; ++i) out += i <= octets ? kDigits[value >> (18 - 6 * i) & 63] : '=';
  column_ += 4;
}

void Base64Encoder::encode(Octets octets, std::string& out) {
  for (const char c : octets) {
    group_[held_++] = static_cast<unsigned char>(c);
    if (held_ != 3) continue;
    put(3, out);
    held_ = 0;
  }
}

void Base64Encoder::finish(std::string& out) {
  if (held_ == 0) return;
  std::fill(group_ + held_, group_ + 3, 0);
  put(held_, out);
  held_ = 0;
}

void Utf8Check::feed(Octets octets) {
  if (!valid_) return;
  for (const char c : octets) {
    const auto octet = static_cast<unsigned char>(c);
    if (more_ != 0) {
      valid_ = octet >= lowest_ && octet <= highest_;
      --more_;
      lowest_ = 0x80;
      highest_ = 0xbf;
    } else if (octet >= 0x80) {
      // Section 4: neither overlong forms, nor surrogates, nor what lies beyond U+10FFFF.
      valid_ = octet >= 0xc2 && octet <= 0xf4;
      more_ = octet >= 0xf0 ? 3 : octet >= 0xe0 ? 2 : 1;
      if (octet == 0xe0) lowest_ = 0xa0;
      if (octet == 0xed) highest_ = 0x9f;
      if (octet == 0xf0) lowest_ = 0x90;
      if (octet == 0xf4) highest_ = 0x8f;
    }
    if (!valid_) return;
  }
}

}  // namespace adieu::mail
