// Mail data that can be converted comes out in ASCII, the same in any division, with the same parts in it: each says the same when it is decoded.
// Mail data that is ASCII comes out as it was. Lines end with CRLF, and get no longer than SMTP lets them unless they nearly were.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "adieu/protocol/mail/seven_bit.h"
#include "adieu/protocol/smtp/mail_data.h"
#include "protocol/mail/mime_walker.h"

namespace {
using namespace adieu;
using namespace adieu::mail;

constexpr std::size_t kLongestLine = 998;  // RFC 5321 section 4.5.3.1.6, without its CRLF
constexpr std::size_t kShortLine = 300;    // "=E9" is three times as long as what it stands for

void require(bool condition) {
  if (!condition) std::abort();
}

template <class Feed>
void divided(Octets all, std::size_t block, Feed feed) {
  for (; !all.empty(); all.remove_prefix(std::min(block, all.size()))) feed(all.substr(0, block));
}

SevenBitPlan scan(Octets mail_data, std::size_t block) {
  EightBitScan scan;
  divided(mail_data, block, [&](Octets part) { scan.feed(part); });
  return std::move(scan).finish();
}

std::string convert(Octets mail_data, SevenBitPlan plan, std::size_t block) {
  SevenBitConverter converter(std::move(plan));
  std::string out;
  divided(mail_data, block, [&](Octets part) { converter.convert(part, out); });
  converter.finish(out);
  return out;
}

/// RFC 2045 section 6.7: soft line breaks and blanks at the end of a line are gone, what is malformed stays.
std::string decode_quoted_printable(Octets text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  std::size_t kept = 0;  // blanks behind this may be the last of their line
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool line_ends = text.substr(i, 2) == "\r\n";
    if (line_ends) out.resize(std::max(kept, out.find_last_not_of(" \t") + 1));
    const std::size_t high = i + 2 < text.size() ? kHex.find(text[i + 1]) : Octets::npos;
    const std::size_t low = i + 2 < text.size() ? kHex.find(text[i + 2]) : Octets::npos;
    if (text[i] == '=' && text.substr(i + 1, 2) == "\r\n") {
      i += 2;
      kept = out.size();
    } else if (text[i] == '=' && high != Octets::npos && low != Octets::npos) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
      kept = out.size();
    } else {
      out += text[i];
      if (text[i] != ' ' && text[i] != '\t') kept = out.size();
    }
  }
  return out;
}

/// RFC 2045 section 6.8: what is not of the alphabet is passed over.
std::string decode_base64(Octets text) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned value = 0;
  int bits = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) continue;
    value = (value << 6 | static_cast<unsigned>(digit)) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(value >> bits);
  }
  return out;
}

/// The type of each part, and its body as a reader gets it.
struct Parts final : MimeVisitor {
  std::vector<std::pair<std::string, std::string>> all;
  MimeEntity entity;
  std::string text;

  void header_field(Octets) override {}
  void header_end(const MimeEntity& the_entity, Octets) override {
    entity = the_entity;
    all.emplace_back(entity.type, std::string());
  }
  void body(Octets octets) override { text += octets; }
  void body_end() override {
    all.back().second = entity.encoding == "quoted-printable" ? decode_quoted_printable(text) : entity.encoding == "base64" ? decode_base64(text) : text;
    text.clear();
  }
  void between(Octets, bool) override {}
};

std::vector<std::pair<std::string, std::string>> parts_of(Octets mail_data) {
  Parts parts;
  MimeWalker walker(parts);
  walker.feed(mail_data);
  walker.finish();
  require(walker.fault().empty());
  return std::move(parts.all);
}

/// None has a lone CR or LF: the length of the longest.
std::size_t longest_line(Octets text) {
  std::size_t longest = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
    longest = std::max(longest, end);
    text.remove_prefix(end);
    require(text.empty() || text.starts_with("\r\n"));
    text.remove_prefix(std::min<std::size_t>(2, text.size()));
  }
  return longest;
}

std::string tried(Octets mail_data, std::size_t block) {
  const SevenBitPlan plan = scan(mail_data, ~std::size_t{0});
  const SevenBitPlan other = scan(mail_data, block);
  require(plan.refusal == other.refusal && plan.eight_bit == other.eight_bit && plan.breaks_dkim == other.breaks_dkim);
  require(plan.eight_bit == has_eight_bit(mail_data));
  if (!plan.refusal.empty()) return {};
  std::string out = convert(mail_data, plan, ~std::size_t{0});
  require(out == convert(mail_data, other, block));
  require(!has_eight_bit(out));
  require(plan.eight_bit || out == mail_data);
  return out;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Octets octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t block = 1 + data[0] % 32;
  tried(octets, block);
  // As the spool holds it: no lone CR or LF, and lines have their end.
  smtp::MailDataDecoder decoder(smtp::Framing::chunks, size + 2);
  std::string mail_data;
  decoder.decode(octets, mail_data);
  decoder.finish(mail_data);
  if (!mail_data.ends_with("\r\n")) mail_data += "\r\n";
  const std::string out = tried(mail_data, block);
  if (out.empty()) return 0;
  require(out.ends_with("\r\n"));
  require(longest_line(mail_data) > kShortLine || longest_line(out) <= kLongestLine);
  // "*" stands for octets beyond ASCII outside of all parts; a boundary that has one may be made of it.
  if (mail_data.find('*') == std::string::npos) require(parts_of(out) == parts_of(mail_data));
  return 0;
}
