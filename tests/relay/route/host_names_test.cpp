#include "adieu/relay/route/host_names.h"

#include <gtest/gtest.h>

namespace adieu::route {
namespace {

TEST(HostNames, an_address_literal_is_read_with_its_tag_in_any_case) {
  for (const char* literal : {"[IPv6:2001:db8::1]", "[ipv6:2001:db8::1]", "[IPV6:2001:DB8::1]"}) {
    EXPECT_EQ(literal_address(literal), IpAddress::parse("2001:db8::1")) << literal;
  }
  EXPECT_EQ(literal_address("[192.0.2.1]"), IpAddress::parse("192.0.2.1"));
  EXPECT_EQ(literal_address("[IPv6:::ffff:192.0.2.1]"), IpAddress::parse("192.0.2.1"));
}
TEST(HostNames, what_is_no_address_literal_is_none) {
  for (const char* text : {"", "[", "[]", "192.0.2.1", "[192.0.2.1", "[IPv6:192.0.2.1]", "[2001:db8::1]", "[x400:a]", "[example.org]", "[192.0.2]", "example.org"}) {
    EXPECT_FALSE(literal_address(text)) << text;
  }
}
TEST(HostNames, a_name_that_no_name_server_can_have_has_a_fault) {
  EXPECT_EQ(name_fault("example.org"), "");
  EXPECT_EQ(name_fault("_dmarc.example.org"), "");
  EXPECT_EQ(name_fault(std::string(63, 'a') + ".org"), "");
  EXPECT_NE(name_fault(std::string(64, 'a') + ".org"), "");
  EXPECT_NE(name_fault("org." + std::string(64, 'a')), "");
  for (const char* name : {"", ".", "a..b", ".a", "a."}) EXPECT_NE(name_fault(name), "") << name;
  std::string longest;
  for (int label = 0; label < 4; ++label) longest += std::string(label == 3 ? 61 : 63, 'a') + (label == 3 ? "" : ".");
  EXPECT_EQ(longest.size(), 253u);
  EXPECT_EQ(name_fault(longest), "");
  EXPECT_NE(name_fault(longest + "a"), "");
}

}  // namespace
}  // namespace adieu::route
