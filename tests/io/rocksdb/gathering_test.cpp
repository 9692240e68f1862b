// For how many transactions a sync waits.
#include <gtest/gtest.h>

#include <algorithm>

#include "io/rocksdb/committer.h"

namespace adieu::rocksdb {
namespace {

/// `clients` that each have one transaction at a time: all of them come in time, if as many are wanted. Returns how many batches fell short.
int short_of(Gathering& gathering, std::size_t clients, int batches) {
  int fell_short = 0;
  for (int i = 0; i < batches; ++i) {
    const std::size_t wanted = gathering.wanted();
    fell_short += wanted > clients;
    gathering.came(std::min(clients, wanted));
  }
  return fell_short;
}

TEST(Gathering, a_client_alone_seldom_waits_for_others) {
  Gathering gathering;
  EXPECT_LE(short_of(gathering, 1, 1000), 1000 / 32);
}

TEST(Gathering, many_clients_come_to_share_a_sync) {
  Gathering gathering;
  EXPECT_EQ(short_of(gathering, 50, 20), 0);
  EXPECT_GT(gathering.wanted(), 10u);
}

TEST(Gathering, a_crowd_that_has_gone_is_waited_for_once) {
  Gathering gathering;
  short_of(gathering, 50, 40);
  EXPECT_LE(short_of(gathering, 2, 30), 1);
}

TEST(Gathering, has_a_limit) {
  Gathering gathering;
  short_of(gathering, 10'000, 1000);
  EXPECT_LE(gathering.wanted(), 64u);
}

}  // namespace
}  // namespace adieu::rocksdb
