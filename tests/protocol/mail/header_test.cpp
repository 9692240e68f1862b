#include "adieu/protocol/mail/header.h"

#include <gtest/gtest.h>

namespace adieu::mail {
namespace {
std::size_t count(std::string_view text, std::size_t split) {
  ReceivedCounter counter;
  counter.feed(text.substr(0, split));
  counter.feed(text.substr(split));
  return counter.count();
}
TEST(ReceivedCounter, counts_fields_of_the_header_section_alone_however_it_is_divided) {
  const std::string_view text =
      "Received: from a\r\n\tby b\r\nRECEIVED:x\r\nX-Received: no\r\nSubject: Received: no\r\n received: folded, no\r\nReceive: no\r\nreceived:\r\n\r\nReceived: body\r\n";
  for (std::size_t split = 0; split <= text.size(); ++split) EXPECT_EQ(count(text, split), 3u) << split;
}
}  // namespace
}  // namespace adieu::mail
