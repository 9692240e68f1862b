#include "adieu/relay/deliver/connection_budget.h"

#include <gtest/gtest.h>

namespace adieu::deliver {
namespace {

constexpr auto kReached = Standing::reached;
constexpr auto kUnreached = Standing::unreached;

struct Loop {
  explicit Loop(ConnectionBudget& budget) : member(budget, [this] { ++room; }, [this] { ++spare; }) {}
  int room = 0;
  int spare = 0;
  ConnectionBudget::Member member;
};

TEST(ConnectionBudget, holds_over_all_loops) {
  ConnectionBudget budget(2);
  Loop a(budget), b(budget);
  EXPECT_TRUE(a.member.take(kReached));
  EXPECT_TRUE(b.member.take(kReached));
  EXPECT_FALSE(a.member.take(kReached));
  EXPECT_EQ(budget.used(), 2u);
}
TEST(ConnectionBudget, whoever_was_refused_is_told_of_room_the_longest_first_and_all_are_asked_to_spare_one) {
  ConnectionBudget budget(1);
  Loop a(budget), b(budget), c(budget);
  EXPECT_TRUE(a.member.take(kReached));
  EXPECT_FALSE(b.member.take(kReached));
  EXPECT_FALSE(b.member.take(kReached));
  EXPECT_FALSE(c.member.take(kReached));
  EXPECT_EQ(a.spare, 2) << "once for each that waits";
  EXPECT_EQ(b.room + c.room, 0);
  a.member.give_back(kReached);
  EXPECT_EQ(b.room, 1);
  EXPECT_EQ(c.room, 0);
  EXPECT_TRUE(b.member.take(kReached));
  b.member.give_back(kReached);
  EXPECT_EQ(c.room, 1);
}
TEST(ConnectionBudget, a_turn_that_is_not_wanted_any_more_goes_to_the_next) {
  ConnectionBudget budget(1);
  Loop a(budget), b(budget), c(budget);
  EXPECT_TRUE(a.member.take(kReached));
  EXPECT_FALSE(b.member.take(kReached));
  EXPECT_FALSE(c.member.take(kReached));
  a.member.give_back(kReached);
  b.member.withdraw(kReached);
  b.member.pass_on();
  EXPECT_EQ(c.room, 1);
  c.member.withdraw(kReached);
  c.member.pass_on();
  EXPECT_EQ(a.room + b.room + c.room, 2);
}
TEST(ConnectionBudget, a_loop_that_is_gone_is_not_told) {
  ConnectionBudget budget(1);
  Loop a(budget), c(budget);
  EXPECT_TRUE(a.member.take(kReached));
  {
    Loop b(budget);
    EXPECT_FALSE(b.member.take(kReached));
  }
  EXPECT_FALSE(c.member.take(kReached));
  a.member.give_back(kReached);
  EXPECT_EQ(c.room, 1);
}
TEST(ConnectionBudget, destinations_that_do_not_answer_leave_a_tenth_to_those_that_do) {
  ConnectionBudget budget(20);
  Loop a(budget), b(budget);
  int unreached = 0;
  while (a.member.take(kUnreached)) ++unreached;
  EXPECT_EQ(unreached, 18);
  EXPECT_EQ(a.spare + b.spare, 0) << "the end of a connection that idles would not help";
  EXPECT_FALSE(b.member.others_wait());
  EXPECT_TRUE(b.member.take(kReached));
  EXPECT_TRUE(b.member.take(kReached));
  EXPECT_FALSE(b.member.take(kReached));
  EXPECT_TRUE(b.member.others_wait());
  a.member.give_back(kUnreached);
  EXPECT_EQ(a.room, 1) << "two have reached their destination: the longest that waits has its turn";
  EXPECT_TRUE(a.member.take(kUnreached));
  b.member.give_back(kReached);
  EXPECT_EQ(b.room, 1);
}
TEST(ConnectionBudget, a_connection_that_reaches_its_destination_makes_room_for_one_that_has_not) {
  ConnectionBudget budget(2);
  Loop a(budget);
  EXPECT_TRUE(a.member.take(kUnreached));
  EXPECT_FALSE(a.member.take(kUnreached));
  a.member.reached();
  EXPECT_EQ(a.room, 1);
  EXPECT_TRUE(a.member.take(kUnreached));
  a.member.give_back(kUnreached);
  a.member.give_back(kReached);
  EXPECT_EQ(budget.used(), 0u);
}
TEST(ConnectionBudget, a_turn_goes_past_those_for_whom_there_is_no_room) {
  ConnectionBudget budget(2);
  Loop a(budget), b(budget);
  EXPECT_TRUE(a.member.take(kUnreached));
  EXPECT_TRUE(a.member.take(kReached));
  EXPECT_FALSE(a.member.take(kUnreached));
  EXPECT_FALSE(b.member.take(kReached));
  a.member.give_back(kReached);
  EXPECT_EQ(a.room, 0);
  EXPECT_EQ(b.room, 1);
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
