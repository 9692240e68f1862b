#include "adieu/relay/route/local_addresses.h"

#include <gtest/gtest.h>

namespace adieu::route {
namespace {
using config::LocalAddresses;

IpAddress at(std::string_view text) { return *IpAddress::parse(text); }

const MachineAddresses kMachine{{at("198.51.100.7"), at("2001:db8::7"), at("10.0.0.7")}, {at("198.51.100.255")}};

std::string status_of(const char* address, LocalAddresses setting) {
  const auto refused = refusal("mx.example.net", at(address), kMachine, setting, "internet");
  if (!refused) return "dialled";
  EXPECT_EQ(refused->fate, smtp::Fate::failed);
  EXPECT_NE(refused->detail.find(address), std::string::npos) << refused->detail;
  EXPECT_NE(refused->detail.find(setting == LocalAddresses::no ? "`local-addresses no`" : "`local-addresses private`"), std::string::npos) << refused->detail;
  EXPECT_NE(refused->detail.find("next-hop internet"), std::string::npos) << refused->detail;
  return refused->status.text();
}

TEST(LocalAddresses, this_machine_is_refused_in_every_form_of_its_addresses) {
  for (const char* address : {"127.0.0.1", "127.0.0.2", "127.255.255.254", "0.0.0.0", "0.1.2.3", "::", "::1", "198.51.100.7", "2001:db8::7", "10.0.0.7",
                              "::127.0.0.1", "::198.51.100.7", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:c633:6407::1"}) {
    EXPECT_EQ(status_of(address, LocalAddresses::private_too), "5.4.6") << address;
    EXPECT_EQ(status_of(address, LocalAddresses::no), "5.4.6") << address;
    EXPECT_EQ(status_of(address, LocalAddresses::yes), "dialled") << address;
  }
  for (const char* mapped : {"::ffff:127.0.0.1", "::ffff:198.51.100.7", "::ffff:0:0"}) EXPECT_EQ(kind_of(at(mapped), kMachine), AddressKind::ourselves) << mapped;
}
TEST(LocalAddresses, groups_of_hosts_are_refused) {
  for (const char* address : {"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "198.51.100.255", "ff02::1", "64:ff9b::e000:1"}) {
    EXPECT_EQ(status_of(address, LocalAddresses::private_too), "5.4.4") << address;
    EXPECT_EQ(status_of(address, LocalAddresses::no), "5.4.4") << address;
  }
}
TEST(LocalAddresses, private_networks_are_refused_by_no_alone) {
  for (const char* address : {"10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.1.1", "100.64.0.1", "100.127.255.254", "169.254.1.1", "fc00::1",
                              "fd12:3456::1", "fe80::1", "64:ff9b::a00:1"}) {
    EXPECT_EQ(status_of(address, LocalAddresses::private_too), "dialled") << address;
    EXPECT_EQ(status_of(address, LocalAddresses::no), "5.4.4") << address;
  }
}
TEST(LocalAddresses, all_others_are_dialled) {
  for (const char* address : {"192.0.2.1", "1.0.0.1", "128.0.0.1", "172.15.0.1", "172.32.0.1", "100.63.255.255", "100.128.0.1", "223.255.255.255", "192.167.1.1",
                              "2001:db8::1", "::2:0:0:0", "64:ff9b::c000:201", "2002:c000:201::1", "fbff::1", "fec0::1"}) {
    EXPECT_EQ(status_of(address, LocalAddresses::no), "dialled") << address;
  }
}

}  // namespace
}  // namespace adieu::route
