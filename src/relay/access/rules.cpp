// See rules.h.
#include "adieu/relay/access/rules.h"

#include <algorithm>

#include "adieu/base/bytes.h"
#include "adieu/base/result.h"
#include "adieu/protocol/smtp/reply_catalog.h"

namespace adieu::access {
namespace {

template <class Sets>
int index_of(const Sets& sets, const std::string& name) {
  const auto found = std::find_if(sets.begin(), sets.end(), [&](const auto& set) { return set.name == name; });
  check(found != sets.end(), "a rule names only what the policy defines");
  return static_cast<int>(found - sets.begin());
}

bool routes_on(const std::string& local_part) { return local_part.find_first_of("%!@") != std::string::npos; }

}  // namespace

Rules::Rules(const config::Config& config) : hostname_(to_ascii_lower(config.hostname)), postmaster_(config.postmaster) {
  for (const config::NetworkSet& set : config.networks) networks_.push_back(set.networks);
  for (const config::DomainSet& set : config.domains) {
    Names names;
    for (const std::string& pattern : set.patterns) {
      names.emplace(pattern.starts_with("*.") ? pattern.substr(1) : pattern, true);
    }
    domains_.push_back(std::move(names));
  }
  for (const config::Rule& rule : config.rules) {
    Compiled compiled;
    if (const auto* from = std::get_if<config::FromNetwork>(&rule.from)) compiled.network = index_of(config.networks, from->network);
    if (const auto* to = std::get_if<config::ToDomains>(&rule.to)) compiled.domains = index_of(config.domains, to->domains);
    compiled.action = rule.action;
    rules_.push_back(std::move(compiled));
  }
}

bool Rules::contains(const Names& names, std::string_view domain) {
  if (names.contains(domain)) return true;
  for (std::size_t dot = domain.find('.'); dot != std::string_view::npos; dot = domain.find('.', dot + 1)) {
    if (names.contains(domain.substr(dot))) return true;
  }
  return false;
}

bool Rules::in_network(const Compiled& rule, const IpAddress& client) const {
  const auto& networks = networks_[static_cast<std::size_t>(rule.network)];
  return std::any_of(networks.begin(), networks.end(), [&](const Network& network) { return network.contains(client); });
}

bool Rules::trusts(const IpAddress& client) const {
  return std::any_of(rules_.begin(), rules_.end(), [&](const Compiled& rule) {
    return rule.network >= 0 && std::holds_alternative<config::RelayVia>(rule.action) && in_network(rule, client);
  });
}

std::string Rules::domain_of(const mail::Mailbox& forward_path) const {
  return forward_path.domain.empty() ? hostname_ : to_ascii_lower(forward_path.domain);
}

bool Rules::is_our_postmaster(const mail::Mailbox& forward_path, std::string_view domain) const {
  return postmaster_ && domain == hostname_ && equal_ignoring_case(forward_path.local_part, "postmaster");
}

Decision Rules::decide(const IpAddress& client, const mail::Mailbox& forward_path) const {
  const std::string domain = domain_of(forward_path);
  if (is_our_postmaster(forward_path, domain)) return decide_own(forward_path);
  for (const Compiled& rule : rules_) {
    if (rule.network >= 0 && !in_network(rule, client)) continue;
    if (rule.domains >= 0 && !contains(domains_[static_cast<std::size_t>(rule.domains)], domain)) continue;
    if (const auto* reject = std::get_if<config::RejectWith>(&rule.action)) return reject->reply;
    if (routes_on(forward_path.local_part) && !trusts(client)) return smtp::reply::relaying_denied();
    return Accepted{std::get<config::RelayVia>(rule.action).next_hop};
  }
  return smtp::reply::relaying_denied();
}

Decision Rules::decide_own(const mail::Mailbox& forward_path) const {
  const std::string domain = domain_of(forward_path);
  if (!is_our_postmaster(forward_path, domain)) return first_relay(domain, true);
  Decision decision = first_relay(domain_of(*postmaster_), false);
  if (auto* relay = std::get_if<Accepted>(&decision)) relay->instead = *postmaster_;
  return decision;
}

Decision Rules::first_relay(std::string_view domain, bool obeys_rejects) const {
  for (const Compiled& rule : rules_) {
    if (rule.domains >= 0 && !contains(domains_[static_cast<std::size_t>(rule.domains)], domain)) continue;
    if (const auto* relay = std::get_if<config::RelayVia>(&rule.action)) return Accepted{relay->next_hop};
    // A rule about a network is about clients; this mail has none.
    if (obeys_rejects && rule.network < 0) return std::get<config::RejectWith>(rule.action).reply;
  }
  return smtp::reply::relaying_denied();
}

}  // namespace adieu::access
