// R12: what is recognised, once, and for how long.
#include "adieu/relay/spool/duplicate_window.h"

#include <gtest/gtest.h>

namespace adieu::spool {
namespace {
using namespace std::chrono_literals;

const WallTime kNow(1'000'000'000ms);
Unconfirmed message(const std::string& fingerprint, std::uint64_t id, Duration window = 4h) { return {fingerprint, {id}, kNow + window}; }

TEST(DuplicateWindow, R12_a_message_is_found_once) {
  DuplicateWindow window;
  EXPECT_FALSE(window.take("a", kNow));
  window.note(message("a", 1), kNow);
  EXPECT_FALSE(window.take("b", kNow));
  EXPECT_EQ(window.take("a", kNow), message("a", 1));
  EXPECT_FALSE(window.take("a", kNow));
}

TEST(DuplicateWindow, R12_not_any_more_once_its_time_is_over) {
  DuplicateWindow window;
  window.note(message("a", 1), kNow);
  EXPECT_FALSE(window.take("a", kNow + 4h));
  window.note(message("a", 1), kNow);
  EXPECT_TRUE(window.take("a", kNow + 4h - 1ms));
}

TEST(DuplicateWindow, what_is_over_or_one_too_many_gives_way_and_is_told) {
  DuplicateWindow window(2);
  EXPECT_TRUE(window.note(message("short", 1, 1h), kNow).empty());
  EXPECT_EQ(window.note(message("a", 2), kNow + 2h), std::vector<std::string>{"short"});
  EXPECT_TRUE(window.note(message("b", 3), kNow + 2h).empty());
  EXPECT_EQ(window.note(message("c", 4), kNow + 2h), std::vector<std::string>{"a"});
  EXPECT_FALSE(window.take("a", kNow + 2h));
  EXPECT_TRUE(window.take("b", kNow + 2h));
}

TEST(DuplicateWindow, what_was_asked_for_too_late_gives_way_and_is_told_too) {
  DuplicateWindow window;
  window.note(message("a", 1, 1h), kNow);
  EXPECT_FALSE(window.take("a", kNow + 2h));
  EXPECT_EQ(window.note(message("b", 2), kNow + 2h), std::vector<std::string>{"a"}) << "nothing of it stays on the disk";
}

TEST(DuplicateWindow, noted_again_it_counts_as_new) {
  DuplicateWindow window(2);
  window.note(message("a", 1), kNow);
  window.note(message("b", 2), kNow);
  ASSERT_TRUE(window.take("a", kNow));
  EXPECT_TRUE(window.note(message("a", 1), kNow).empty());
  EXPECT_EQ(window.note(message("c", 3), kNow), std::vector<std::string>{"b"});
}

}  // namespace
}  // namespace adieu::spool
