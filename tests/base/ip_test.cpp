#include "adieu/base/ip.h"

#include <gtest/gtest.h>

namespace adieu {
namespace {
TEST(IpAddress, an_ipv4_mapped_address_is_the_ipv4_address) {
  EXPECT_EQ(IpAddress::parse("::ffff:192.0.2.7"), IpAddress::parse("192.0.2.7"));
  EXPECT_EQ(IpAddress::parse("::ffff:127.0.0.1")->text(), "127.0.0.1");
}
TEST(IpAddress, prints_literals_of_rfc5321) {
  EXPECT_EQ(IpAddress::parse("192.0.2.1")->literal(), "[192.0.2.1]");
  EXPECT_EQ(IpAddress::parse("2001:db8::1")->literal(), "[IPv6:2001:db8::1]");
}
TEST(IpAddress, refuses_what_is_no_address) {
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "::1%lo", "[::1]", "1.2.3.256", "host"}) EXPECT_FALSE(IpAddress::parse(text)) << text;
}
TEST(Endpoint, needs_brackets_for_ipv6_and_only_there) {
  EXPECT_EQ(Endpoint::parse("[::1]:25")->text(), "[::1]:25");
  EXPECT_EQ(Endpoint::parse("127.0.0.1:2525")->text(), "127.0.0.1:2525");
  for (const char* text : {"::1:25", "[127.0.0.1]:25", "127.0.0.1", "127.0.0.1:65536", "127.0.0.1:", ":25"}) EXPECT_FALSE(Endpoint::parse(text)) << text;
}
TEST(Network, contains_by_prefix) {
  const auto net = Network::parse("10.1.128.0/17");
  ASSERT_TRUE(net);
  EXPECT_TRUE(net->contains(*IpAddress::parse("10.1.200.3")));
  EXPECT_FALSE(net->contains(*IpAddress::parse("10.1.127.255")));
  EXPECT_FALSE(net->contains(*IpAddress::parse("::1")));
  EXPECT_TRUE(Network::parse("0.0.0.0/0")->contains(*IpAddress::parse("255.1.2.3")));
  EXPECT_TRUE(Network::parse("::1")->contains(*IpAddress::parse("::1")));
}
TEST(Network, refuses_bits_behind_the_length) {
  for (const char* text : {"10.1.128.1/17", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1"}) EXPECT_FALSE(Network::parse(text)) << text;
}
}  // namespace
}  // namespace adieu
