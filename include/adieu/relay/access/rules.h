// Who may relay what, where to: the `relay` and `reject` rules of the policy file, in their order, for one recipient at a time.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "adieu/base/ip.h"
#include "adieu/protocol/mail/address.h"
#include "adieu/relay/config/config.h"

namespace adieu::access {

struct Accepted {
  std::string next_hop;                       // its name in the policy file
  std::optional<mail::Mailbox> instead{};     // the mailbox that mail to postmaster goes to
};
using Decision = std::variant<Accepted, smtp::Reply>;

/// Immutable; may be used from any thread.
class Rules {
 public:
  /// Every name that a rule of `config` uses is defined there.
  explicit Rules(const config::Config& config);

  /// The first rule that matches decides; where none does, 550 5.7.1. A recipient of a client that is not trusted whose local-part would route
  /// on beyond its domain (user%other, other!user, "user@other") gets 550 5.7.1 too: it is an old way to slip past a rule about domains.
  /// `<Postmaster>` without a domain is postmaster at this host (RFC 5321 section 4.5.1). Where the policy names a postmaster, both are taken
  /// from everybody, whatever the rules say, and go to that mailbox.
  Decision decide(const IpAddress& client, const mail::Mailbox& forward_path) const;
  /// For mail that the relay itself writes: the first `relay` whose `to` matches, whoever it is `from`, unless a `reject from any` that matches comes first.
  Decision decide_own(const mail::Mailbox& forward_path) const;
  /// Whether some rule relays mail for this client because of its network: a rule that rejects is no sign of trust.
  bool trusts(const IpAddress& client) const;

 private:
  struct Compiled {
    int network = -1;  // index into networks_; -1: any client
    int domains = -1;  // index into domains_; -1: any recipient
    std::variant<config::RelayVia, config::RejectWith> action;
  };
  /// Names as keys: "example.org" for itself, ".example.org" for all below it.
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Names = std::unordered_map<std::string, bool, Hash, std::equal_to<>>;

  static bool contains(const Names& names, std::string_view domain);
  bool in_network(const Compiled& rule, const IpAddress& client) const;
  bool is_our_postmaster(const mail::Mailbox& forward_path, std::string_view domain) const;
  std::string domain_of(const mail::Mailbox& forward_path) const;
  Decision first_relay(std::string_view domain, bool obeys_rejects) const;

  std::string hostname_;
  std::optional<mail::Mailbox> postmaster_;
  std::vector<std::vector<Network>> networks_;
  std::vector<Names> domains_;
  std::vector<Compiled> rules_;
};

}  // namespace adieu::access
