#include "relay/config/coverage.h"

#include <gtest/gtest.h>

namespace adieu::config {
namespace {

AddressSet addresses(std::initializer_list<const char*> texts) {
  std::vector<Network> networks;
  for (const char* text : texts) networks.push_back(*Network::parse(text));
  return AddressSet(networks);
}

DomainCover domains(std::vector<std::string> patterns) { return DomainCover(patterns); }

TEST(AddressSet, halves_make_a_whole) {
  EXPECT_TRUE(addresses({"0.0.0.0/1", "128.0.0.0/1"}).includes(addresses({"0.0.0.0/0"})));
  EXPECT_TRUE(addresses({"10.0.1.0/24", "10.0.0.0/24"}).includes(addresses({"10.0.0.0/23"})));
  EXPECT_FALSE(addresses({"10.0.0.0/24", "10.0.2.0/24"}).includes(addresses({"10.0.0.0/23"})));
  EXPECT_TRUE(addresses({"::/1", "8000::/1", "0.0.0.0/0"}).includes(AddressSet::all()));
  EXPECT_FALSE(addresses({"0.0.0.0/0"}).includes(AddressSet::all()));
  EXPECT_FALSE(addresses({"255.255.255.255"}).includes(addresses({"::"})));
}

TEST(AddressSet, mapped_addresses_are_ipv4_and_no_part_of_an_ipv6_network) {
  EXPECT_TRUE(addresses({"::/80"}).includes(addresses({"::fffe:0:0/96"})));
  EXPECT_FALSE(addresses({"::/80"}).overlaps(addresses({"0.0.0.0/0"})));
  EXPECT_FALSE(addresses({"::/80"}).overlaps(addresses({"::1:0:0:0"})));
}

TEST(AddressSet, what_lies_within_is_held) {
  EXPECT_TRUE(addresses({"10.0.0.0/8"}).includes(addresses({"10.1.2.3", "10.200.0.0/16"})));
  EXPECT_FALSE(addresses({"10.0.0.0/8"}).includes(addresses({"10.1.2.3", "11.0.0.0/16"})));
  EXPECT_TRUE(addresses({"10.0.0.0/8"}).includes(AddressSet()));
  EXPECT_TRUE(addresses({"10.0.0.0/8"}).overlaps(addresses({"0.0.0.0/0"})));
  EXPECT_FALSE(addresses({"10.0.0.0/8"}).overlaps(addresses({"::/0"})));
}

TEST(AddressSet, knows_its_share_of_the_public_addresses) {
  EXPECT_EQ(addresses({"0.0.0.0/0"}).public_share(), 1);
  EXPECT_EQ(addresses({"0.0.0.0/1"}).public_share(), 0.5);
  EXPECT_EQ(addresses({"::/0"}).public_share(), 1);
  EXPECT_EQ(addresses({"2000::/4"}).public_share(), 0.5);
  EXPECT_EQ(addresses({"fc00::/7", "fe80::/10", "::1"}).public_share(), 0);
  EXPECT_LT(addresses({"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}).public_share(), 0.01);
}

TEST(DomainCover, a_wildcard_holds_what_is_below_it_and_not_itself) {
  EXPECT_TRUE(domains({"*.example.org"}).includes(domains({"a.example.org", "b.a.example.org", "*.a.example.org", "*.example.org"})));
  EXPECT_FALSE(domains({"*.example.org"}).includes(domains({"example.org"})));
  EXPECT_FALSE(domains({"a.example.org"}).includes(domains({"*.example.org"})));
  EXPECT_TRUE(DomainCover::all().includes(domains({"example.org"})));
  EXPECT_FALSE(domains({"*.org"}).includes(DomainCover::all()));
  EXPECT_TRUE(domains({"*.org"}).overlaps(domains({"example.org", "example.net"})));
  EXPECT_TRUE(domains({"example.org"}).overlaps(domains({"*.org"})));
  EXPECT_FALSE(domains({"example.org"}).overlaps(domains({"*.example.org"})));
}

}  // namespace
}  // namespace adieu::config
