// See names.h. A domain's hosts have names that end with its own, so that a host is found by them.
#include "names.h"

#include <algorithm>
#include <array>
#include <utility>

namespace adieu::world {

class Names::WorldResolver final : public dns::Resolver {
 public:
  explicit WorldResolver(Names& names) : names_(names) {}
  void mail_exchangers(const std::string& domain, std::function<void(dns::MailExchangers)> done) override {
    later(std::move(done), [domain](Names& names) { return names.ask(names.kept_exchangers_, domain, &Names::exchangers); });
  }
  void addresses(const std::string& host, std::function<void(dns::Addresses)> done) override {
    later(std::move(done), [host](Names& names) { return names.ask(names.kept_addresses_, host, &Names::addresses); });
  }

 private:
  template <class Done, class Ask>
  void later(Done done, Ask ask) {
    Clock& clock = names_.clock_;
    const Duration wait = clock.happens(0.9) ? clock.between(Duration(0), Duration(300)) : clock.between(Duration(0), std::chrono::seconds(20));
    clock.after(wait, [alive = std::weak_ptr(alive_), &names = names_, done = std::move(done), ask = std::move(ask)] {
      if (!alive.expired()) done(ask(names));
    });
  }
  Names& names_;
  const std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

std::unique_ptr<dns::Resolver> Names::resolver() { return std::make_unique<WorldResolver>(*this); }

Names::Names(Clock& clock, Surroundings surroundings) : clock_(clock), surroundings_(std::move(surroundings)) {
  const double often = 0.01 * static_cast<double>(clock.between(1, 40));
  if (surroundings_.fails) fails_ = often;
  for (std::size_t number = 0; number < kDomains; ++number) domains_[domain(number)] = make(domain(number));
}

std::string Names::domain(std::size_t number) {
  if (number == 0) return kNamed;
  if (number == 1) return std::string(64, 'd') + ".example";
  return "d" + std::to_string(number) + ".example";
}

bool Names::takes_no_mail(const std::string& domain) const {
  const auto found = domains_.find(domain);
  return found != domains_.end() && found->second.takes_no_mail;
}

/// Nobody is there; some say so, others do not. To those of IPv6 there may be no way.
IpAddress Names::dead() { return dead_of(clock_.happens(0.5) ? "192.0.2." : "2001:db8::"); }

IpAddress Names::dead_of(const char* network) { return *IpAddress::parse(network + std::to_string(clock_.between(50, 90))); }

dns::Addresses Names::addresses_of(std::vector<IpAddress> addresses) const {
  std::stable_sort(addresses.begin(), addresses.end(), [](const IpAddress& left, const IpAddress& right) { return left.is_v6() && !right.is_v6(); });
  return {addresses.empty() ? dns::Status::no_data : dns::Status::found, std::move(addresses), false, {}};
}

/// A few exchangers with a few addresses each, one of which lives: within what one attempt looks at (relay/deliver/search.h).
Names::Zone Names::living_zone(const std::string& name) {
  Zone zone;
  const std::int64_t count = clock_.between(1, 4);
  const std::int64_t lives = clock_.between(1, count);
  for (std::int64_t number = 1; number <= count; ++number) {
    const std::string host = "mx" + std::to_string(number) + "." + name;
    zone.exchangers.records.push_back({static_cast<std::uint16_t>(10 * clock_.between(1, 3)), host});
    std::vector<IpAddress> addresses;
    for (std::int64_t i = clock_.between(0, 2); i > 0; --i) addresses.push_back(dead());
    const std::vector<IpAddress>& living = surroundings_.living;
    const auto somewhere = static_cast<std::size_t>(clock_.between(0, static_cast<std::int64_t>(living.size()) - 1));
    if (number == lives || clock_.happens(0.3)) addresses.push_back(living[somewhere]);
    if (!addresses.empty() || clock_.happens(0.5)) zone.hosts[host] = addresses_of(std::move(addresses));
  }
  // The relay as an exchanger of its own, behind all others (RFC 5321 section 5.1).
  if (clock_.happens(0.2)) zone.exchangers.records.push_back({50, "relay.example.org"});
  std::sort(zone.exchangers.records.begin(), zone.exchangers.records.end());
  zone.exchangers.status = dns::Status::found;
  return zone;
}

/// As above, behind one that defers all mail: what it defers goes to those behind it (RFC 5321 section 5.1).
Names::Zone Names::busy_zone(const std::string& name) {
  Zone zone = living_zone(name);
  const std::string host = "mx0." + name;
  zone.exchangers.records.insert(zone.exchangers.records.begin(), {5, host});
  zone.hosts[host] = addresses_of({surroundings_.busy});
  return zone;
}

/// One exchanger with more addresses than an attempt looks at. One lives; it is the first of IPv4, unless there is no way to the others.
Names::Zone Names::crowded_zone(const std::string& name) {
  Zone zone;
  const std::string host = "mx1." + name;
  zone.exchangers = {dns::Status::found, {{10, host}}, false, {}};
  std::vector<IpAddress> addresses;
  for (std::int64_t i = clock_.between(10, 14); i > 0; --i) addresses.push_back(dead_of("2001:db8::"));
  const std::int64_t before = clock_.between(0, 6);
  for (std::int64_t i = surroundings_.ipv6 ? 0 : before; i > 0; --i) addresses.push_back(dead_of("192.0.2."));
  addresses.push_back(surroundings_.living.front());
  zone.hosts[host] = addresses_of(std::move(addresses));
  return zone;
}

/// An exchanger that leads whoever dials it to himself: to his machine, or to the relay's own address.
Names::Zone Names::own_zone(const std::string& name) {
  constexpr std::array<const char*, 5> kOwn = {"127.0.0.2", "0.0.0.0", "::1", "::ffff:127.0.0.1", "192.0.2.1"};
  Zone zone;
  const std::string host = "mx1." + name;
  zone.exchangers = {dns::Status::found, {{10, host}}, false, {}};
  zone.hosts[host] = addresses_of({*IpAddress::parse(kOwn[static_cast<std::size_t>(clock_.between(0, static_cast<std::int64_t>(kOwn.size()) - 1))])});
  return zone;
}

/// Its host is there from some time on.
Names::Domain Names::named() {
  Domain made;
  made.later.hosts[kHost] = addresses_of({surroundings_.living.front()});
  if (clock_.happens(0.5)) made.moves = clock_.now() + clock_.between(Duration(0), std::chrono::hours(1));
  return made;
}

void Names::silence(Domain& domain) {
  for (auto& [host, addresses] : domain.zone.hosts) addresses = addresses_of({dead_of("2001:db8::")});
  for (auto& [host, addresses] : domain.later.hosts) addresses = addresses_of({surroundings_.living.front()});
  domain.moves = clock_.now() + clock_.between(std::chrono::hours(1), std::chrono::hours(2));
}

Names::Domain Names::make(const std::string& name) {
  if (name == kNamed) return named();
  Domain made;
  if (name.find('.') > 63) {  // it cannot be asked for
    made.takes_no_mail = true;
    made.mended = Instant::max();
    return made;
  }
  switch (clock_.between(0, 12)) {
    case 0: made.takes_no_mail = true; made.zone.exchangers.status = dns::Status::no_domain; break;
    case 1: made.takes_no_mail = true; made.zone.exchangers = {dns::Status::found, {{0, ""}}, false, {}}; break;  // RFC 7505
    case 2: made.takes_no_mail = true; made.zone.exchangers = {dns::Status::found, {{10, "mx1." + name}}, false, {}}; break;
    case 3: made.takes_no_mail = true; made.zone.exchangers = {dns::Status::found, {{10, "192.0.2.9"}}, false, {}}; break;
    case 4:  // the implicit exchanger
      made.zone.exchangers.status = dns::Status::no_data;
      made.zone.hosts[name] = addresses_of({surroundings_.living.front()});
      break;
    case 5: made.takes_no_mail = true; made.zone = own_zone(name); break;
    case 6: made.zone = busy_zone(name); break;
    case 7: made.zone = crowded_zone(name); break;
    default: made.zone = living_zone(name); break;
  }
  made.later = made.zone;
  if (made.takes_no_mail) return made;
  if (surroundings_.silent) {
    silence(made);
    return made;
  }
  if (clock_.happens(0.2)) made.mended = clock_.now() + clock_.between(Duration(0), std::chrono::hours(3));
  if (clock_.happens(0.3)) {
    made.moves = clock_.now() + clock_.between(Duration(0), std::chrono::hours(1));
    for (auto& [host, addresses] : made.zone.hosts) {
      for (IpAddress& address : addresses.records) address = dead();
      addresses = addresses_of(std::move(addresses.records));
    }
  }
  return made;
}

const Names::Domain* Names::domain_of(const std::string& name) const {
  for (const auto& [domain, its] : domains_) {
    if (name == domain || name.ends_with("." + domain)) return &its;
  }
  return nullptr;
}

dns::MailExchangers Names::exchangers(const std::string& domain) const {
  const Domain* const its = domain_of(domain);
  if (its == nullptr) return {dns::Status::no_domain, {}, false, {}};
  return (clock_.now() < its->moves ? its->zone : its->later).exchangers;
}

dns::Addresses Names::addresses(const std::string& host) const {
  const Domain* const its = domain_of(host);
  if (its == nullptr) return {dns::Status::no_domain, {}, false, {}};
  const Zone& zone = clock_.now() < its->moves ? its->zone : its->later;
  const auto found = zone.hosts.find(host);
  return found == zone.hosts.end() ? dns::Addresses{dns::Status::no_domain, {}, false, {}} : found->second;
}

template <class Answer>
Answer Names::ask(std::map<std::string, Kept<Answer>>& kept, const std::string& name, Answer (Names::*look)(const std::string&) const) {
  const auto found = kept.find(name);
  if (found != kept.end() && clock_.now() < found->second.until) return found->second.answer;
  const Domain* const its = domain_of(name);
  if (clock_.happens(fails_) || (its != nullptr && clock_.now() < its->mended)) return {dns::Status::temporary, {}, false, "no answer"};
  Answer answer = (this->*look)(name);
  kept[name] = {answer, clock_.now() + clock_.between(Duration(0), std::chrono::minutes(30))};
  return answer;
}

}  // namespace adieu::world
