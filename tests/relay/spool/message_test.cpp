#include "adieu/relay/spool/message.h"

#include <gtest/gtest.h>

#include <limits>

#include "adieu/base/bytes.h"

namespace adieu::spool {
namespace {

TEST(MessageId, is_thirteen_characters_that_sort_as_it_does) {
  EXPECT_EQ(MessageId{}.text(), "0000000000000");
  EXPECT_EQ(MessageId{31}.text(), "000000000000Z");
  EXPECT_EQ(MessageId{std::numeric_limits<std::uint64_t>::max()}.text(), "FZZZZZZZZZZZZ");
  std::string last;
  for (std::uint64_t value = 1; value != 0; value <<= 1) {
    for (const MessageId id : {MessageId{value - 1}, MessageId{value}}) {
      const std::string text = id.text();
      EXPECT_EQ(text.size(), 13u);
      EXPECT_GE(text, last);
      EXPECT_EQ(MessageId::parse(text), id);
      EXPECT_EQ(MessageId::parse(to_ascii_lower(text)), id);
      last = text;
    }
  }
}
TEST(MessageId, is_not_read_from_what_is_not_one) {
  for (const char* text : {"", "000000000000", "00000000000000", "000000000000U", "000000000000-", "G000000000000", "ZZZZZZZZZZZZZ", " 00000000000"}) {
    EXPECT_FALSE(MessageId::parse(text)) << text;
  }
}
}  // namespace
}  // namespace adieu::spool
