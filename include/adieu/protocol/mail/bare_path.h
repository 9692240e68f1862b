// A path, or a Message-ID, as people write it: with angle brackets or without.
#pragma once

#include <string_view>

namespace adieu::mail {

/// "<a@example.org>" and "a@example.org" alike without the brackets; "<>" is empty.
inline std::string_view bare_path(std::string_view text) {
  if (text.starts_with('<') && text.ends_with('>')) return text.substr(1, text.size() - 2);
  return text;
}

}  // namespace adieu::mail
