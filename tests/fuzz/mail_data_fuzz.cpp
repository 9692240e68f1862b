// Mail data decodes the same however it is divided; what comes out has no lone CR or LF; what went through the encoder comes back.
#include <cstdlib>

#include "adieu/protocol/smtp/mail_data.h"

namespace {
using namespace adieu::smtp;

struct Decoded {
  std::string out;
  std::size_t consumed = 0;
  bool complete = false;
  bool bare = false;
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
  return result;
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
    if (whole != decode(wire, block, framing) || has_lone_newline(whole.out)) std::abort();
    if (framing == Framing::dot && whole.complete && !whole.bare && !std::string_view(wire.substr(0, whole.consumed)).ends_with(".\r\n")) std::abort();
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
