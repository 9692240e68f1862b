// See mx_order.h.
#include "adieu/relay/route/mx_order.h"

#include <algorithm>
#include <random>

#include "adieu/base/bytes.h"

namespace adieu::route {
namespace {

smtp::Outcome outcome(smtp::EnhancedStatus status, std::string detail) {
  smtp::Outcome result;
  result.fate = status.class_ == 5 ? smtp::Fate::failed : smtp::Fate::deferred;
  result.status = status;
  result.detail = std::move(detail);
  return result;
}

}  // namespace

std::variant<Hosts, smtp::Outcome> order_exchangers(const std::string& domain, const dns::MailExchangers& answer,
                                                    const std::vector<std::string>& own_names, std::uint64_t shuffle) {
  switch (answer.status) {
    case dns::Status::no_domain: return outcome({5, 1, 2}, "domain " + domain + " does not exist");
    case dns::Status::temporary: return outcome({4, 4, 3}, "mail exchangers of " + domain + " cannot be looked up: " + answer.why);
    case dns::Status::bogus: return outcome({4, 7, 0}, "mail exchangers of " + domain + " fail DNSSEC validation: " + answer.why);
    case dns::Status::no_data: return Hosts{domain};  // the implicit MX
    case dns::Status::found: break;
  }
  std::vector<dns::MailExchanger> exchangers = answer.records;
  if (exchangers.size() == 1 && exchangers.front().name.empty()) {
    return outcome({5, 1, 10}, "domain " + domain + " takes no mail (null MX)");
  }
  std::mt19937_64 random(shuffle);
  std::shuffle(exchangers.begin(), exchangers.end(), random);
  std::stable_sort(exchangers.begin(), exchangers.end(),
                   [](const auto& left, const auto& right) { return left.preference < right.preference; });
  const auto own = std::find_if(exchangers.begin(), exchangers.end(), [&](const dns::MailExchanger& exchanger) {
    return std::any_of(own_names.begin(), own_names.end(), [&](const auto& name) { return equal_ignoring_case(name, exchanger.name); });
  });
  if (own != exchangers.end()) {
    const std::uint16_t ours = own->preference;
    std::erase_if(exchangers, [ours](const auto& exchanger) { return exchanger.preference >= ours; });
    if (exchangers.empty()) return outcome({5, 4, 6}, "mail for " + domain + " loops back to this host");
  }
  Hosts hosts;
  for (const dns::MailExchanger& exchanger : exchangers) {
    // A null MX beside others means nothing (RFC 7505 section 3).
    if (!exchanger.name.empty()) hosts.push_back(exchanger.name);
  }
  if (hosts.empty()) return outcome({5, 1, 10}, "domain " + domain + " takes no mail (null MX)");
  return hosts;
}

smtp::Outcome no_addresses(const std::string& domain, bool temporary) {
  if (temporary) return outcome({4, 4, 3}, "no address of a mail host for " + domain + " can be looked up");
  return outcome({5, 4, 4}, "no mail host for " + domain + " has an address");
}

}  // namespace adieu::route
