// See interpreter.h: what only the whole policy can tell: what is missing, which rules can never match, and whether it is an open relay.
#include <algorithm>

#include "adieu/base/bytes.h"
#include "adieu/protocol/mail/address.h"
#include "relay/config/interpreter.h"

namespace adieu::config {
namespace {

// Whoever lets in more than this part of the public addresses lets in strangers: no site has as many of its own.
constexpr double kOpenShare = 1.0 / 16;
constexpr std::size_t kMaxLabel = 63;  // RFC 1035 section 2.3.4

/// The sets that the rules of a policy name, each made once.
class Sets {
 public:
  explicit Sets(const Config& config) {
    for (const NetworkSet& set : config.networks) networks_.emplace(set.name, AddressSet(set.networks));
    for (const DomainSet& set : config.domains) domains_.emplace(set.name, DomainCover(set.patterns));
  }
  /// False where a mistake in one of its sets was told, or where the set itself is missing.
  bool known(const Rule& rule, const std::set<std::string>& mistaken) const {
    const auto* network = std::get_if<FromNetwork>(&rule.from);
    const auto* domains = std::get_if<ToDomains>(&rule.to);
    return (network == nullptr || (networks_.contains(network->network) && !mistaken.contains("network " + network->network))) &&
           (domains == nullptr || (domains_.contains(domains->domains) && !mistaken.contains("domains " + domains->domains)));
  }
  const AddressSet& from(const Rule& rule) const {
    const auto* network = std::get_if<FromNetwork>(&rule.from);
    return network != nullptr ? networks_.at(network->network) : all_addresses_;
  }
  const DomainCover& to(const Rule& rule) const {
    const auto* domains = std::get_if<ToDomains>(&rule.to);
    return domains != nullptr ? domains_.at(domains->domains) : all_domains_;
  }

 private:
  std::map<std::string, AddressSet> networks_;
  std::map<std::string, DomainCover> domains_;
  const AddressSet all_addresses_ = AddressSet::all();
  const DomainCover all_domains_ = DomainCover::all();
};

/// The earlier rules that leave nothing for the rule at `index`: one, or several together; empty where something is left.
std::vector<const Rule*> hiding(const std::vector<const Rule*>& rules, std::size_t index, const Sets& sets) {
  const AddressSet& from = sets.from(*rules[index]);
  const DomainCover& to = sets.to(*rules[index]);
  std::vector<const Rule*> same_to, same_from;
  AddressSet addresses;
  DomainCover domains;
  for (std::size_t i = 0; i < index; ++i) {
    const AddressSet& earlier_from = sets.from(*rules[i]);
    const DomainCover& earlier_to = sets.to(*rules[i]);
    const bool all_from = earlier_from.includes(from);
    const bool all_to = earlier_to.includes(to);
    if (all_from && all_to) return {rules[i]};
    if (all_to && earlier_from.overlaps(from)) {
      addresses.add(earlier_from);
      same_to.push_back(rules[i]);
    }
    if (all_from && earlier_to.overlaps(to)) {
      domains.add(earlier_to);
      same_from.push_back(rules[i]);
    }
  }
  if (addresses.includes(from)) return same_to;
  if (domains.includes(to)) return same_from;
  return {};
}

}  // namespace

void Interpreter::check_whole() {
  check_postmaster();
  check_shares();
  const Position whole{sources_.front()->name, 1, 1};
  for (const Setting& row : settings()) {
    if (!row.block.empty() || !row.required || incomplete_ || meant_.contains(std::string(row.name))) continue;
    const bool found = std::any_of(statements_.begin(), statements_.end(), [&](const Placed& placed) { return word(placed, 0) == row.name; });
    if (!found) report_at(whole, "the file needs a `" + std::string(row.name) + "` statement: " + std::string(row.choices));
  }
  check_hostname();
  check_open_relay();
  check_hidden_rules();
}

void Interpreter::check_hostname() {
  const std::string& name = config_.hostname;
  if (name.empty()) return;
  const auto warn = [&](const std::string& message) { report_at(config_.hostname_position, message, Severity::warning); };
  if (!mail::is_domain(name)) {
    report_at(config_.hostname_position, "expected a host name such as relay.example.org");
  } else if (IpAddress::parse(name)) {
    warn("this is an address; peers expect a name that resolves, such as relay.example.org (RFC 5321 section 2.3.5)");
  } else if (equal_ignoring_case(name, "localhost") || to_ascii_lower(name).starts_with("localhost.")) {
    warn("every machine calls itself so; peers expect a name that resolves to this one, such as relay.example.org (RFC 5321 section 2.3.5)");
  } else if (name.find('.') == std::string::npos) {
    warn("peers expect a whole name, such as " + name + ".example.org (RFC 5321 section 2.3.5)");
  } else if (!is_host_name(name)) {
    warn("no name like this can resolve: its parts have " + std::to_string(kMaxLabel) +
         " octets at most (RFC 1035 section 2.3.4), and the last is no number");
  }
}

/// What a relay takes from strangers to anybody, by one rule or by several together.
void Interpreter::check_open_relay() {
  const Sets sets(config_);
  AddressSet open;
  bool told = false;
  for (const Rule& rule : config_.rules) {
    if (!sets.known(rule, {})) continue;
    if (!std::holds_alternative<ToAny>(rule.to) || !std::holds_alternative<RelayVia>(rule.action)) continue;
    const auto* network = std::get_if<FromNetwork>(&rule.from);
    if (network == nullptr) {
      report_at(rule.position, "this relays mail from anybody to anybody: an open relay", Severity::warning);
      continue;
    }
    open.add(sets.from(rule));
    const bool alone = sets.from(rule).public_share() >= kOpenShare;
    if (!alone && (told || open.public_share() < kOpenShare)) continue;
    told = true;
    report_at(rule.position,
              "this relays mail to anybody from `network " + network->network + "`, which " + (alone ? "holds" : "with those of the rules before holds") +
                  " a sixteenth or more of all public addresses: an open relay; name your own networks alone",
              Severity::warning);
  }
}

void Interpreter::check_hidden_rules() {
  const Sets sets(config_);
  std::vector<const Rule*> rules;
  for (const Rule& rule : config_.rules) {
    if (sets.known(rule, mistaken_)) rules.push_back(&rule);
  }
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Rule& rule = *rules[i];
    if (sets.to(rule).empty()) {
      report_at(rule.position, "this rule never matches: `domains " + std::get<ToDomains>(rule.to).domains + "` holds none", Severity::warning);
      continue;
    }
    const auto before = hiding(rules, i, sets);
    if (before.empty()) continue;
    std::string places;
    for (std::size_t j = 0; j < before.size(); ++j) {
      if (j > 0) places += j + 1 == before.size() ? " and " : ", ";
      places += place(before[j]->position, rule.position.file);
    }
    report_at(rule.position, "no client's mail ever comes to this rule: " + std::string(before.size() == 1 ? "the rule in " : "the rules in ") + places +
                                 (before.size() == 1 ? " decides" : " together decide") + " about all of it before",
              Severity::warning);
  }
}

}  // namespace adieu::config
