// See host_names.h.
#include "adieu/protocol/tls/host_names.h"

#include <algorithm>

#include "adieu/base/bytes.h"

namespace adieu::tls {
namespace {

constexpr std::size_t kNamesShown = 5;
constexpr std::size_t kOctetsShown = 64;

std::string_view without_final_dot(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

}  // namespace

bool is_name_of(std::string_view name_in_certificate, std::string_view host) {
  const std::string_view name = without_final_dot(name_in_certificate);
  host = without_final_dot(host);
  if (name.empty() || host.empty()) return false;
  if (name.find('*') == std::string_view::npos) return equal_ignoring_case(name, host);
  const std::string_view behind = name.substr(1);
  const bool is_wildcard = name.starts_with("*.") && behind.find('*') == std::string_view::npos && behind.find('.', 1) != std::string_view::npos;
  const std::size_t dot = host.find('.');
  return is_wildcard && dot != std::string_view::npos && dot != 0 && equal_ignoring_case(behind, host.substr(dot));
}

std::string_view without_brackets(std::string_view host) {
  if (!host.starts_with('[') || !host.ends_with(']')) return host;
  host = host.substr(1, host.size() - 2);
  constexpr std::string_view kTag = "IPv6:";
  if (host.size() > kTag.size() && equal_ignoring_case(host.substr(0, kTag.size()), kTag)) host.remove_prefix(kTag.size());
  return host;
}

std::string name_mismatch(std::string_view host, const std::vector<std::string>& names) {
  std::string text = "the certificate is not for " + printable(host, kOctetsShown) + ": ";
  if (names.empty()) return text + "it names no host";
  text += "it names ";
  for (std::size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) text += (i == 0 ? "" : ", ") + printable(names[i], kOctetsShown);
  if (names.size() > kNamesShown) text += " and " + std::to_string(names.size() - kNamesShown) + " more";
  return text;
}

}  // namespace adieu::tls
