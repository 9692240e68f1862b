#include "adieu/relay/access/rules.h"

#include <gtest/gtest.h>

#include "adieu/relay/access/limits.h"

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
  if (const auto* relay = std::get_if<Relay>(&decision)) return relay->next_hop;
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
  EXPECT_EQ(std::get<Relay>(rules.decide_own({"a", "example.net"})).next_hop, "out");
  EXPECT_EQ(std::get<Relay>(rules.decide_own({"a", "example.org"})).next_hop, "store");
}
TEST(ConnectionLimits, count_all_and_each_client_an_ipv6_customer_as_one) {
  ConnectionLimits limits(3, 2);
  const auto a = *IpAddress::parse("2001:db8::1");
  const auto b = *IpAddress::parse("2001:db8::ffff");
  EXPECT_TRUE(limits.admit(a));
  EXPECT_TRUE(limits.admit(b));
  EXPECT_FALSE(limits.admit(a)) << "the same /64";
  EXPECT_TRUE(limits.admit(*IpAddress::parse("192.0.2.1")));
  EXPECT_FALSE(limits.admit(*IpAddress::parse("192.0.2.2"))) << "three in all";
  limits.release(b);
  EXPECT_TRUE(limits.admit(a));
}

}  // namespace
}  // namespace adieu::access
