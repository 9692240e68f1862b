// What a server said it can do: the keywords of its reply to EHLO or LHLO, RFC 5321 section 4.1.1.1. For the client side.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "adieu/protocol/smtp/reply.h"

namespace adieu::smtp {

class ServerExtensions {
 public:
  /// None, as after HELO.
  ServerExtensions() = default;
  /// Of a positive reply to EHLO or LHLO.
  explicit ServerExtensions(const Reply& reply);

  bool has(std::string_view keyword) const { return find(keyword).has_value(); }
  /// The limit of RFC 1870; none where there is none.
  std::optional<std::uint64_t> size_limit() const;

 private:
  std::optional<std::string_view> find(std::string_view keyword) const;  // its parameters

  std::string lines_;  // divided by LF, the first is a greeting
};

}  // namespace adieu::smtp
