// Where a delivery connection goes to: a next hop, and for one that looks up mail exchangers the recipients' domain. The unit that is
// queued, limited and backed off from.
#pragma once

#include <compare>
#include <string>

namespace adieu::route {

struct Destination {
  std::string next_hop;  // its name in the policy file
  std::string domain;    // lower case; empty where the next hop is a host
  /// "smarthost", "internet/example.org".
  std::string text() const { return domain.empty() ? next_hop : next_hop + "/" + domain; }
  auto operator<=>(const Destination&) const = default;
};

}  // namespace adieu::route
