#include "io/rocksdb/ledger_store.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "faulty_disk.h"
#include "io/rocksdb/rocksdb_spool.h"
#include "spool_directory.h"

namespace adieu::rocksdb {
namespace {

constexpr WallTime kNow = WallTime(Duration(1'790'000'000'000));

void add(observe::Ledger& ledger, const std::string& name) {
  observe::ClosureRecord record;
  record.end.secure = true;
  record.end.peer_name = name;
  record.end.transactions = 3;
  record.peer.address = *IpAddress::parse("192.0.2.1");
  ledger.add(record, config::Alarm::unusual, false, kNow);
}

std::set<std::string> names(const observe::Ledger& ledger) {
  std::set<std::string> all;
  for (const auto& entry : ledger.peers(kNow)) all.insert(entry.key.name);
  return all;
}

class LedgerStoreTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directory(directory.options.directory); }
  std::unique_ptr<LedgerStore> open() {
    auto store = LedgerStore::open(directory.options.directory, directory.log);
    EXPECT_TRUE(store) << (store ? "" : store.error().message);
    return store ? std::move(*store) : nullptr;
  }
  SpoolDirectory directory;
};

TEST_F(LedgerStoreTest, keeps_peers_over_a_restart_and_forgets_those_that_gave_way) {
  observe::Ledger ledger(4);
  for (const char* name : {"one", "two", "three", "four"}) add(ledger, name);
  ASSERT_TRUE(open()->save(ledger.take_changes()));
  for (int i = 0; i < 3; ++i) {
    for (const char* name : {"two", "three", "four"}) add(ledger, name);
  }
  add(ledger, "five");
  ASSERT_TRUE(open()->save(ledger.take_changes()));
  observe::Ledger restored(4);
  EXPECT_EQ(open()->load(restored).value(), 0u);
  EXPECT_EQ(names(restored), (std::set<std::string>{"two", "three", "four", "five"}));
  EXPECT_EQ(names(restored), names(ledger));
}
TEST_F(LedgerStoreTest, is_read_beside_the_relay_that_writes_it) {
  observe::Ledger ledger(4);
  add(ledger, "one");
  const auto writer = open();
  ASSERT_TRUE(writer->save(ledger.take_changes()));
  const auto reader = LedgerStore::open_to_read(directory.options.directory);
  ASSERT_TRUE(reader) << reader.error().message;
  observe::Ledger read(4);
  EXPECT_EQ((*reader)->load(read).value(), 0u);
  EXPECT_EQ(names(read), names(ledger));
  EXPECT_EQ(LedgerStore::open_to_read(directory.options.directory + "/none").error().kind, ErrorKind::not_found);
}
TEST_F(LedgerStoreTest, leaves_out_a_damaged_record_and_says_so) {
  observe::Ledger ledger(4);
  add(ledger, "one");
  auto changes = ledger.take_changes();
  changes.emplace_back("s192.0.2.0/24\ndamaged", "\1nonsense");
  ASSERT_TRUE(open()->save(changes));
  observe::Ledger restored(4);
  EXPECT_EQ(open()->load(restored).value(), 1u);
  EXPECT_EQ(names(restored), std::set<std::string>{"one"});
}
// What a full disk costs is what was counted in a minute, and only if the relay ends before there is room.
TEST_F(LedgerStoreTest, is_opened_anew_when_a_disk_that_failed_takes_writes_again) {
  test::FaultyDisk disk(directory.options.directory);
  observe::Ledger ledger(4);
  const auto store = open();
  const auto save = [&] { return ledger.save([&](const auto& changes) { return store->save(changes); }); };
  add(ledger, "one");
  ASSERT_TRUE(save());
  for (int nth = 1; nth < 4; ++nth) {
    disk.fail(nth, ENOSPC, true);
    for (int i = 0; i < 3; ++i) {
      add(ledger, "two");
      const auto saved = save();
      if (i >= nth) {
        EXPECT_EQ(saved.error().kind, ErrorKind::no_space);
      }
    }
    disk.mend();
    add(ledger, "three");
    ASSERT_TRUE(save());
    observe::Ledger read(4);
    EXPECT_EQ((*LedgerStore::open_to_read(directory.options.directory))->load(read).value(), 0u);
    EXPECT_EQ(names(read), (std::set<std::string>{"one", "two", "three"}));
  }
}
TEST_F(LedgerStoreTest, trouble_with_it_is_no_trouble_for_the_spool_beside_it) {
  std::ofstream(directory.options.directory + "/ledger") << "a file where its directory should be";
  EXPECT_FALSE(LedgerStore::open(directory.options.directory, directory.log));
  EXPECT_NE(directory.open(), nullptr);
}

}  // namespace
}  // namespace adieu::rocksdb
