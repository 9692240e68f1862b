#include "io/rocksdb/wal.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "spool_directory.h"

namespace adieu::rocksdb {
namespace {

namespace fs = std::filesystem;
using test::mail_data_of;
using test::SpoolSession;

std::string content_of(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}
void put(const fs::path& path, const std::string& content) { std::ofstream(path, std::ios::binary) << content; }

/// The log that holds something.
fs::path log_of(const SpoolDirectory& directory) {
  fs::path largest;
  for (const auto& entry : fs::directory_iterator(directory.options.directory + "/records")) {
    if (entry.path().extension() != ".log") continue;
    if (largest.empty() || entry.file_size() > fs::file_size(largest)) largest = entry.path();
  }
  return largest;
}

/// Twenty-one messages, some of them longer than a block of the log.
std::map<spool::MessageId, std::string> fill(spool::Spool& spool, std::vector<spool::Claimed>* claimed = nullptr) {
  std::map<spool::MessageId, std::string> stored;
  SpoolSession session(spool);
  for (std::uint64_t i = 0; i < 21; ++i) {
    const std::string mail_data = mail_data_of(i % 5 == 4 ? 4000 : 300 + 10 * i, i);
    const auto kept = session.store(mail_data, test::head_to({std::string(i % 7 == 3 ? 40'000 : 1, 'a')}));
    stored[kept->front().head->id] = mail_data;
    if (claimed != nullptr) claimed->push_back(kept->front());
  }
  return stored;
}

std::size_t found(spool::Spool& spool, const std::map<spool::MessageId, std::string>& stored) {
  SpoolSession session(spool);
  std::size_t count = 0;
  for (const spool::Claimed& message : session.claim()) {
    EXPECT_EQ(session.read(*message.head).value(), stored.at(message.head->id));
    ++count;
  }
  return count;
}

class DamagedLog : public testing::Test {
 protected:
  /// What is damaged is a copy, so that each damage begins anew.
  std::unique_ptr<SpoolDirectory> copy() const {
    auto made = std::make_unique<SpoolDirectory>();
    fs::copy(original.options.directory, made->options.directory, fs::copy_options::recursive);
    return made;
  }
  SpoolDirectory original;
};

TEST_F(DamagedLog, R11_zeros_anywhere_in_a_log_are_never_passed_over_in_silence) {
  std::map<spool::MessageId, std::string> stored;
  {
    const auto spool = original.open();
    stored = fill(*spool);
  }
  const std::string log = content_of(log_of(original));
  ASSERT_GT(log.size(), 4 * 32'768u) << "several blocks";
  unsigned refused = 0;
  std::size_t lost = 0;
  for (std::size_t at = 0; at + 16 < log.size(); at += 4999) {
    SCOPED_TRACE("at " + std::to_string(at));
    const auto damaged = copy();
    std::string zeroed = log;
    zeroed.replace(at, 16, 16, '\0');
    if (zeroed == log) continue;
    put(log_of(*damaged), zeroed);
    auto spool = open_spool(damaged->options, damaged->log);
    if (spool) {
      ASSERT_EQ(found(**spool, stored), stored.size()) << "acknowledged mail is lost, and nobody was told";
      continue;
    }
    ++refused;
    EXPECT_EQ(spool.error().kind, ErrorKind::invalid);
    EXPECT_NE(spool.error().message.find("--accept-loss"), std::string::npos) << spool.error().message;
    EXPECT_EQ(content_of(log_of(*damaged)), zeroed) << "nothing is touched";
    // What is whole is kept, and the loss is told once.
    damaged->options.accept_loss = true;
    spool = open_spool(damaged->options, damaged->log);
    ASSERT_TRUE(spool) << spool.error().message;
    lost += stored.size() - found(**spool, stored);
    spool->reset();
    damaged->options.accept_loss = false;
    EXPECT_TRUE(open_spool(damaged->options, damaged->log));
    std::size_t aside = 0;
    for (const auto& entry : fs::directory_iterator(damaged->options.directory)) aside += entry.path().filename().string().starts_with("damaged-");
    EXPECT_EQ(aside, 1u);
    if (HasFailure()) return;
  }
  EXPECT_GT(refused, 20u);
  EXPECT_LT(lost, 4u * refused) << "a few messages for each damage: those of one block where a header was hit";
}

// A kill or a power cut: the log ends anywhere behind what was synced last, and what was not synced may be there in part.
TEST_F(DamagedLog, R11_a_torn_end_is_taken_and_costs_nothing_that_was_acknowledged) {
  const auto running = original.open();
  std::vector<spool::Claimed> claimed;
  const auto stored = fill(*running, &claimed);
  const std::string log = content_of(log_of(original));
  {
    SpoolSession session(*running);
    for (const spool::Claimed& each : claimed) ASSERT_TRUE(session.settle({{test::deferred(each, {0}, {}, std::string(2000, 'x'))}, {}}));
  }
  const std::string longer = content_of(log_of(original));
  ASSERT_GT(longer.size(), log.size() + 20'000) << "what was not synced";
  int torn = 0;
  const auto expect_all = [&](const std::string& content) {
    SpoolDirectory after;
    fs::copy(original.options.directory, after.options.directory, fs::copy_options::recursive);
    put(log_of(after), content);
    const auto spool = open_spool(after.options, after.log);
    ASSERT_TRUE(spool) << spool.error().message;
    EXPECT_EQ(found(**spool, stored), stored.size());
    torn += after.log.count("event=spool-torn-end") != 0;
  };
  for (std::size_t size = log.size(); size <= longer.size(); size += 3001) {
    SCOPED_TRACE("cut at " + std::to_string(size));
    expect_all(longer.substr(0, size));
    std::string hole = longer;  // a page that was not written, others behind it that were
    hole.replace(size, std::min<std::size_t>(4096, hole.size() - size), std::min<std::size_t>(4096, hole.size() - size), '\0');
    expect_all(hole);
    if (HasFailure()) return;
  }
  EXPECT_GT(torn, 8);
}

TEST_F(DamagedLog, R11_every_octet_that_was_synced_is_watched) {
  { const auto spool = original.open(); fill(*spool); }
  const fs::path path = log_of(original);
  const std::string log = content_of(path);
  constexpr std::size_t kLastRecord = 64;  // that the run ended in order: nothing behind it says whether it was synced
  for (std::size_t at = 0; at + kLastRecord < log.size(); at += 1499) {
    std::string damaged = log;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    put(path, damaged);
    const auto holes = find_holes(path.parent_path());
    ASSERT_TRUE(holes);
    ASSERT_EQ(holes->size(), 1u) << at;
    ASSERT_TRUE(holes->front().was_synced) << at;
    ASSERT_LE(holes->front().offset, at);
    ASSERT_GT(holes->front().offset + holes->front().octets, at);
  }
}

// What looks at the logs also mends them. A second relay on a spool in use, started by mistake, took away what the first had not yet written whole.
TEST_F(DamagedLog, R11_the_log_of_a_relay_that_runs_is_left_alone) {
  const auto running = original.open();
  auto stored = fill(*running);
  const fs::path path = log_of(original);
  { std::ofstream(path, std::ios::binary | std::ios::app) << std::string(20, '\1'); }  // as a record that is being written
  const std::string log = content_of(path);
  const auto second = open_spool(original.options, original.log);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::refused);
  EXPECT_NE(second.error().message.find("another process"), std::string::npos) << second.error().message;
  EXPECT_TRUE(content_of(path) == log);
  EXPECT_EQ(original.log.count("event=spool-torn-end"), 0u);
}

TEST_F(DamagedLog, a_log_without_its_holes_is_what_it_was) {
  { const auto spool = original.open(); fill(*spool); }
  const fs::path path = log_of(original);
  const std::string log = content_of(path);
  EXPECT_TRUE(find_holes(path.parent_path())->empty());
  ASSERT_TRUE(close_holes(path));
  EXPECT_TRUE(content_of(path) == log) << "written as RocksDB writes it";
  EXPECT_TRUE(find_holes(path.parent_path() / "none")->empty());
}

}  // namespace
}  // namespace adieu::rocksdb
