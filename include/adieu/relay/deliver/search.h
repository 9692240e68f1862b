// From a destination to the addresses to try, host by host in the order of RFC 5321 section 5.1, asking the name service for a host only when the
// ones before it were of no use. Knows what may be dialled, and how much one attempt may ask of the name service and of the network. Pure: names
// are asked of a port, and nothing is dialled here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "adieu/base/lifetime.h"
#include "adieu/protocol/dns/resolver.h"
#include "adieu/relay/config/config.h"
#include "adieu/relay/route/destination.h"
#include "adieu/relay/route/local_addresses.h"
#include "adieu/relay/route/mx_order.h"

namespace adieu::deliver {

/// Whoever publishes the exchangers decides how many there are: these are the most that one attempt looks at.
inline constexpr std::size_t kHosts = 5;
inline constexpr std::size_t kAddresses = 10;

class Search {
 public:
  struct Place {
    route::Destination destination;
    const config::NextHop* next_hop = nullptr;  // outlives the search
    std::string hostname;                       // ours
    std::uint64_t shuffle = 0;                  // see route::order_exchangers
  };
  /// A host to try: its addresses in order, of which at most `tries` are to be dialled, so that some are left for the hosts behind it.
  struct Found {
    std::string host;
    std::vector<Endpoint> addresses;
    std::size_t tries = 0;
  };
  /// A host to try, or why there is none any more: an outcome that counts where no host that was tried has given one.
  using Step = std::variant<Found, smtp::Outcome>;

  /// `resolver` and `machine` outlive the search.
  Search(Place place, dns::Resolver& resolver, std::function<const route::MachineAddresses&()> machine);

  /// `done` is called once, now or later; not after this was destroyed. `dialled`: how many addresses of the host that was found before were dialled.
  void next(std::size_t dialled, std::function<void(Step)> done);

  /// The last host that was found, or asked for.
  const std::string& host() const { return host_; }
  /// Whether there is a host behind the last one found that may still be asked for.
  bool has_more() const { return !over_ && asked_ < std::min(hosts_.size(), kHosts) && spent_ + 1 < kAddresses; }

 private:
  void begin(std::function<void(Step)> done);
  void go_on(std::function<void(Step)> done);
  Step take(const std::string& host, const std::vector<IpAddress>& addresses);
  smtp::Outcome nothing_left() const;
  std::uint16_t port() const;
  bool is_mx() const { return std::holds_alternative<config::MxTarget>(place_.next_hop->target); }

  const Place place_;
  dns::Resolver& resolver_;
  const std::function<const route::MachineAddresses&()> machine_;
  bool begun_ = false;
  bool over_ = false;
  route::Hosts hosts_;
  std::string host_;
  std::size_t asked_ = 0;        // of hosts_
  std::size_t spent_ = 0;        // of kAddresses
  bool temporary_ = false;       // the name service was in trouble about one of them
  std::optional<smtp::Outcome> refused_;  // what was said of the first address that may not be dialled
  const Lifetime lifetime_;
};

}  // namespace adieu::deliver
