#include "adieu/relay/deliver/connection_budget.h"

#include <gtest/gtest.h>

namespace adieu::deliver {
namespace {

struct Loop {
  explicit Loop(ConnectionBudget& budget) : member(budget, [this] { ++room; }, [this] { ++spare; }) {}
  int room = 0;
  int spare = 0;
  ConnectionBudget::Member member;
};

TEST(ConnectionBudget, holds_over_all_loops) {
  ConnectionBudget budget(2);
  Loop a(budget), b(budget);
  EXPECT_TRUE(a.member.take());
  EXPECT_TRUE(b.member.take());
  EXPECT_FALSE(a.member.take());
  EXPECT_EQ(budget.used(), 2u);
}
TEST(ConnectionBudget, whoever_was_refused_is_told_of_room_the_longest_first_and_all_are_asked_to_spare_one) {
  ConnectionBudget budget(1);
  Loop a(budget), b(budget), c(budget);
  EXPECT_TRUE(a.member.take());
  EXPECT_FALSE(b.member.take());
  EXPECT_FALSE(b.member.take());
  EXPECT_FALSE(c.member.take());
  EXPECT_EQ(a.spare, 2) << "once for each that waits";
  EXPECT_EQ(b.room + c.room, 0);
  a.member.give_back();
  EXPECT_EQ(b.room, 1);
  EXPECT_EQ(c.room, 0);
  EXPECT_TRUE(b.member.take());
  b.member.give_back();
  EXPECT_EQ(c.room, 1);
}
TEST(ConnectionBudget, a_turn_that_is_not_wanted_any_more_goes_to_the_next) {
  ConnectionBudget budget(1);
  Loop a(budget), b(budget), c(budget);
  EXPECT_TRUE(a.member.take());
  EXPECT_FALSE(b.member.take());
  EXPECT_FALSE(c.member.take());
  a.member.give_back();
  b.member.pass_on();
  EXPECT_EQ(c.room, 1);
  c.member.pass_on();
  EXPECT_EQ(a.room + b.room + c.room, 2);
}
TEST(ConnectionBudget, a_loop_that_is_gone_is_not_told) {
  ConnectionBudget budget(1);
  Loop a(budget), c(budget);
  EXPECT_TRUE(a.member.take());
  {
    Loop b(budget);
    EXPECT_FALSE(b.member.take());
  }
  EXPECT_FALSE(c.member.take());
  a.member.give_back();
  EXPECT_EQ(c.room, 1);
}
TEST(OutboundConnections, are_those_of_the_policy_where_they_fit_and_else_their_share) {
  EXPECT_EQ(outbound_connections(1000, 2000, 1'048'576, 600), 1000u);
  EXPECT_EQ(outbound_connections(1000, 2000, 3600, 600), 1000u);
  EXPECT_EQ(outbound_connections(1000, 2000, 3599, 600), 999u);
  EXPECT_EQ(outbound_connections(1000, 2000, 900, 600), 100u);
  EXPECT_EQ(outbound_connections(1000, 2000, 600, 600), 1u);
  EXPECT_EQ(outbound_connections(1000, 2000, 10, 600), 1u);
}

}  // namespace
}  // namespace adieu::deliver
