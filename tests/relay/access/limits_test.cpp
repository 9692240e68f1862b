#include "adieu/relay/access/limits.h"

#include <gtest/gtest.h>

namespace adieu::access {
namespace {

IpAddress address(std::string_view text) { return *IpAddress::parse(text); }

TEST(ConnectionLimits, count_all_and_each_client_an_ipv6_customer_as_one) {
  ConnectionLimits limits({3, 2, 10, 0, {0}});
  const auto a = address("2001:db8::1");
  const auto b = address("2001:db8::ffff");
  EXPECT_FALSE(limits.admit(a, 0));
  EXPECT_FALSE(limits.admit(b, 0));
  EXPECT_EQ(limits.admit(a, 0), ConnectionRefusal::client) << "the same /64";
  EXPECT_FALSE(limits.admit(address("192.0.2.1"), 0));
  EXPECT_EQ(limits.admit(address("192.0.2.2"), 0), ConnectionRefusal::total) << "three in all";
  limits.release(b, 0);
  EXPECT_FALSE(limits.admit(a, 0));
}

TEST(ConnectionLimits, an_ipv6_site_is_bounded_however_many_customers_it_claims_to_have) {
  ConnectionLimits limits({100, 2, 3, 0, {0}}, [](const IpAddress& client) { return client == address("2001:db8:0:f::1"); });
  EXPECT_FALSE(limits.admit(address("2001:db8:0:1::1"), 0));
  EXPECT_FALSE(limits.admit(address("2001:db8:0:2::1"), 0));
  EXPECT_FALSE(limits.admit(address("2001:db8:0:3::1"), 0));
  EXPECT_EQ(limits.admit(address("2001:db8:0:4::1"), 0), ConnectionRefusal::site);
  EXPECT_FALSE(limits.admit(address("2001:db8:1::1"), 0)) << "another /48";
  EXPECT_FALSE(limits.admit(address("2001:db8:0:f::1"), 0)) << "a client that is trusted has no neighbours";
  limits.release(address("2001:db8:0:f::1"), 0);
  EXPECT_EQ(limits.admit(address("2001:db8:0:4::1"), 0), ConnectionRefusal::site);
  limits.release(address("2001:db8:0:2::1"), 0);
  EXPECT_FALSE(limits.admit(address("2001:db8:0:4::1"), 0));
}

/// As many clients as are admitted, each from an address of its own.
int flood(ConnectionLimits& limits, std::size_t listener, std::uint8_t network) {
  int admitted = 0;
  for (std::uint8_t host = 1; host != 0; ++host) {
    if (limits.admit(IpAddress::v4({192, 0, network, host}), listener)) break;
    ++admitted;
  }
  return admitted;
}

TEST(ConnectionLimits, a_flood_leaves_what_is_set_aside_for_trusted_clients_and_for_each_listener) {
  ConnectionLimits limits({100, 50, 50, 10, {5, 20}}, [](const IpAddress& client) { return client.octets()[2] == 2; });
  EXPECT_EQ(flood(limits, 0, 1), 70) << "ten for the trusted, twenty for the other listener";
  EXPECT_EQ(flood(limits, 0, 2), 10);
  EXPECT_EQ(flood(limits, 1, 1), 20);
  EXPECT_EQ(flood(limits, 1, 2), 0);
  for (std::uint8_t host = 1; host <= 10; ++host) limits.release(IpAddress::v4({192, 0, 1, host}), 0);
  EXPECT_EQ(flood(limits, 1, 3), 10) << "what nobody is promised is for everybody";
}

TEST(ConnectionLimits, trusted_clients_count_for_the_listeners_share_and_their_own) {
  ConnectionLimits limits({100, 100, 50, 10, {20, 20}}, [](const IpAddress& client) { return client.octets()[2] == 2; });
  EXPECT_EQ(flood(limits, 1, 2), 80);
  EXPECT_EQ(flood(limits, 0, 1), 20);
}

TEST(ConnectionLimits, a_few_clients_that_take_all_they_can_leave_some_to_those_that_have_none) {
  ConnectionLimits limits({100, 50, 50, 0, {0}, 10}, [](const IpAddress& client) { return client.octets()[2] == 2; });
  const auto take_all = [&](const IpAddress& client) {
    int admitted = 0;
    while (!limits.admit(client, 0)) ++admitted;
    return admitted;
  };
  EXPECT_EQ(take_all(IpAddress::v4({192, 0, 1, 1})), 50);
  EXPECT_EQ(take_all(IpAddress::v4({192, 0, 1, 2})), 40);
  EXPECT_EQ(limits.admit(IpAddress::v4({192, 0, 1, 2}), 0), ConnectionRefusal::total);
  EXPECT_EQ(take_all(IpAddress::v4({192, 0, 1, 3})), 1);
  EXPECT_EQ(take_all(IpAddress::v4({192, 0, 2, 1})), 9) << "whoever is trusted";
}

TEST(ConnectionLimits, shares_that_are_not_given_are_tenths_and_nothing_is_set_aside_for_nobody) {
  config::Config config;
  config.limits.connections = 2000;
  config.listeners.resize(2);
  EXPECT_EQ(shares_of(config).trusted, 0u);
  EXPECT_EQ(shares_of(config).newcomers, 200u);
  EXPECT_EQ(shares_of(config).listeners, (std::vector<std::size_t>{100, 100}));
  config.rules = {{config::FromNetwork{"bad"}, config::ToAny{}, config::RejectWith{}, {}}};
  EXPECT_EQ(shares_of(config).trusted, 0u);
  config.rules.push_back({config::FromNetwork{"local"}, config::ToAny{}, config::RelayVia{}, {}});
  EXPECT_EQ(shares_of(config).trusted, 200u);
  config.limits.trusted_connections = 7;
  config.listeners[1].reserved_connections = 8;
  EXPECT_EQ(shares_of(config).trusted, 7u);
  EXPECT_EQ(shares_of(config).listeners, (std::vector<std::size_t>{100, 8}));
}

}  // namespace
}  // namespace adieu::access
