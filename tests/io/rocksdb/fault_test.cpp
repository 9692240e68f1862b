// A disk that fails at the Nth write or sync, for every N: never is an acknowledged message lost, and mail is taken again where the disk
// recovers.
#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <thread>

#include "faulty_disk.h"
#include "spool_directory.h"

namespace adieu::rocksdb {
namespace {

using test::FaultyDisk;
using test::mail_data_of;
using test::SpoolSession;

struct Promise {
  bool acknowledged = false;
  bool finished = false;  // its end was asked for, and may have come
};

/// Six messages, every third large, two of them finished, one in two steps, and some deferred; whatever fails, it goes on. Nothing waits for a settlement, which may last as
/// long as the disk takes nothing.
std::map<std::uint64_t, Promise> use(SpoolSession& session, std::uint64_t first) {
  std::map<std::uint64_t, Promise> promises;
  for (std::uint64_t seed = first; seed < first + 6; ++seed) {
    const auto kept = session.store(mail_data_of(seed % 3 == 2 ? 9000 : 700, seed), test::head_to({"to", "other"}, std::to_string(seed)));
    promises[seed].acknowledged = kept.has_value();
    if (!kept) continue;
    const spool::Claimed& claimed = kept->front();
    if (seed % 3 == 1) session.start_settle({{{claimed.claim, {1}}}, {}});
    if (seed - first > 3) {
      session.start_settle({{test::deferred(claimed, {0, 1}, {})}, {}});
      continue;
    }
    if (seed - first < 3 && seed % 3 != 0) continue;
    promises[seed].finished = true;
    session.start_settle({{test::done_with(claimed)}, {}});
  }
  return promises;
}

void expect_kept(SpoolDirectory& directory, const std::map<std::uint64_t, Promise>& promises) {
  const auto spool = directory.open();
  ASSERT_TRUE(spool);
  SpoolSession session(*spool);
  std::map<std::uint64_t, int> found;
  for (const auto& stored : session.claim()) {
    const std::uint64_t seed = std::stoull(stored.head->client);
    ++found[seed];
    const auto whole = session.read(*stored.head);
    ASSERT_TRUE(whole.has_value()) << whole.error().message;
    EXPECT_TRUE(*whole == mail_data_of(stored.head->size, seed)) << "half a message";
  }
  for (const auto& [seed, promise] : promises) {
    if (promise.acknowledged && !promise.finished) {
      EXPECT_EQ(found[seed], 1) << seed << " was acknowledged and is lost";
    }
    if (!promise.acknowledged || promise.finished) {
      EXPECT_EQ(found[seed], 0) << seed << (promise.finished ? " was finished" : " was refused") << " and is back";
    }
  }
  EXPECT_EQ(directory.log.count("event=spool-record") + directory.log.count("event=rocksdb"), 0u) << testing::PrintToString(directory.log.lines());
}

struct Failure {
  std::string name;
  int error;
  bool for_good;
};
void PrintTo(const Failure& failure, std::ostream* out) { *out << failure.name; }

class Fault : public testing::TestWithParam<Failure> {};

TEST_P(Fault, R11_a_failure_at_any_write_loses_nothing_that_was_acknowledged) {
  int nth = 1;
  for (bool came = true; came; ++nth) {
    SCOPED_TRACE("write or sync " + std::to_string(nth));
    ASSERT_LT(nth, 500) << "it never ends";
    SpoolDirectory directory;
    FaultyDisk disk(directory.options.directory);
    auto spool = directory.open();
    ASSERT_TRUE(spool);
    SpoolSession session(*spool);
    auto promises = use(session, 0);
    disk.fail(nth, GetParam().error, GetParam().for_good);
    promises.merge(use(session, 10));
    came = disk.has_failed();
    disk.mend();
    promises.merge(use(session, 20));
    spool.reset();
    expect_kept(directory, promises);
    if (HasFailure()) return;
  }
  EXPECT_GT(nth, 20) << "the failures never came";
}

INSTANTIATE_TEST_SUITE_P(Disk, Fault,
                         testing::Values(Failure{"full_once", ENOSPC, false}, Failure{"full", ENOSPC, true}, Failure{"broken_once", EIO, false},
                                         Failure{"broken", EIO, true}),
                         [](const auto& tested) { return tested.param.name; });

TEST(FaultyDisk, a_full_disk_is_told_once_and_mail_is_taken_again_when_there_is_room) {
  SpoolDirectory directory;
  FaultyDisk disk(directory.options.directory);
  auto spool = directory.open();
  SpoolSession session(*spool);
  ASSERT_TRUE(session.store("before"));
  disk.fail(1, ENOSPC, true);
  EXPECT_EQ(session.store("while").error().kind, ErrorKind::no_space);
  EXPECT_EQ(session.begin().error().kind, ErrorKind::no_space);
  EXPECT_EQ(directory.log.count("event=spool-trouble"), 1u);
  disk.mend();
  while (!session.begin()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_TRUE(session.store("after"));
  EXPECT_EQ(directory.log.count("event=spool-recovered"), 1u);
  EXPECT_EQ(directory.log.count("event=spool-trouble"), 1u);
  spool.reset();
  spool = directory.open();
  EXPECT_EQ(SpoolSession(*spool).claim().size(), 2u) << "what was refused was withdrawn";
}

// Five thousand deliveries were made again after a disk had failed to sync once: what came of them could not be recorded until a restart.
TEST(FaultyDisk, a_settlement_waits_until_the_disk_takes_it) {
  for (const int error : {EIO, ENOSPC, EMFILE}) {
    SpoolDirectory directory;
    FaultyDisk disk(directory.options.directory);
    auto spool = directory.open();
    SpoolSession session(*spool);
    std::vector<spool::Claimed> all;
    for (int i = 0; i < 20; ++i) all.push_back(session.store("x")->front());
    disk.fail(1, error, true);
    int settled = 0;
    for (const spool::Claimed& each : all) {
      spool->settle({{test::done_with(each)}, {}}, session.executor, [&](const auto& result) { settled += result.has_value(); });
    }
    EXPECT_FALSE(session.store("refused"));
    EXPECT_TRUE(spool->trouble()) << "nobody should deliver what cannot be settled";
    EXPECT_EQ(settled, 0);
    disk.mend();
    session.executor.run_until([&] { return settled == 20; });
    EXPECT_FALSE(spool->trouble());
    spool.reset();
    EXPECT_EQ(directory.keys(), 0u);
  }
}

TEST(FaultyDisk, the_end_does_not_wait_for_a_disk_that_takes_nothing) {
  SpoolDirectory directory;
  {
    FaultyDisk disk(directory.options.directory);
    auto spool = directory.open();
    SpoolSession session(*spool);
    const auto kept = session.store("kept");
    ASSERT_TRUE(kept);
    disk.fail(1, EIO, true);
    session.start_settle({{test::done_with(kept->front())}, {}});
    EXPECT_FALSE(session.store("refused"));
    spool.reset();
    EXPECT_EQ(directory.log.count("event=spool-frozen"), 1u);
    EXPECT_EQ(disk.unsynced() == "", false);
  }
  const auto spool = directory.open();
  EXPECT_FALSE(spool->recall(std::chrono::hours(4), 100)->ended_in_order);
  const auto stored = SpoolSession(*spool).claim();
  ASSERT_GE(stored.size(), 1u) << "what could not be settled is there";
}

TEST(FaultyDisk, what_was_set_aside_is_used_when_the_disk_is_full_and_set_aside_again_later) {
  SpoolDirectory directory;
  directory.options.reserve = 1 << 20;
  const std::filesystem::path reserve = directory.options.directory + "/reserve";
  FaultyDisk disk(directory.options.directory);
  auto spool = directory.open();
  SpoolSession session(*spool);
  EXPECT_EQ(std::filesystem::file_size(reserve), 1u << 20);
  disk.fail(1, ENOSPC, false);
  EXPECT_TRUE(session.store("stored where there was no room, by what was set aside"));
  EXPECT_EQ(directory.log.count("event=spool-reserve"), 1u);
  EXPECT_EQ(directory.log.count("event=spool-trouble"), 0u);
  while (!std::filesystem::exists(reserve)) {
    EXPECT_TRUE(session.begin());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

TEST(FaultyDisk, R10_a_withdrawal_that_could_not_be_written_is_written_when_there_is_room) {
  SpoolDirectory directory;
  FaultyDisk disk(directory.options.directory);
  auto spool = directory.open();
  SpoolSession session(*spool);
  const auto kept = session.store("kept");
  ASSERT_TRUE(kept);
  auto transaction = session.begin();
  ASSERT_TRUE(session.commit(**transaction, test::head_to({"to"})));
  disk.fail(1, ENOSPC, true);
  transaction->reset();
  while (!spool->trouble()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  disk.mend();
  while (!session.begin()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  spool.reset();
  spool = directory.open();
  const auto stored = SpoolSession(*spool).claim();
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_EQ(stored[0].head->id, kept->front().head->id);
}

TEST(FaultyDisk, a_file_that_cannot_be_written_fails_its_own_message_alone) {
  SpoolDirectory directory;
  FaultyDisk disk(directory.options.directory);
  auto spool = directory.open();
  SpoolSession session(*spool);
  disk.fail(1, ENOSPC, false);
  EXPECT_EQ(session.store(mail_data_of(9000, 1)).error().kind, ErrorKind::no_space);
  disk.fail(2, EIO, false);
  EXPECT_EQ(session.store(mail_data_of(9000, 1)).error().kind, ErrorKind::io);
  EXPECT_TRUE(session.store("small"));
  EXPECT_TRUE(session.store(mail_data_of(9000, 2)));
  spool.reset();
  EXPECT_EQ(directory.files().size(), 1u);
}

TEST(FaultyDisk, what_may_not_be_written_is_an_error_of_the_start_and_nothing_to_wait_for) {
  for (const int nth : {1, 2}) {  // a file of ours, and one of RocksDB's
    SpoolDirectory directory;
    FaultyDisk disk(directory.options.directory);
    disk.fail(nth, nth == 1 ? EACCES : EROFS, true);
    const auto spool = open_spool(directory.options, directory.log);
    ASSERT_FALSE(spool);
    EXPECT_NE(spool.error().message.find(directory.options.directory), std::string::npos) << spool.error().message;
    EXPECT_EQ(directory.log.count("event=spool-trouble"), 0u);
    disk.mend();
    EXPECT_TRUE(directory.open());
  }
}

TEST(FaultyDisk, R11_a_commit_completes_when_nothing_of_it_is_left_to_be_synced) {
  SpoolDirectory directory;
  FaultyDisk disk(directory.options.directory);
  auto spool = directory.open();
  SpoolSession session(*spool);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto kept = session.store(mail_data_of(seed % 3 == 2 ? 9000 : 700, seed), test::head_to({"to", "other"}));
    ASSERT_TRUE(kept);
    EXPECT_EQ(disk.unsynced(), "");
    const spool::Claimed& claimed = kept->front();
    ASSERT_TRUE(session.settle({{{claimed.claim, {0}}}, {}}));
    EXPECT_NE(disk.unsynced(), "") << "a settlement waits for the next sync, or this test sees nothing";
    const spool::MessageHead told = test::head_to({"from"});
    ASSERT_FALSE(session.settle({{test::done_with(claimed)}, {{told, test::one_job(told).front(), "a notification"}}})->late);
    EXPECT_EQ(disk.unsynced(), "");
  }
}

TEST(FaultyDisk, R9_a_file_goes_only_after_its_record_is_gone_for_good) {
  SpoolDirectory directory;
  FaultyDisk disk(directory.options.directory);
  auto spool = directory.open();
  SpoolSession session(*spool);
  const auto finished = session.store(mail_data_of(9000, 1));
  ASSERT_TRUE(finished);
  ASSERT_TRUE(session.finish(*finished));
  {
    auto revoked = session.begin();
    ASSERT_TRUE(session.append(**revoked, mail_data_of(9000, 2)));
    ASSERT_TRUE(session.commit(**revoked, test::head_to({"to"})));
  }
  spool.reset();
  EXPECT_EQ(disk.early_unlinks(), 0);
  EXPECT_TRUE(directory.files().empty());
}

}  // namespace
}  // namespace adieu::rocksdb
