#include "adieu/relay/route/address_order.h"

#include <gtest/gtest.h>

#include <string>

namespace adieu::route {
namespace {

IpAddress six(int number) { return *IpAddress::parse("2001:db8::" + std::to_string(number)); }
IpAddress four(int number) { return *IpAddress::parse("192.0.2." + std::to_string(number)); }

TEST(AddressOrder, the_families_take_turns_ipv6_first) {
  EXPECT_EQ(families_in_turn({six(1), six(2), six(3), four(1)}), (std::vector{six(1), four(1), six(2), six(3)}));
  EXPECT_EQ(families_in_turn({four(1), four(2), six(1)}), (std::vector{six(1), four(1), four(2)}));
  EXPECT_EQ(families_in_turn({four(2), four(1)}), (std::vector{four(2), four(1)}));
  EXPECT_TRUE(families_in_turn({}).empty());
}

}  // namespace
}  // namespace adieu::route
