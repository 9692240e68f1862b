// Mail data decodes the same however it is divided, in linear time; it ends at the first CRLF.CRLF and nowhere else; what comes out has no lone CR
// or LF and no NUL; what went through the encoder comes back. With its header section bounded it can stand behind a field of ours.
#include <algorithm>
#include <cstdlib>

#include "adieu/protocol/mail/header.h"
#include "adieu/protocol/smtp/mail_data.h"

namespace {
using namespace adieu::smtp;

struct Decoded {
  std::string out;
  std::size_t consumed = 0;
  bool complete = false;
  bool bare = false;
  bool nul = false;
  bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view wire, std::size_t block, Framing framing) {
  MailDataDecoder decoder(framing, 100);
  Decoded result;
  while (result.consumed < wire.size() && !decoder.complete()) {
    result.consumed += decoder.decode(wire.substr(result.consumed, block), result.out);
  }
  if (framing == Framing::chunks) decoder.finish(result.out);
  result.complete = decoder.complete();
  result.bare = decoder.saw_bare_newline();
  result.nul = decoder.saw_nul();
  if (decoder.examined() > 8 * result.consumed + 1024) std::abort();
  return result;
}

std::string bounded(std::string_view mail_data, std::size_t block) {
  adieu::mail::HeaderBoundary boundary;
  std::string all;
  for (std::size_t at = 0; at < mail_data.size(); at += block) {
    std::string part(mail_data.substr(at, block));
    boundary.feed(part);
    all += part;
  }
  boundary.finish(all);
  return all;
}

/// Every line up to the empty one, or to the last, is a field or continues one.
bool is_header_section(std::string_view text) {
  for (bool first = true; !text.empty() && !text.starts_with("\r\n"); first = false) {
    const std::string_view line = text.substr(0, text.find("\r\n"));
    const bool continues = line.starts_with(' ') || line.starts_with('\t');
    if (continues ? first : line.find(':') == std::string_view::npos || line.find(':') == 0) return false;
    text.remove_prefix(std::min(text.size(), line.size() + 2));
  }
  return true;
}

bool has_lone_newline(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) return true;
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] != '\n') return true;
  }
  return false;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view wire(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t block = 1 + data[0] % 32;
  for (const Framing framing : {Framing::dot, Framing::chunks}) {
    const Decoded whole = decode(wire, wire.size(), framing);
    if (whole != decode(wire, block, framing) || has_lone_newline(whole.out) || whole.out.find('\0') != std::string::npos) std::abort();
    if (framing == Framing::dot) {
      const std::size_t end = wire.find("\r\n.\r\n");
      const std::size_t behind = wire.starts_with(".\r\n") ? 3 : end == std::string_view::npos ? 0 : end + 5;  // 0: no end
      if (whole.complete != (behind != 0) || (whole.complete && whole.consumed != behind)) std::abort();
    }
    const std::string stored = bounded(whole.out, whole.out.size() + 1);
    if (stored != bounded(whole.out, block) || !is_header_section(stored)) std::abort();
    // Nothing but an empty line, or the name of a mailbox line's field, was added.
    constexpr std::string_view kMailboxLine = "X-Mailbox-Line: ";
    std::string without = stored;
    if (!whole.out.starts_with(kMailboxLine) && without.starts_with(kMailboxLine)) without.erase(0, kMailboxLine.size());
    if (without != whole.out) {
      const auto differs = std::mismatch(whole.out.begin(), whole.out.end(), without.begin(), without.end()).second;
      const auto at = static_cast<std::size_t>(differs - without.begin());
      if (without.size() != whole.out.size() + 2 || without.substr(at, 2) != "\r\n") std::abort();
    }
  }
  const Decoded lines = decode(wire, wire.size(), Framing::chunks);
  DotEncoder encoder;
  std::string encoded;
  for (std::size_t at = 0; at < lines.out.size(); at += block) encoder.encode(std::string_view(lines.out).substr(at, block), encoded);
  encoder.finish(encoded);
  const Decoded back = decode(encoded, encoded.size(), Framing::dot);
  const bool ends_line = lines.out.empty() || lines.out.ends_with("\r\n");
  if (!back.complete || back.consumed != encoded.size() || back.out != (ends_line ? lines.out : lines.out + "\r\n")) std::abort();
  return 0;
}
