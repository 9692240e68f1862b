// See server_extensions.h.
#include "protocol/smtp/server_extensions.h"

#include <charconv>

#include "adieu/base/bytes.h"

namespace adieu::smtp {

ServerExtensions::ServerExtensions(const Reply& reply) : lines_(reply.text) {}

std::optional<std::string_view> ServerExtensions::find(std::string_view keyword) const {
  std::string_view rest = lines_;
  for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    rest.remove_prefix(end + 1);
    const std::string_view line = rest.substr(0, rest.find('\n'));
    const std::size_t word = line.find(' ');
    if (!equal_ignoring_case(line.substr(0, word), keyword)) continue;
    return word == std::string_view::npos ? std::string_view() : line.substr(word + 1);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> ServerExtensions::size_limit() const {
  const auto parameter = find("SIZE");
  std::uint64_t limit = 0;
  if (!parameter) return std::nullopt;
  const auto [end, error] = std::from_chars(parameter->data(), parameter->data() + parameter->size(), limit);
  if (error != std::errc() || limit == 0) return std::nullopt;  // 0: no fixed maximum (RFC 1870 section 4)
  return limit;
}

}  // namespace adieu::smtp
