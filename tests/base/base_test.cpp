#include <gtest/gtest.h>

#include "adieu/base/bytes.h"
#include "adieu/base/clock.h"
#include "adieu/base/log.h"
#include "adieu/base/result.h"
#include "adieu/base/task.h"

namespace adieu {
namespace {
using namespace std::chrono_literals;

TEST(OctetQueue, gives_back_what_was_put_in_however_it_is_consumed) {
  for (std::size_t step : {1u, 3u, 7u, 1000u, 40000u}) {
    OctetQueue queue;
    std::string in, out;
    for (int i = 0; i < 300; ++i) {
      const std::string part(static_cast<std::size_t>(i * 7 % 311), static_cast<char>('a' + i % 26));
      in += part;
      queue.append(part);
      const auto taken = std::min(step, queue.size());
      out += queue.view().substr(0, taken);
      queue.consume(taken);
    }
    out += queue.view();
    EXPECT_EQ(in, out);
  }
}
TEST(OctetQueue, moves_about_as_many_octets_as_were_consumed_and_not_all_of_them_each_time) {
  OctetQueue queue;
  queue.append(std::string(4 << 20, 'a'));
  std::size_t consumed = 0;
  std::size_t moved = 0;
  while (!queue.empty()) {
    const std::size_t count = std::min<std::size_t>(queue.size(), 20'000);
    queue.consume(count);
    consumed += count;
    const char* before = queue.view().data();
    queue.append(queue.size() > 1'000'000 ? "b" : "");
    if (!queue.empty() && queue.view().data() != before) moved += queue.size();
  }
  EXPECT_LE(moved, 2 * consumed) << "of that once where the first append made it grow";
}
TEST(LogLine, a_value_can_neither_break_a_line_nor_forge_a_field) {
  LogLine line("reject");
  line.field("helo", "x\r\nevent=delivered \"quoted\\").field("size", 12).optional("none", "");
  EXPECT_EQ(line.text(), R"(event=reject helo="x\x0d\x0aevent=delivered \"quoted\\" size=12)");
}
TEST(LogLine, what_is_too_long_is_cut_as_it_is_written) {
  EXPECT_EQ(LogLine("x").field("a", std::string(64, 'a'), 64).text(), "event=x a=" + std::string(64, 'a'));
  EXPECT_EQ(LogLine("x").field("a", std::string(65, 'a'), 64).text(), "event=x a=\"" + std::string(64, 'a') + "...\"");
  EXPECT_EQ(LogLine("x").field("a", std::string(2000, '\xff'), 64).text(), "event=x a=\"" + std::string(R"(\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff...)") + "\"");
  EXPECT_EQ(LogLine("x").field("a", "a b\"", 4).text(), "event=x a=\"a b...\"") << "no escape is cut in two";
}
TEST(Clock, prints_dates_and_durations) {
  const WallTime time(1'795'464'082'123ms);
  EXPECT_EQ(rfc5322_date(time), "Mon, 23 Nov 2026 20:01:22 +0000");
  EXPECT_EQ(rfc3339(time), "2026-11-23T20:01:22.123Z");
  EXPECT_EQ(to_text(90s), "90s");
  EXPECT_EQ(to_text(5min), "5m");
  EXPECT_EQ(to_text(5 * 24h), "5d");
  EXPECT_EQ(to_text(250ms), "250ms");
  EXPECT_EQ(to_text(0ms), "0s");
}
TEST(Task, destroys_what_it_captured_when_it_is_never_run) {
  auto token = std::make_shared<int>(1);
  { Task task([kept = token] {}); EXPECT_EQ(token.use_count(), 2); }
  EXPECT_EQ(token.use_count(), 1);
}
TEST(Error, gains_context_going_up_and_keeps_its_kind) {
  const Error error = error_of_errno("open /x", 28).within("spool");
  EXPECT_EQ(error.kind, ErrorKind::no_space);
  EXPECT_EQ(error.message, "spool: open /x: No space left on device");
}
TEST(CheckDeathTest, ends_the_program_in_every_build) { EXPECT_DEATH(check(false, "two questions open"), "two questions open"); }
}  // namespace
}  // namespace adieu
