// Mailboxes and paths of the SMTP envelope: RFC 5321 section 4.1.2. Not the addresses of message headers (RFC 5322).
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace adieu::mail {

/// A mailbox as it stands in a path. The local-part is kept exactly as it was written (quotes too), since only its own
/// domain may interpret it; the domain is a name or an address literal with its brackets. Two special values: the null
/// reverse-path `<>` has neither; `<Postmaster>` (section 4.5.1) has no domain.
struct Mailbox {
  std::string local_part;
  std::string domain;

  bool is_null() const { return local_part.empty() && domain.empty(); }
  bool is_literal() const { return !domain.empty() && domain.front() == '['; }
  /// Without angle brackets; empty for the null reverse-path.
  std::string text() const { return domain.empty() ? local_part : local_part + "@" + domain; }
  auto operator<=>(const Mailbox&) const = default;
};

/// RFC 5321 section 4.5.3.1.2: octets. The limits of local-part and path (64 and 256) are those that everybody has to take at least; VERP and
/// SRS addresses exceed them daily, so here only the length of a command line bounds them, as that section wishes.
inline constexpr std::size_t kMaxDomain = 255;

/// A Mailbox by the grammar of section 4.1.2 ("Local-part@Domain"), without brackets; none where it is not one or its domain exceeds the
/// limit above. For text from the policy file and the command line; commands are parsed by smtp::command::parse.
std::optional<Mailbox> parse_mailbox(std::string_view text);
/// A Domain of section 4.1.2, that is a host name; not an address literal.
bool is_domain(std::string_view text);

}  // namespace adieu::mail
