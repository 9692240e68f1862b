// See interpreter.h: what the whole file must offer to others: a postmaster, and as many connections as are set aside.
#include <algorithm>
#include <numeric>
#include <utility>

#include "adieu/base/bytes.h"
#include "adieu/relay/access/limits.h"
#include "relay/config/interpreter.h"

namespace adieu::config {
namespace {

bool holds(const DomainSet& set, std::string_view domain) {
  return std::any_of(set.patterns.begin(), set.patterns.end(), [&](const std::string& pattern) {
    return pattern.starts_with("*.") ? domain.ends_with(std::string_view(pattern).substr(1)) : domain == pattern;
  });
}

/// Some `relay` rule takes mail there, from whomever.
bool leads_to(const Config& config, std::string_view domain) {
  return std::any_of(config.rules.begin(), config.rules.end(), [&](const Rule& rule) {
    if (!std::holds_alternative<RelayVia>(rule.action)) return false;
    const auto* to = std::get_if<ToDomains>(&rule.to);
    if (to == nullptr) return true;
    const auto set = std::find_if(config.domains.begin(), config.domains.end(), [&](const DomainSet& each) { return each.name == to->domains; });
    return set != config.domains.end() && holds(*set, domain);
  });
}

}  // namespace

/// The statement of that name, or in a block of that name the setting; null where it is not given.
std::optional<Interpreter::Placed> Interpreter::find(std::string_view statement, std::string_view setting) const {
  for (const Placed& placed : statements_) {
    if (word(placed, 0) != statement) continue;
    if (setting.empty()) return placed;
    for (const Statement& inner : placed.statement->block) {
      const Placed each{placed.source, &inner};
      if (word(each, 0) == setting) return each;
    }
  }
  return std::nullopt;
}

void Interpreter::check_postmaster() {
  // A rule whose mistake was told may be the one that leads there.
  const auto rules = std::count_if(statements_.begin(), statements_.end(), [&](const Placed& placed) {
    return word(placed, 0) == "relay" || word(placed, 0) == "reject";
  });
  if (incomplete_ || !mistaken_.empty() || meant_.contains("relay") || static_cast<std::size_t>(rules) != config_.rules.size()) return;
  if (!config_.postmaster || leads_to(config_, to_ascii_lower(config_.postmaster->domain))) return;
  if (const auto placed = find("postmaster")) report(*placed, 1, "there is no `relay` rule that leads to this mailbox");
}

void Interpreter::check_shares() {
  const access::ConnectionShares shares = access::shares_of(config_);
  const std::size_t set_aside = std::accumulate(shares.listeners.begin(), shares.listeners.end(), shares.trusted);
  if (set_aside < shares.total) return;
  for (const auto& [block, setting] : {std::pair("limits", "trusted-connections"), std::pair("listen", "reserved-connections")}) {
    const auto placed = find(block, setting);
    if (!placed) continue;
    report(*placed, 1, "of " + std::to_string(shares.total) + " `connections`, " + std::to_string(set_aside) + " are set aside, which leaves none for anybody else");
    return;
  }
}

}  // namespace adieu::config
