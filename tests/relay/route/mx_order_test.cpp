#include "adieu/relay/route/mx_order.h"

#include <gtest/gtest.h>

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
TEST(MxOrder, trouble_with_the_name_service_defers_and_no_domain_fails) {
  const auto temporary = order({}, dns::Status::temporary);
  EXPECT_EQ(std::get<smtp::Outcome>(temporary).fate, smtp::Fate::deferred);
  EXPECT_EQ(status_of(temporary), (smtp::EnhancedStatus{4, 4, 3}));
  EXPECT_EQ(status_of(order({}, dns::Status::no_domain)), (smtp::EnhancedStatus{5, 1, 2}));
  EXPECT_EQ(std::get<smtp::Outcome>(order({}, dns::Status::bogus)).fate, smtp::Fate::deferred);
}

}  // namespace
}  // namespace adieu::route
