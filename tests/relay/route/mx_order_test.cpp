#include "adieu/relay/route/mx_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace adieu::route {
namespace {

std::variant<Hosts, smtp::Outcome> order(std::vector<dns::MailExchanger> records, dns::Status status = dns::Status::found, std::uint64_t shuffle = 1) {
  return order_exchangers("example.net", {status, std::move(records), false, "why"}, {"relay.example.org"}, shuffle);
}
smtp::EnhancedStatus status_of(const std::variant<Hosts, smtp::Outcome>& result) { return std::get<smtp::Outcome>(result).status; }

TEST(MxOrder, goes_by_preference) {
  EXPECT_EQ(std::get<Hosts>(order({{20, "b"}, {10, "a"}, {30, "c"}})), (Hosts{"a", "b", "c"}));
}
TEST(MxOrder, divides_the_load_among_equals) {
  std::set<std::string> first;
  for (std::uint64_t i = 0; i < 50; ++i) first.insert(std::get<Hosts>(order({{10, "a"}, {10, "b"}, {10, "c"}}, dns::Status::found, i)).front());
  EXPECT_EQ(first.size(), 3u);
}
TEST(MxOrder, without_records_the_domain_is_its_own_exchanger) {
  EXPECT_EQ(std::get<Hosts>(order({}, dns::Status::no_data)), Hosts{"example.net"});
}
TEST(MxOrder, a_null_mx_takes_no_mail) { EXPECT_EQ(status_of(order({{0, ""}})), (smtp::EnhancedStatus{5, 1, 10})); }
TEST(MxOrder, leaves_out_ourselves_and_all_that_are_no_better) {
  EXPECT_EQ(std::get<Hosts>(order({{10, "a"}, {20, "relay.example.org"}, {20, "b"}, {30, "c"}})), Hosts{"a"});
  EXPECT_EQ(status_of(order({{10, "RELAY.example.org"}, {20, "b"}})), (smtp::EnhancedStatus{5, 4, 6}));
}
TEST(MxOrder, an_exchanger_that_is_written_like_an_address_has_none) {
  for (const char* name : {"192.0.2.1", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_EQ(status_of(order({{10, name}})), (smtp::EnhancedStatus{5, 4, 4})) << name;
    EXPECT_EQ(std::get<Hosts>(order({{10, name}, {20, "b"}})), Hosts{"b"}) << name;
  }
}
TEST(MxOrder, behind_an_exchanger_that_was_tried_are_those_that_are_no_better) {
  const std::vector<dns::MailExchanger> records = {{10, "a"}, {20, "b"}, {20, "c"}, {30, "d"}};
  const auto behind = [&](const std::string& tried) {
    auto hosts = std::get<Hosts>(order_exchangers("example.net", {dns::Status::found, records, false, ""}, {}, 1, tried));
    std::sort(hosts.begin(), hosts.end());
    return hosts;
  };
  EXPECT_EQ(behind("a"), (Hosts{"b", "c", "d"}));
  EXPECT_EQ(behind("b"), (Hosts{"c", "d"}));
  EXPECT_EQ(behind("d"), Hosts{});
  EXPECT_EQ(behind("gone since"), Hosts{});
}
TEST(MxOrder, the_host_of_the_policy_file_defers_and_is_named_where_a_recipients_domain_fails) {
  const smtp::Outcome gone = no_host_address("gone.lab", "smarthost", false);
  EXPECT_EQ(gone.fate, smtp::Fate::deferred);
  EXPECT_EQ(gone.status, (smtp::EnhancedStatus{4, 4, 4}));
  EXPECT_NE(gone.detail.find("host gone.lab of next-hop smarthost"), std::string::npos) << gone.detail;
  EXPECT_EQ(no_host_address("gone.lab", "smarthost", true).status, (smtp::EnhancedStatus{4, 4, 3}));
  EXPECT_EQ(no_addresses("gone.example", false).fate, smtp::Fate::failed);
}
TEST(MxOrder, trouble_with_the_name_service_defers_and_no_domain_fails) {
  const auto temporary = order({}, dns::Status::temporary);
  EXPECT_EQ(std::get<smtp::Outcome>(temporary).fate, smtp::Fate::deferred);
  EXPECT_EQ(status_of(temporary), (smtp::EnhancedStatus{4, 4, 3}));
  EXPECT_EQ(status_of(order({}, dns::Status::no_domain)), (smtp::EnhancedStatus{5, 1, 2}));
  EXPECT_EQ(std::get<smtp::Outcome>(order({}, dns::Status::bogus)).fate, smtp::Fate::deferred);
}

}  // namespace
}  // namespace adieu::route
