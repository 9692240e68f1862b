#include "adieu/protocol/mail/message_id.h"

#include <gtest/gtest.h>

namespace adieu::mail {
namespace {

/// However the text is divided in two.
std::string value(std::string_view text) {
  MessageIdFinder whole;
  whole.feed(text);
  for (std::size_t split = 0; split <= text.size(); ++split) {
    MessageIdFinder parts;
    parts.feed(text.substr(0, split));
    parts.feed(text.substr(split));
    EXPECT_EQ(parts.value(), whole.value()) << split;
  }
  EXPECT_EQ(whole.found(), !whole.value().empty());
  return whole.value();
}
bool found(std::string_view text) { return !value(text).empty(); }

TEST(MessageIdFinder, R12_finds_the_field_wherever_it_stands_in_the_header_section) {
  EXPECT_TRUE(found("Message-ID: <1@example.org>\r\n\r\nbody\r\n"));
  EXPECT_TRUE(found("Subject: x\r\n folded\r\nMESSAGE-ID:<1@example.org>\r\n\r\n"));
  EXPECT_TRUE(found("Subject: x\r\nMessage-Id:\r\n\t<1@example.org>\r\n\r\n")) << "folded before its value";
  EXPECT_TRUE(found("Message-ID \t: <1@example.org>\r\n\r\n")) << "RFC 5322 section 4.5.8";
  EXPECT_TRUE(found("Message-ID: <1@example.org>")) << "mail data that is a header section alone";
  EXPECT_TRUE(found("Message-ID: \r\nMessage-ID: <1@example.org>\r\n\r\n"));
}

TEST(MessageIdFinder, R12_finds_none_elsewhere) {
  EXPECT_FALSE(found(""));
  EXPECT_FALSE(found("Subject: x\r\n\r\nMessage-ID: <1@example.org>\r\n")) << "in the body";
  EXPECT_FALSE(found("Alarm in tank 3\r\nMessage-ID: <1@example.org>\r\n\r\n")) << "behind a line that is no field";
  EXPECT_FALSE(found("\tAlarm\r\nMessage-ID: <1@example.org>\r\n\r\n")) << "behind a first line that continues nothing";
  EXPECT_FALSE(found(": x\r\nMessage-ID: <1@example.org>\r\n\r\n")) << "behind a field without a name";
  EXPECT_FALSE(found("Subject\r\nMessage-ID: <1@example.org>\r\n\r\n"));
  EXPECT_FALSE(found("X-Message-ID: 1\r\nMessage-IDs: 1\r\nMessage-I: 1\r\nSubject: Message-ID: 1\r\n Message-ID: 1\r\n\r\n"));
  EXPECT_FALSE(found("Message-ID:\r\n \t\r\nSubject: x\r\n\r\n")) << "nothing in it";
  EXPECT_FALSE(found("Message-ID"));
  EXPECT_FALSE(found("Message-ID:"));
}

TEST(MessageIdFinder, tells_the_first_one_without_what_folds_it) {
  EXPECT_EQ(value("Message-ID: <1@example.org> \r\nMessage-ID: <2@example.org>\r\n\r\n<3>\r\n"), "<1@example.org>");
  EXPECT_EQ(value("Message-ID:\r\n <1@\r\n\texample.org>\r\nSubject: x\r\n\r\n"), "<1@example.org>");
  EXPECT_EQ(value("Message-ID: " + std::string(1000, 'x') + "\r\n\r\n").size(), MessageIdFinder::kMost);
}

}  // namespace
}  // namespace adieu::mail
