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
  /// `living`: where mail hosts are. Whether any question fails is the world's to say.
  Names(Clock& clock, std::vector<IpAddress> living, bool fails);

  /// What recipients' domains there are; each is one of the following.
  static std::string domain(std::size_t number) { return "d" + std::to_string(number) + ".example"; }
  static constexpr std::size_t kDomains = 8;
  /// Mail for it fails: it does not exist, takes no mail, or has no host with an address. Mail for any other arrives sooner or later.
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
  dns::Addresses addresses_of(std::vector<IpAddress> addresses) const;
  IpAddress dead();
  const Domain* domain_of(const std::string& name) const;
  dns::MailExchangers exchangers(const std::string& domain) const;
  dns::Addresses addresses(const std::string& host) const;
  template <class Answer>
  Answer ask(std::map<std::string, Kept<Answer>>& kept, const std::string& name, Answer (Names::*look)(const std::string&) const);

  Clock& clock_;
  const std::vector<IpAddress> living_;
  double fails_ = 0;
  std::map<std::string, Domain> domains_;
  std::map<std::string, Kept<dns::MailExchangers>> kept_exchangers_;
  std::map<std::string, Kept<dns::Addresses>> kept_addresses_;
};

}  // namespace adieu::world
