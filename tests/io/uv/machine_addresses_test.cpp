#include "io/uv/machine_addresses.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "io/uv/socket.h"

namespace adieu::uv {
namespace {

TEST(MachineAddresses, those_that_can_be_bound_are_among_them) {
  const auto own = machine_addresses().own;
  ASSERT_FALSE(own.empty());
  EXPECT_NE(std::find(own.begin(), own.end(), *IpAddress::parse("127.0.0.1")), own.end());
  EXPECT_EQ(std::find(own.begin(), own.end(), *IpAddress::parse("192.0.2.1")), own.end());
  for (const IpAddress& address : own) {
    if (address.is_v6()) continue;  // a link-local one needs its interface's name
    EXPECT_TRUE(listen_tcp({address, 0})) << address.text();
  }
}

}  // namespace
}  // namespace adieu::uv
