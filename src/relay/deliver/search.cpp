// See search.h.
#include "adieu/relay/deliver/search.h"

#include <algorithm>
#include <utility>

#include "adieu/base/bytes.h"
#include "adieu/relay/route/address_order.h"
#include "adieu/relay/route/host_names.h"

namespace adieu::deliver {

Search::Search(Place place, dns::Resolver& resolver, std::function<const route::MachineAddresses&()> machine)
    : place_(std::move(place)), resolver_(resolver), machine_(std::move(machine)) {}

void Search::next(std::size_t dialled, std::function<void(Step)> done) {
  spent_ += dialled;
  if (!std::exchange(begun_, true)) {
    begin(std::move(done));
  } else {
    go_on(std::move(done));
  }
}

std::uint16_t Search::port() const {
  return std::visit([](const auto& target) { return target.port; }, place_.next_hop->target);
}

void Search::begin(std::function<void(Step)> done) {
  if (const auto* target = std::get_if<config::HostTarget>(&place_.next_hop->target)) {
    hosts_ = {target->host};
    go_on(std::move(done));
    return;
  }
  const std::string& domain = place_.destination.domain;
  if (domain.starts_with('[')) {  // an address literal is its own exchanger (RFC 5321 section 5.1)
    over_ = true;
    const auto address = route::literal_address(domain);
    if (!place_.next_hop->address_literals) {
      done(route::decided({5, 1, 2}, "mail for " + domain + " is refused (`address-literals no` of next-hop " + place_.next_hop->name + ")"));
    } else if (!address) {
      done(route::decided({5, 1, 2}, domain + " is no address that mail can be sent to"));
    } else {
      done(take(domain, {*address}));
    }
    return;
  }
  if (const std::string_view fault = route::name_fault(domain); !fault.empty()) {
    over_ = true;
    done(route::decided({5, 1, 2}, "domain " + domain + " cannot exist: " + std::string(fault)));
    return;
  }
  resolver_.mail_exchangers(domain, lifetime_.bind([this, done = std::move(done)](const dns::MailExchangers& answer) {
    auto ordered = route::order_exchangers(place_.destination.domain, answer, {to_ascii_lower(place_.hostname)}, place_.shuffle,
                                           place_.destination.after);
    if (auto* outcome = std::get_if<smtp::Outcome>(&ordered)) {
      over_ = true;
      done(std::move(*outcome));
      return;
    }
    hosts_ = std::move(std::get<route::Hosts>(ordered));
    go_on(done);
  }));
}

void Search::go_on(std::function<void(Step)> done) {
  if (over_ || asked_ == std::min(hosts_.size(), kHosts) || spent_ >= kAddresses) {
    over_ = true;
    done(nothing_left());
    return;
  }
  const std::string host = host_ = hosts_[asked_++];
  const auto address = is_mx() ? std::nullopt : IpAddress::parse(host);
  if (address) {
    done(take(host, {*address}));
    return;
  }
  if (!route::name_fault(host).empty()) {
    go_on(std::move(done));
    return;
  }
  resolver_.addresses(host, lifetime_.bind([this, host, done = std::move(done)](const dns::Addresses& answer) {
    temporary_ |= answer.status == dns::Status::temporary || answer.status == dns::Status::bogus;
    Step step = take(host, answer.records);
    if (!over_ && std::holds_alternative<smtp::Outcome>(step)) {
      go_on(done);
    } else {
      done(std::move(step));
    }
  }));
}

/// What of the host's addresses may be dialled. An exchanger that is this machine ends the search: those behind it are no better (RFC 5321 section
/// 5.1), those before it may be back later.
Search::Step Search::take(const std::string& host, const std::vector<IpAddress>& addresses) {
  Found found{host, {}, 0};
  for (const IpAddress& address : route::families_in_turn(addresses)) {
    std::optional<smtp::Outcome> refused;
    if (is_mx()) refused = route::refusal(host, address, machine_(), place_.next_hop->local_addresses, place_.next_hop->name);
    if (!refused) {
      found.addresses.push_back({address, port()});
      continue;
    }
    const bool ourselves = refused->status == smtp::EnhancedStatus{5, 4, 6};
    if (!refused_ || ourselves) refused_ = std::move(refused);
    if (!ourselves) continue;
    over_ = true;
    return nothing_left();
  }
  if (found.addresses.empty()) return nothing_left();
  const std::size_t behind = over_ ? 0 : std::min(hosts_.size(), kHosts) - asked_;
  const std::size_t left = kAddresses - spent_;
  found.tries = left > behind ? left - behind : 1;
  return found;
}

smtp::Outcome Search::nothing_left() const {
  if (const auto* target = std::get_if<config::HostTarget>(&place_.next_hop->target)) {
    return route::no_host_address(target->host, place_.next_hop->name, temporary_);
  }
  if (temporary_) return route::no_addresses(place_.destination.domain, true);
  if (refused_) return *refused_;
  return route::no_addresses(place_.destination.domain, false);
}

}  // namespace adieu::deliver
