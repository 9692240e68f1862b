// See mx_order.h.
#include "adieu/relay/route/mx_order.h"

#include <algorithm>
#include <random>

#include "adieu/base/bytes.h"

namespace adieu::route {

smtp::Outcome decided(smtp::EnhancedStatus status, std::string detail) {
  smtp::Outcome result;
  result.fate = status.class_ == 5 ? smtp::Fate::failed : smtp::Fate::deferred;
  result.status = status;
  result.detail = std::move(detail);
  return result;
}

std::variant<Hosts, smtp::Outcome> order_exchangers(const std::string& domain, const dns::MailExchangers& answer,
                                                    const std::vector<std::string>& own_names, std::uint64_t shuffle,
                                                    const std::string& after) {
  switch (answer.status) {
    case dns::Status::no_domain: return decided({5, 1, 2}, "domain " + domain + " does not exist");
    case dns::Status::temporary: return decided({4, 4, 3}, "mail exchangers of " + domain + " cannot be looked up: " + answer.why);
    case dns::Status::bogus: return decided({4, 7, 0}, "mail exchangers of " + domain + " fail DNSSEC validation: " + answer.why);
    case dns::Status::no_data: return after.empty() ? Hosts{domain} : Hosts{};  // the implicit MX
    case dns::Status::found: break;
  }
  std::vector<dns::MailExchanger> exchangers = answer.records;
  if (exchangers.size() == 1 && exchangers.front().name.empty()) {
    return decided({5, 1, 10}, "domain " + domain + " takes no mail (null MX)");
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
    if (exchangers.empty()) return decided({5, 4, 6}, "mail for " + domain + " loops back to this host");
  }
  if (!after.empty()) {
    const auto tried = std::find_if(exchangers.begin(), exchangers.end(), [&](const auto& exchanger) { return exchanger.name == after; });
    if (tried == exchangers.end()) return Hosts{};
    const std::uint16_t preference = tried->preference;
    std::erase_if(exchangers, [&](const auto& exchanger) { return exchanger.preference < preference || exchanger.name == after; });
    if (exchangers.empty()) return Hosts{};
  }
  Hosts hosts;
  std::string address;  // that stands where a name should
  for (const dns::MailExchanger& exchanger : exchangers) {
    if (IpAddress::parse(exchanger.name)) {
      address = exchanger.name;
    } else if (!exchanger.name.empty()) {  // a null MX beside others means nothing (RFC 7505 section 3)
      hosts.push_back(exchanger.name);
    }
  }
  if (!hosts.empty()) return hosts;
  if (!address.empty()) return decided({5, 4, 4}, "the mail exchanger of " + domain + " is the address " + address + " and not a name");
  return decided({5, 1, 10}, "domain " + domain + " takes no mail (null MX)");
}

smtp::Outcome no_addresses(const std::string& domain, bool temporary) {
  if (temporary) return decided({4, 4, 3}, "no address of a mail host for " + domain + " can be looked up");
  return decided({5, 4, 4}, "no mail host for " + domain + " has an address");
}

smtp::Outcome no_host_address(const std::string& host, const std::string& next_hop, bool temporary) {
  const std::string named = "host " + host + " of next-hop " + next_hop;
  if (temporary) return decided({4, 4, 3}, named + " cannot be looked up");
  return decided({4, 4, 4}, named + " does not exist or has no address: mend the policy file or the name service");
}

}  // namespace adieu::route
