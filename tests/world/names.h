// The name service of a world: domains of every kind that a relay meets, behind the port dns::Resolver. Answers take their time, fail now and then, and are
// kept as long as their TTL says, so that what is true and what is said differ for a while.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adieu/protocol/dns/resolver.h"
#include "clock.h"

namespace adieu::world {

class Names {
 public:
  /// Where mail hosts are that take mail, and one that never does; whether there may be a way to IPv6, where nobody answers; whether questions fail.
  struct Surroundings {
    std::vector<IpAddress> living;
    IpAddress busy;
    bool ipv6 = false;
    bool fails = false;
    bool silent = false;  // where mail is taken at all, nobody answers for the first hour or two, and then everybody does
  };
  Names(Clock& clock, Surroundings surroundings);

  /// Mail for it goes by a next hop whose host is this name (kHost), which may not exist for a while.
  static constexpr const char* kNamed = "named.example";
  static constexpr const char* kHost = "mx.named.example";
  /// What recipients' domains there are; each is one of the following. One has a label that no name may have (RFC 1035 section 2.3.4).
  static std::string domain(std::size_t number);
  static constexpr std::size_t kDomains = 10;
  /// Mail for it fails: it does not exist, takes no mail, has no host with an address, or leads to the relay's own machine. Mail for any other arrives
  /// sooner or later.
  bool takes_no_mail(const std::string& domain) const;

  /// Of one process; this outlives it.
  std::unique_ptr<dns::Resolver> resolver();

 private:
  class WorldResolver;
  using Hosts = std::map<std::string, dns::Addresses>;
  struct Zone {
    dns::MailExchangers exchangers;
    Hosts hosts;
  };
  struct Domain {
    Zone zone;
    Zone later;  // from `moves` on
    Instant moves{};
    Instant mended{};  // until then every question fails, as where a CNAME leads to itself
    bool takes_no_mail = false;
  };
  template <class Answer>
  struct Kept {
    Answer answer;
    Instant until{};
  };

  Domain make(const std::string& name);
  Zone living_zone(const std::string& name);
  Zone busy_zone(const std::string& name);
  Zone crowded_zone(const std::string& name);
  Zone own_zone(const std::string& name);
  Domain named();
  void silence(Domain& domain);
  dns::Addresses addresses_of(std::vector<IpAddress> addresses) const;
  IpAddress dead();
  IpAddress dead_of(const char* network);
  const Domain* domain_of(const std::string& name) const;
  dns::MailExchangers exchangers(const std::string& domain) const;
  dns::Addresses addresses(const std::string& host) const;
  template <class Answer>
  Answer ask(std::map<std::string, Kept<Answer>>& kept, const std::string& name, Answer (Names::*look)(const std::string&) const);

  Clock& clock_;
  const Surroundings surroundings_;
  double fails_ = 0;
  std::map<std::string, Domain> domains_;
  std::map<std::string, Kept<dns::MailExchangers>> kept_exchangers_;
  std::map<std::string, Kept<dns::Addresses>> kept_addresses_;
};

}  // namespace adieu::world
