// Where a delivery connection goes to: a next hop, and for one that looks up mail exchangers the recipients' domain. The unit that is
// queued, limited and backed off from.
#pragma once

#include <compare>
#include <string>

namespace adieu::route {

struct Destination {
  std::string next_hop;  // its name in the policy file
  std::string domain;    // lower case; empty where the next hop is a host
  /// The exchanger that deferred what goes here in this same attempt: only those that are no better than it are tried, and not it again (RFC 5321
  /// section 5.1). Empty for all that has not been tried yet.
  std::string after{};

  /// Where mail that all exchangers have deferred waits for its next attempt.
  Destination anew() const { return {next_hop, domain, {}}; }
  /// "smarthost", "internet/example.org".
  std::string text() const { return domain.empty() ? next_hop : next_hop + "/" + domain; }
  auto operator<=>(const Destination&) const = default;
};

}  // namespace adieu::route
