#include "io/rocksdb/rocksdb_spool.h"

#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <map>
#include <thread>

#include "io/rocksdb/keys.h"
#include "spool_directory.h"
#include "support/source_tree.h"
#include "support/spool_contract.h"

namespace adieu::rocksdb {
namespace {

using test::mail_data_of;
using test::SpoolSession;

class RocksUnderTest final : public test::SpoolUnderTest {
 public:
  RocksUnderTest() : spool_(directory_.open()) {}
  spool::Spool& spool() override { return *spool_; }
  void restart() override {
    spool_.reset();
    spool_ = directory_.open();
  }
  std::size_t leftovers() override {
    spool_.reset();
    return directory_.keys() + directory_.files().size();
  }
  std::size_t large() const override { return directory_.options.large; }

 private:
  SpoolDirectory directory_;
  std::unique_ptr<spool::Spool> spool_;
};
}  // namespace
}  // namespace adieu::rocksdb

namespace adieu::test {
INSTANTIATE_TEST_SUITE_P(RocksDb, SpoolContract,
                         testing::Values(SpoolMaker{"rocksdb", [] { return std::make_unique<rocksdb::RocksUnderTest>(); }}),
                         [](const auto& tested) { return tested.param.name; });
}  // namespace adieu::test

namespace adieu::rocksdb {
namespace {

std::string large_mail_data() { return mail_data_of(20'000, 1); }

TEST(RocksSpool, makes_its_directory_for_its_own_user_alone) {
  SpoolDirectory directory;
  directory.open();
  for (const std::string& path : {directory.options.directory, directory.data().string()}) {
    struct stat found {};
    ASSERT_EQ(::stat(path.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0700u) << path;
  }
}

TEST(RocksSpool, is_opened_once) {
  SpoolDirectory directory;
  const auto spool = directory.open();
  const auto second = open_spool(directory.options, directory.log);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().kind, ErrorKind::refused);
  EXPECT_NE(second.error().message.find("another process"), std::string::npos) << second.error().message;
}

/// The machine's threads, with a wall clock that was set back by a day.
class Yesterday final : public Threads {
 public:
  std::unique_ptr<Signal> signal() override { return of_machine().signal(); }
  std::unique_ptr<Thread> start(const char* name, std::function<void()> body) override { return of_machine().start(name, std::move(body)); }
  Time now() override { return of_machine().now(); }
  std::chrono::system_clock::time_point wall() override { return of_machine().wall() - std::chrono::hours(24); }
};

TEST(RocksSpool, never_gives_an_id_twice_though_the_clock_is_set_back_and_the_message_has_left) {
  SpoolDirectory directory;
  spool::MessageId last;
  {
    const auto spool = directory.open();
    SpoolSession session(*spool);
    const auto kept = session.store("x").value();
    last = kept.front().head->id;
    ASSERT_TRUE(session.finish(kept));
  }
  Yesterday yesterday;
  for (int round = 0; round < 2; ++round) {
    auto spool = open_spool(directory.options, directory.log, yesterday);
    ASSERT_TRUE(spool);
    SpoolSession session(**spool);
    const auto kept = session.store("y").value();
    EXPECT_GT(kept.front().head->id, last);
    last = kept.front().head->id;
    ASSERT_TRUE(session.finish(kept));
  }
}

TEST(RocksSpool, says_what_to_do_where_its_directory_cannot_be_made) {
  SpoolDirectory directory;
  directory.options.directory += "/below/what/is/not/there";
  const auto spool = open_spool(directory.options, directory.log);
  ASSERT_FALSE(spool.has_value());
  EXPECT_EQ(spool.error().kind, ErrorKind::not_found);
  EXPECT_NE(spool.error().message.find("make the directory above it"), std::string::npos) << spool.error().message;
}

TEST(RocksSpool, leaves_a_spool_of_another_version_alone) {
  SpoolDirectory directory;
  directory.open();
  ASSERT_TRUE(directory.database().db->Put({}, "v", "adieu-spool 4").ok());
  std::ofstream(directory.data() / spool::MessageId{7}.text()) << "of the other version";
  const auto spool = open_spool(directory.options, directory.log);
  ASSERT_FALSE(spool.has_value());
  EXPECT_EQ(spool.error().kind, ErrorKind::invalid);
  EXPECT_EQ(directory.files().size(), 1u);
}

/// Of spool_of_version_2, which that version has written: a message that waits for the smarthost, one of three recipients of whom one has it, and a large one.
/// Version 1 kept mail data among the records; what else it did not know was there since.
class EarlierVersion : public testing::TestWithParam<std::string> {
 protected:
  EarlierVersion() {
    std::filesystem::copy(in_source_tree("tests/io/rocksdb/spool_of_version_2"), directory_.options.directory, std::filesystem::copy_options::recursive);
    std::filesystem::create_directory(directory_.data());
    if (GetParam() == "2") return;
    const Database database = directory_.database();
    for (const auto key = database.all(database.families[1]); key->Valid(); key->Next()) {
      check(database.db->Put({}, key->key(), key->value()).ok(), "mail data goes where it was");
      check(database.db->Delete({}, database.families[1], key->key()).ok(), "mail data goes from where it is");
    }
    check(database.db->Put({}, kVersionKey, "adieu-spool 1").ok(), "the version is what it was");
  }
  SpoolDirectory directory_;
};
INSTANTIATE_TEST_SUITE_P(Versions, EarlierVersion, testing::Values("1", "2"), [](const auto& tested) { return "version_" + tested.param; });

TEST_P(EarlierVersion, R11_is_taken_over_with_all_that_was_known_of_its_messages) {
  const route::Destination by_one{"smarthost", "one.example"}, by_two{"other", "two.example"};
  for (const bool again : {false, true}) {
    const auto spool = directory_.open();
    SpoolSession session(*spool);
    EXPECT_EQ(directory_.log.count("event=spool-version"), GetParam() == "2" ? 1u : 2u) << "once";
    EXPECT_EQ(directory_.log.count("level=error"), 0u);
    EXPECT_TRUE(spool->recall(std::chrono::hours(4), 100)->ended_in_order);
    EXPECT_EQ(session.destinations().size(), 2u);
    const auto two = session.claim_due(by_two);
    ASSERT_EQ(two.jobs.size(), 1u);
    const spool::Claimed& waits = two.jobs[0];
    EXPECT_EQ(waits.head->id.text(), "001K19YXPYJ9C");
    EXPECT_EQ(waits.head->reverse_path.text(), "from@client.example");
    ASSERT_EQ(waits.head->recipients.size(), 3u);
    EXPECT_EQ(waits.head->recipients[0].forward_path.text(), "done@two.example");
    EXPECT_EQ(waits.job.recipients, std::vector<std::uint32_t>{1}) << "one has it";
    EXPECT_EQ(waits.job.attempts, 1u);
    EXPECT_EQ(waits.job.last_reply, "450 4.2.0 not now");
    EXPECT_EQ(rfc3339(waits.job.due), "2026-11-28T05:49:54.832Z");
    EXPECT_NE(session.read(*waits.head)->find("one has it, two wait"), std::string::npos);
    const auto one = session.claim_due(by_one);
    ASSERT_EQ(one.jobs.size(), 3u);
    std::map<std::string, const spool::Claimed*> by_id;
    for (const spool::Claimed& each : one.jobs) by_id[each.head->id.text()] = &each;
    EXPECT_EQ(by_id.at("001K19YXPYFEX")->job.attempts, 1u);
    EXPECT_EQ(by_id.at("001K19YXPYJ9C")->job.recipients, std::vector<std::uint32_t>{2});
    const spool::MessageHead& large = *by_id.at("001K19YXPYMJF")->head;
    EXPECT_TRUE(large.in_file);
    EXPECT_EQ(session.read(large)->size(), 20'340u);
    if (!again) continue;
    for (const spool::Claimed& each : one.jobs) ASSERT_TRUE(session.finish({each}));
    ASSERT_TRUE(session.finish(two.jobs));
  }
  EXPECT_EQ(directory_.keys(), 0u);
  EXPECT_TRUE(directory_.files().empty());
}

TEST(RocksSpool, R9_sweeps_the_files_that_no_record_names_and_no_others) {
  SpoolDirectory directory;
  std::string kept;
  {
    const auto spool = directory.open();
    SpoolSession session(*spool);
    kept = session.store(large_mail_data())->front().head->id.text();
  }
  std::ofstream(directory.data() / spool::MessageId{7}.text()) << "half of a message";
  std::ofstream(directory.data() / "README") << "not a message";
  directory.open();
  EXPECT_EQ(directory.files(), (std::set<std::string>{kept, "README"}));
  EXPECT_EQ(directory.log.count("event=spool-swept files=1"), 1u);
}

TEST(RocksSpool, R9_a_rolled_back_file_is_gone_without_a_restart) {
  SpoolDirectory directory;
  auto spool = directory.open();
  SpoolSession session(*spool);
  {
    auto transaction = session.begin();
    ASSERT_TRUE(session.append(**transaction, large_mail_data()));
    EXPECT_EQ(directory.files().size(), 1u);
  }
  spool.reset();
  EXPECT_TRUE(directory.files().empty());
}

// A record that cannot be read: never delivered, told, kept.
TEST(RocksSpool, keeps_a_damaged_record_aside) {
  for (const std::string where : {"message", "job", "in hand"}) {
    SCOPED_TRACE(where);
    SpoolDirectory directory;
    spool::MessageId damaged, whole;
    {
      const auto spool = directory.open();
      SpoolSession session(*spool);
      const auto kept = session.store(large_mail_data()).value();
      damaged = kept.front().head->id;
      whole = session.store("whole")->front().head->id;
      if (where != "in hand") {
        ASSERT_TRUE(session.settle({{test::deferred(kept.front(), {0}, {})}, {}}));
      }
    }
    {
      const Database database = directory.database();
      const std::string its_key = where == "job" ? job_key({damaged, 0}) : key(where == "message" ? kMessage : kInHand, damaged);
      std::string record;
      ASSERT_TRUE(database.db->Get({}, its_key, &record).ok());
      record.back() = static_cast<char>(record.back() ^ 1);
      ASSERT_TRUE(database.db->Put({}, its_key, record).ok());
    }
    {
      const auto spool = directory.open();
      SpoolSession session(*spool);
      for (int round = 0; round < 2; ++round) {
        const auto claimed = session.claim();
        ASSERT_EQ(claimed.size(), round == 0 ? 1u : 0u);
        for (const spool::Claimed& each : claimed) EXPECT_EQ(each.head->id, whole);
      }
      EXPECT_EQ(directory.log.count("event=spool-record queue-id=" + damaged.text()), 1u);
      EXPECT_EQ(directory.log.count("hint="), 1u);
      EXPECT_EQ(session.list().size(), 1u);
    }
    EXPECT_EQ(directory.files().count(damaged.text()), 1u);
  }
}

TEST(RocksSpool, never_gives_a_part_of_a_message_for_the_whole) {
  SpoolDirectory directory;
  const auto spool = directory.open();
  SpoolSession session(*spool);
  const auto stored = session.store(large_mail_data());
  ASSERT_TRUE(stored.has_value());
  const spool::Claimed* const kept = &stored->front();
  const auto file = directory.data() / kept->head->id.text();
  std::filesystem::resize_file(file, large_mail_data().size() - 1);
  EXPECT_TRUE(session.read(*kept->head, 0, 100));
  const auto end = session.read(*kept->head, 100, large_mail_data().size());
  ASSERT_FALSE(end.has_value());
  EXPECT_EQ(end.error().kind, ErrorKind::invalid);
  std::filesystem::remove(file);
  EXPECT_EQ(session.read(*kept->head, 0, 100).error().kind, ErrorKind::not_found);
}

TEST(RocksSpool, gives_back_what_has_left_it_where_the_disk_is_short_of_space) {
  SpoolDirectory directory;
  constexpr std::size_t kCount = 500;
  {
    const auto spool = directory.open();
    SpoolSession session(*spool);
    for (std::size_t i = 0; i < kCount; ++i) session.store(mail_data_of(4000, i));
  }
  directory.database();  // which puts the log into tables
  {
    const auto spool = directory.open();
    SpoolSession session(*spool);
    for (const spool::Claimed& message : session.claim()) ASSERT_TRUE(session.finish({message}));
  }
  ASSERT_GT(directory.tables(), kCount * 4000);
  directory.options.free_space = std::uint64_t{1} << 62;
  const auto spool = directory.open();
  SpoolSession session(*spool);
  EXPECT_FALSE(session.begin());
  for (int i = 0; i < 3000 && directory.tables() > 100'000; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_LT(directory.tables(), 100'000u);
}

TEST(RocksSpool, takes_nothing_while_the_disk_is_short_of_space) {
  SpoolDirectory directory;
  directory.options.free_space = std::uint64_t{1} << 62;
  const auto spool = directory.open();
  SpoolSession session(*spool);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(session.begin().error().kind, ErrorKind::no_space);
  EXPECT_EQ(directory.log.count("event=spool-full"), 1u);
}

TEST(RocksSpool, stores_without_a_sync_where_the_policy_says_so) {
  SpoolDirectory directory;
  directory.options.sync = false;
  auto spool = directory.open();
  SpoolSession session(*spool);
  ASSERT_TRUE(session.store("x"));
  spool.reset();
  spool = directory.open();
  EXPECT_EQ(SpoolSession(*spool).claim().size(), 1u);
}

TEST(RocksSpool, never_holds_a_large_message_in_memory) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer keeps what was freed";
#else
  const auto most = [] {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
      if (word != "VmHWM:") continue;
      std::size_t kibibytes = 0;
      status >> kibibytes;
      return kibibytes;
    }
    return std::size_t{0};
  };
  SpoolDirectory directory;
  auto spool = directory.open();
  SpoolSession session(*spool);
  auto transaction = session.begin();
  const std::string part = mail_data_of(65536, 2);
  const std::size_t before = most();
  for (int i = 0; i < 800; ++i) ASSERT_TRUE(session.append(**transaction, part));
  ASSERT_TRUE(session.commit(**transaction, test::head_to({"to"})));
  const auto kept = (*transaction)->acknowledge().front();
  EXPECT_EQ(kept.head->size, 800u * 65536);
  EXPECT_EQ(session.read(*kept.head, 799 * 65536, 65536).value(), part);
  EXPECT_GT(before, 0u);
  EXPECT_LT(most() - before, 16u * 1024) << "KiB, for a message of 50 MiB";
#endif
}

}  // namespace
}  // namespace adieu::rocksdb
