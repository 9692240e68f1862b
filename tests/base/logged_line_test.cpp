#include "adieu/base/logged_line.h"

#include <gtest/gtest.h>

#include "adieu/base/log.h"

namespace adieu {
namespace {

TEST(LoggedLine, reads_back_what_was_written) {
  std::string hostile;
  for (int c = 0; c < 256; ++c) hostile += static_cast<char>(c);
  const std::vector<std::pair<std::string, std::string>> fields = {
      {"queue-id", "001K199ZABW0P"}, {"to", "<a@b>"}, {"to", "<\"q \\\" =\"@b>"}, {"empty", ""}, {"status", "250 2.0.0 \"ok\" level=info event=forged"}};
  LogLine line("delivered");
  for (const auto& [name, value] : fields) line.field(name, value);
  line.field("bytes", hostile);
  const auto read = LoggedLine::parse("time=2026-11-28T12:00:00.123Z level=info " + line.text() + "\n");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->time, "2026-11-28T12:00:00.123Z");
  EXPECT_EQ(read->event, "delivered");
  ASSERT_EQ(read->fields.size(), fields.size() + 1);
  for (std::size_t i = 0; i < fields.size(); ++i) EXPECT_EQ(read->fields[i], fields[i]);
  EXPECT_EQ(read->value("bytes").substr(0, 12), "\\x00\\x01\\x02");
  EXPECT_EQ(read->value("to"), "<a@b>");
  EXPECT_EQ(read->value("none"), "");
}

TEST(LoggedLine, is_found_behind_what_syslog_and_the_journal_write) {
  const auto time = [](const std::string& front) { return LoggedLine::parse(front + "level=info event=stopped")->time; };
  EXPECT_EQ(time("Nov  8 12:00:01 mx1 adieu[77]: "), "Nov  8 12:00:01");
  EXPECT_EQ(time("2026-11-28T12:00:01+0100 mx1 adieu[77]: "), "2026-11-28T12:00:01+0100");
  EXPECT_EQ(time("<6>"), "");
  EXPECT_EQ(time(""), "");
}

TEST(LoggedLine, is_not_made_of_what_a_peer_has_another_program_say) {
  for (const std::string front : {"Nov  8 12:00:01 mx1 sshd[7]: ", "Nov  8 12:00:01 mx1 sshd[7]: Invalid user adieu[7]: ", "2026-11-28T12:00:01+0100 mx1 sshd[7]: user adieu: ",
                                  "Nov  8 12:00:01 mx1 adieu[7]: event=x ", "hello ", "<6> "}) {
    EXPECT_FALSE(LoggedLine::parse(front + "level=info event=delivered queue-id=001K199ZABW0P")) << front;
  }
}

TEST(LoggedLine, is_not_made_of_what_is_none_whatever_its_end) {
  const std::string whole = "time=2026-11-28T12:00:00.123Z level=info event=reject reply=\"550 5.1.1 no\"";
  for (const std::string& line : {std::string(), std::string("hello"), std::string("level=info"), std::string("time=1"), std::string("level=info queue-id=1"),
                                  std::string("level=info event=a b"), std::string("level=info event=a =b"), std::string("level=info event=a b=\"c\"d")}) {
    EXPECT_FALSE(LoggedLine::parse(line)) << line;
  }
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto cut = LoggedLine::parse(whole.substr(0, size));
    if (!cut) continue;
    EXPECT_EQ(std::string("reject").substr(0, cut->event.size()), cut->event) << size;
  }
}

}  // namespace
}  // namespace adieu
