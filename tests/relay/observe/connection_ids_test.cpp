#include "adieu/relay/observe/connection_ids.h"

#include <gtest/gtest.h>

namespace adieu::observe {
namespace {
using namespace std::chrono_literals;
TEST(ConnectionIds, are_short_and_never_the_same_in_another_run_either) {
  ConnectionIds first(WallTime(0x6928a1f3s + 999ms));
  EXPECT_EQ(first.next(), "6928a1f3.1");
  EXPECT_EQ(first.next(), "6928a1f3.2");
  EXPECT_EQ(ConnectionIds(WallTime(0x6928a1f4s)).next(), "6928a1f4.1");
}
}  // namespace
}  // namespace adieu::observe
