// See message.h.
#include "adieu/relay/spool/message.h"

#include "adieu/base/bytes.h"

namespace adieu::spool {
namespace {
constexpr std::string_view kDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";  // Crockford: no I, L, O, U
constexpr std::size_t kLength = 13;
}  // namespace

std::string MessageId::text() const {
  std::string text(kLength, '0');
  std::uint64_t rest = value;
  for (std::size_t i = kLength; i-- != 0; rest >>= 5) text[i] = kDigits[rest & 31];
  return text;
}

std::optional<MessageId> MessageId::parse(std::string_view text) {
  if (text.size() != kLength) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    const char upper = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    const std::size_t digit = kDigits.find(upper);
    if (digit == std::string_view::npos || value > (~std::uint64_t{0} >> 5)) return std::nullopt;
    value = value << 5 | digit;
  }
  return MessageId{value};
}

}  // namespace adieu::spool
