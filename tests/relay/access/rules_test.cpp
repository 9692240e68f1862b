#include "adieu/relay/access/rules.h"

#include <gtest/gtest.h>

namespace adieu::access {
namespace {

config::Config policy() {
  config::Config config;
  config.hostname = "Relay.Example.Org";
  config.networks = {{"local", {*Network::parse("10.0.0.0/8"), *Network::parse("::1")}}};
  config.domains = {{"ours", {"example.org", "*.example.org"}}, {"self", {"relay.example.org"}}};
  smtp::Reply no{550, {5, 7, 9}, "not you"};
  config.rules = {
      {config::FromAny{}, config::ToDomains{"ours"}, config::RelayVia{"store"}, {}},
      {config::FromNetwork{"local"}, config::ToAny{}, config::RelayVia{"out"}, {}},
      {config::FromAny{}, config::ToDomains{"self"}, config::RejectWith{no}, {}},
  };
  return config;
}

std::string decide(std::string_view client, std::string_view to) {
  static const config::Config kPolicy = policy();
  static const Rules kRules(kPolicy);
  const auto mailbox = to == "postmaster" ? mail::Mailbox{"postmaster", ""} : mail::Mailbox{std::string(to.substr(0, to.rfind('@'))), std::string(to.substr(to.rfind('@') + 1))};
  const Decision decision = kRules.decide(*IpAddress::parse(client), mailbox);
  if (const auto* relay = std::get_if<Accepted>(&decision)) return relay->next_hop;
  return std::get<smtp::Reply>(decision).line();
}

TEST(Rules, the_first_that_matches_decides) {
  EXPECT_EQ(decide("192.0.2.1", "a@example.org"), "store");
  EXPECT_EQ(decide("10.1.2.3", "a@example.org"), "store");
  EXPECT_EQ(decide("10.1.2.3", "a@example.net"), "out");
  EXPECT_EQ(decide("::1", "a@example.net"), "out");
}
TEST(Rules, a_relay_is_closed_unless_a_rule_opens_it) { EXPECT_EQ(decide("192.0.2.1", "a@example.net"), "550 5.7.1 Relaying denied"); }
TEST(Rules, an_ipv4_mapped_client_is_its_ipv4_address) { EXPECT_EQ(decide("::ffff:10.0.0.1", "a@example.net"), "out"); }
TEST(Rules, domains_match_without_case_and_a_star_matches_below_alone) {
  EXPECT_EQ(decide("192.0.2.1", "a@EXAMPLE.Org"), "store");
  EXPECT_EQ(decide("192.0.2.1", "a@x.y.example.org"), "store");
  EXPECT_EQ(decide("192.0.2.1", "a@notexample.org"), "550 5.7.1 Relaying denied");
}
TEST(Rules, postmaster_without_a_domain_is_at_this_host) { EXPECT_EQ(decide("192.0.2.1", "postmaster"), "store"); }
TEST(Rules, a_local_part_that_routes_on_is_for_known_networks_alone) {
  for (const char* to : {"user%other@example.org", "other!user@example.org", "\"user@other\"@example.org"}) {
    EXPECT_EQ(decide("192.0.2.1", to), "550 5.7.1 Relaying denied") << to;
  }
  EXPECT_EQ(decide("10.0.0.1", "user%other@example.net"), "out");
}
TEST(Rules, mail_of_the_relay_itself_goes_where_the_recipient_leads) {
  const config::Config config = policy();
  const Rules rules(config);
  EXPECT_EQ(std::get<Accepted>(rules.decide_own({"a", "example.net"})).next_hop, "out");
  EXPECT_EQ(std::get<Accepted>(rules.decide_own({"a", "example.org"})).next_hop, "store");
}

/// The sample of adieu.conf(5), and a rule that rejects by network.
config::Config sample() {
  config::Config config = policy();
  config.networks.push_back({"bad", {*Network::parse("192.0.2.0/24")}});
  config.rules.insert(config.rules.begin() + 1, config::Rule{config::FromNetwork{"bad"}, config::ToDomains{"self"}, config::RejectWith{{550, {5, 7, 9}, "bad"}}, {}});
  return config;
}

TEST(Rules, who_may_route_on_is_said_by_the_relay_rules_that_name_a_network_wherever_they_stand) {
  const config::Config config = sample();
  const Rules rules(config);
  const mail::Mailbox routed{"user%other", "example.org"};
  EXPECT_TRUE(std::holds_alternative<Accepted>(rules.decide(*IpAddress::parse("10.0.0.1"), routed))) << "though the rule that decides is from any";
  EXPECT_FALSE(std::holds_alternative<Accepted>(rules.decide(*IpAddress::parse("192.0.2.1"), routed))) << "a rule that rejects trusts nobody";
  EXPECT_TRUE(rules.trusts(*IpAddress::parse("10.0.0.1")));
  EXPECT_FALSE(rules.trusts(*IpAddress::parse("192.0.2.1")));
}

TEST(Rules, postmaster_of_the_relay_itself_is_taken_from_everybody_and_goes_to_the_mailbox_that_is_named) {
  config::Config config = sample();
  config.rules.insert(config.rules.begin(), config::Rule{config::FromNetwork{"bad"}, config::ToAny{}, config::RejectWith{{550, {5, 7, 9}, "bad"}}, {}});
  config.postmaster = mail::Mailbox{"admin", "example.org"};
  const Rules rules(config);
  for (const char* client : {"192.0.2.1", "198.51.100.1", "10.0.0.1"}) {
    for (const mail::Mailbox& to : {mail::Mailbox{"Postmaster", ""}, mail::Mailbox{"POSTMASTER", "RELAY.example.org"}}) {
      const Decision decision = rules.decide(*IpAddress::parse(client), to);
      const auto* relay = std::get_if<Accepted>(&decision);
      ASSERT_NE(relay, nullptr) << client << " " << to.text();
      EXPECT_EQ(relay->next_hop, "store");
      EXPECT_EQ(relay->instead, config.postmaster);
    }
  }
  EXPECT_FALSE(std::holds_alternative<Accepted>(rules.decide(*IpAddress::parse("192.0.2.1"), {"postmaster", "example.org"}))) << "another domain's goes by the rules";
  EXPECT_EQ(std::get<Accepted>(rules.decide(*IpAddress::parse("198.51.100.1"), {"postmaster", "example.org"})).instead, std::nullopt);
  EXPECT_EQ(std::get<Accepted>(rules.decide_own({"postmaster", "relay.example.org"})).instead, config.postmaster);
}

TEST(Rules, mail_of_the_relay_itself_obeys_what_is_refused_from_anybody) {
  const auto refused = [](config::RuleFrom from) {
    config::Config config = policy();
    config.domains.push_back({"trap", {"trap.example"}});
    config.rules.insert(config.rules.begin(), config::Rule{std::move(from), config::ToDomains{"trap"}, config::RejectWith{{550, {5, 7, 1}, "no"}}, {}});
    return std::holds_alternative<smtp::Reply>(Rules(config).decide_own({"a", "trap.example"}));
  };
  EXPECT_TRUE(refused(config::FromAny{}));
  EXPECT_FALSE(refused(config::FromNetwork{policy().networks.front().name})) << "that is about clients";
}

}  // namespace
}  // namespace adieu::access
