// See host_names.h.
#include "adieu/relay/route/host_names.h"

#include "adieu/base/bytes.h"

namespace adieu::route {
namespace {
constexpr std::string_view kTag = "IPv6:";
constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxName = 253;  // 255 octets on the wire, where each label has its length in front and the root stands behind
}  // namespace

std::optional<IpAddress> literal_address(std::string_view domain) {
  if (domain.size() < 2 || domain.front() != '[' || domain.back() != ']') return std::nullopt;
  std::string_view inner = domain.substr(1, domain.size() - 2);
  const bool tagged = equal_ignoring_case(inner.substr(0, kTag.size()), kTag);
  if (tagged) inner.remove_prefix(kTag.size());
  if (tagged != (inner.find(':') != std::string_view::npos)) return std::nullopt;
  return IpAddress::parse(inner);
}

std::string_view name_fault(std::string_view name) {
  if (name.size() > kMaxName) return "the name has more than 253 octets";
  while (true) {
    const std::size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (label.empty()) return "a label of the name is empty";
    if (label.size() > kMaxLabel) return "a label of the name has more than 63 octets";
    if (dot == std::string_view::npos) return {};
    name.remove_prefix(dot + 1);
  }
}

}  // namespace adieu::route
