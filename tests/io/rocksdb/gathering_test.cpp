// For how many transactions a sync waits.
#include <gtest/gtest.h>

#include <algorithm>

#include "io/rocksdb/committer.h"

namespace adieu::rocksdb {
namespace {

/// `clients` that each have one transaction at a time, beside others that are `slow`: all clients come in time, if as many are wanted. Returns how many
/// batches fell short, each after the longest wait.
int short_of(Gathering& gathering, std::size_t clients, std::size_t slow, int batches) {
  int fell_short = 0;
  for (int i = 0; i < batches; ++i) {
    std::size_t came = 1;
    while (came < clients && !gathering.enough(came, clients + slow)) ++came;
    fell_short += !gathering.enough(came, clients + slow);
    gathering.came(came, clients + slow);
  }
  return fell_short;
}
std::size_t gathered(const Gathering& gathering, std::size_t open) {
  std::size_t count = 1;
  while (!gathering.enough(count, open)) ++count;
  return count;
}

TEST(Gathering, a_client_alone_never_waits_for_others) {
  Gathering gathering;
  EXPECT_EQ(short_of(gathering, 1, 0, 1000), 0);
  short_of(gathering, 50, 0, 1000);
  EXPECT_EQ(short_of(gathering, 1, 0, 1000), 0) << "nor where there was a crowd";
}

TEST(Gathering, few_clients_do_not_all_wait_for_one_another) {
  Gathering gathering;
  EXPECT_EQ(short_of(gathering, 5, 0, 1000), 0);
  EXPECT_EQ(gathered(gathering, 5), 1u);
}

TEST(Gathering, many_clients_come_to_share_a_sync) {
  Gathering gathering;
  EXPECT_EQ(short_of(gathering, 50, 0, 200), 0);
  EXPECT_GT(gathered(gathering, 50), 10u);
}

TEST(Gathering, slow_clients_are_seldom_waited_for) {
  Gathering gathering;
  EXPECT_LE(short_of(gathering, 1, 200, 1000), 10);
  short_of(gathering, 50, 200, 1000);
  EXPECT_LE(short_of(gathering, 2, 200, 1000), 40) << "nor for long where there was a crowd";
}

TEST(Gathering, has_a_limit) {
  Gathering gathering;
  short_of(gathering, 10'000, 0, 5000);
  EXPECT_LE(gathered(gathering, 10'000), 64u);
}

}  // namespace
}  // namespace adieu::rocksdb
