#include "io/rocksdb/disk.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <thread>

#include "spool_directory.h"
#include "support/recording_log.h"

namespace adieu::rocksdb {
namespace {

namespace fs = std::filesystem;

TEST(Disk, what_was_set_aside_is_given_up_at_the_first_want_of_space) {
  SpoolDirectory directory;
  fs::create_directory(directory.options.directory);
  const std::string reserve = directory.options.directory + "/reserve";
  Disk disk("spool", Disk::OnFailure::wait, &directory.log);
  ASSERT_TRUE(disk.set_aside(reserve, 4096));
  EXPECT_EQ(fs::file_size(reserve), 4096u);
  int attempts = 0;
  disk.persist("write", "x", [&] { return ++attempts == 1 ? ENOSPC : 0; });
  EXPECT_EQ(attempts, 2);
  EXPECT_FALSE(fs::exists(reserve));
  EXPECT_FALSE(disk.has_reserve());
  EXPECT_EQ(directory.log.count("event=spool-reserve"), 1u);
  EXPECT_EQ(directory.log.count("event=spool-trouble"), 0u) << "nothing had to wait";
}

TEST(Disk, what_fails_is_tried_until_it_succeeds_and_told_once) {
  SpoolDirectory directory;
  Disk disk("spool", Disk::OnFailure::wait, &directory.log);
  int attempts = 0;
  disk.persist("write", "/some/file", [&] {
    ++attempts;
    if (attempts > 1) {
      EXPECT_TRUE(disk.trouble());
    }
    return attempts < 4 ? EIO : 0;
  });
  EXPECT_EQ(attempts, 4);
  EXPECT_FALSE(disk.trouble());
  EXPECT_EQ(directory.log.count("event=spool-trouble error=\"write /some/file: "), 1u) << testing::PrintToString(directory.log.lines());
  EXPECT_EQ(directory.log.count("event=spool-recovered"), 1u);
}

TEST(Disk, a_frozen_disk_lets_all_go_that_waits_and_all_that_comes) {
  SpoolDirectory directory;
  Disk disk("spool", Disk::OnFailure::wait, &directory.log);
  std::thread waits([&] { disk.persist("write", "x", [] { return EIO; }); });
  ASSERT_TRUE(disk.watch(std::chrono::milliseconds(0)));
  disk.freeze();
  waits.join();
  disk.persist("write", "x", [] {
    ADD_FAILURE() << "nothing changes on it";
    return 0;
  });
  EXPECT_TRUE(disk.trouble());
  EXPECT_EQ(directory.log.count("event=spool-recovered"), 0u);
}

TEST(Disk, one_that_nobody_may_wait_for_is_frozen_by_its_first_failure) {
  SpoolDirectory directory;
  Disk disk("closure-ledger", Disk::OnFailure::freeze, &directory.log);
  int attempts = 0;
  disk.persist("write", "x", [&] { return ++attempts, EIO; });
  EXPECT_EQ(attempts, 1);
  EXPECT_TRUE(disk.frozen());
  ASSERT_TRUE(disk.trouble());
  EXPECT_EQ(disk.trouble()->kind, ErrorKind::io);
  EXPECT_TRUE(directory.log.lines().empty()) << "whoever finds it frozen tells it";
}

}  // namespace
}  // namespace adieu::rocksdb
