// RFC 9525 section 6: which names in a certificate are a host's.
#include "adieu/protocol/tls/host_names.h"

#include <gtest/gtest.h>

namespace adieu::tls {
namespace {

TEST(HostNames, are_compared_whole_and_in_any_case) {
  EXPECT_TRUE(is_name_of("mx.example.org", "mx.example.org"));
  EXPECT_TRUE(is_name_of("MX.Example.ORG", "mx.eXample.org."));
  EXPECT_TRUE(is_name_of("mx.example.org.", "mx.example.org"));
  EXPECT_TRUE(is_name_of("mail_relay", "mail_relay"));
  for (const char* const other : {"mx.example.org.evil.example", "x.example.org", "example.org", "amx.example.org", "", "."}) {
    EXPECT_FALSE(is_name_of(other, "mx.example.org")) << other;
  }
  EXPECT_FALSE(is_name_of("", ""));
  EXPECT_FALSE(is_name_of(std::string_view("mx.example.org\0.evil.example", 28), "mx.example.org"));
}

TEST(HostNames, a_wildcard_is_one_whole_label_the_first) {
  EXPECT_TRUE(is_name_of("*.example.org", "mx.example.org"));
  EXPECT_TRUE(is_name_of("*.EXAMPLE.org", "MX.example.org"));
  EXPECT_FALSE(is_name_of("*.example.org", "example.org"));
  EXPECT_FALSE(is_name_of("*.example.org", ".example.org"));
  EXPECT_FALSE(is_name_of("*.example.org", "a.mx.example.org"));
  EXPECT_FALSE(is_name_of("*.example.org", "mx.example.net"));
  for (const char* const partial : {"m*.example.org", "*x.example.org", "m*x.example.org", "mx.*.org", "*.*.org", "**.example.org", "*", "*.org", "*.org.", "*."}) {
    EXPECT_FALSE(is_name_of(partial, "mx.example.org")) << partial;
    EXPECT_FALSE(is_name_of(partial, "example.org")) << partial;
  }
}

TEST(HostNames, an_address_literal_is_the_address_within) {
  EXPECT_EQ(without_brackets("[192.0.2.1]"), "192.0.2.1");
  EXPECT_EQ(without_brackets("[IPv6:2001:db8::1]"), "2001:db8::1");
  EXPECT_EQ(without_brackets("[ipv6:::1]"), "::1");
  EXPECT_EQ(without_brackets("mx.example.org"), "mx.example.org");
  EXPECT_EQ(without_brackets("["), "[");
}

TEST(HostNames, a_mismatch_names_both_sides_shortened_and_escaped) {
  EXPECT_EQ(name_mismatch("mx.example.org", {"a.example", "*.b.example"}), "the certificate is not for mx.example.org: it names a.example, *.b.example");
  EXPECT_EQ(name_mismatch("mx.example.org", {}), "the certificate is not for mx.example.org: it names no host");
  EXPECT_EQ(name_mismatch("h", {"1", "2", "3", "4", "5", "6", "7"}), "the certificate is not for h: it names 1, 2, 3, 4, 5 and 2 more");
  const std::string hostile = name_mismatch("h", std::vector<std::string>(100, "a\r\nevent=" + std::string(5000, 'x')));
  EXPECT_EQ(hostile.find_first_of("\r\n"), std::string::npos);
  EXPECT_LT(hostile.size(), 600u);
}

}  // namespace
}  // namespace adieu::tls
