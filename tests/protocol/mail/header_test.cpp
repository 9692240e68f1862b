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

std::string stored(std::string_view text, std::size_t first, std::size_t block) {
  HeaderBoundary boundary;
  std::string all;
  for (std::size_t at = 0, size = first; at < text.size(); size = block) {
    std::string part(text.substr(at, std::max<std::size_t>(size, 1)));
    at += part.size();
    boundary.feed(part);
    all += part;
  }
  std::string last;
  boundary.finish(last);
  return all + last;
}

/// Whole, one octet at a time, split at every octet: always the same.
std::string stored(std::string_view text) {
  const std::string whole = stored(text, text.size(), text.size());
  EXPECT_EQ(stored(text, 1, 1), whole) << "one octet at a time";
  for (std::size_t at = 1; at < text.size(); ++at) EXPECT_EQ(stored(text, at, text.size()), whole) << "split at " << at;
  return whole;
}

TEST(HeaderBoundary, leaves_a_message_as_it_is_that_has_a_header_and_an_empty_line_or_nothing_behind_it) {
  for (const std::string_view text : {
           "Subject: a\r\n\r\nText\r\n",
           "Subject: a\r\n folded\r\n\tand again\r\nX!#$%&'*+-.^_`{|}~: odd\r\n\r\n text\r\n",
           "Subject: a\r\n",
           "Subject: no line end",
           "Subject : a blank before the colon\r\nFrom\t: b\r\n\r\nx",
           "From : a field\r\n\r\nx",
           "\r\nText without a header\r\n",
           "\r\n\tText\r\n",
           "A:\r\n\r\nlevel low\r\n",
           "",
       }) {
    EXPECT_EQ(stored(text), text);
  }
}

TEST(HeaderBoundary, begins_mail_data_without_a_header_with_an_empty_line) {
  for (const std::string_view text : {
           "level low\r\n",
           "level\r\n",
           "\tAlarm: tank 3\r\nlevel low\r\n",
           " Subject: folded into nothing\r\n\r\nx\r\n",
           "  \r\nx\r\n",
           ": no name\r\n",
           "T\xc3\xa4nk: 3\r\n",
           "two words: x\r\n",
           "no end",
           ">quoted\r\n",
           "From you I had expected more\r\n",
           "From 10:30 on the pump was off\r\n",
       }) {
    EXPECT_EQ(stored(text), "\r\n" + std::string(text));
  }
}

TEST(HeaderBoundary, divides_a_body_directly_behind_a_header_from_it) {
  EXPECT_EQ(stored("Subject: a\r\nlevel low\r\nSubject: b\r\n"), "Subject: a\r\n\r\nlevel low\r\nSubject: b\r\n");
  EXPECT_EQ(stored("Subject: a\r\n folded\r\nDear Sir,\r\n\r\nx\r\n"), "Subject: a\r\n folded\r\n\r\nDear Sir,\r\n\r\nx\r\n");
  EXPECT_EQ(stored("Subject: a\r\ncut"), "Subject: a\r\n\r\ncut");
}

TEST(HeaderBoundary, makes_a_field_of_the_line_that_a_unix_mailbox_puts_before_a_message) {
  EXPECT_EQ(stored("From a@example.org Fri Nov 27 16:00:00 2026\r\nSubject: a\r\n\r\nx\r\n"),
            "X-Mailbox-Line: From a@example.org Fri Nov 27 16:00:00 2026\r\nSubject: a\r\n\r\nx\r\n");
  EXPECT_EQ(stored(">From a Fri Nov 27 16:00 2026 remote from b\r\nSubject: a\r\n"),
            "X-Mailbox-Line: >From a Fri Nov 27 16:00 2026 remote from b\r\nSubject: a\r\n");
  EXPECT_EQ(stored("Subject: a\r\nFrom a Fri Nov 27 16:00:00 2026\r\nx"), "Subject: a\r\n\r\nFrom a Fri Nov 27 16:00:00 2026\r\nx")
      << "not as the first line";
}

TEST(HeaderBoundary, holds_back_no_more_than_one_line_that_can_be_a_field) {
  const std::string endless(5000, 'x');
  HeaderBoundary boundary;
  std::string passed;
  for (const char c : endless) {
    std::string octet(1, c);
    boundary.feed(octet);
    passed += octet;
  }
  EXPECT_EQ(passed, "\r\n" + endless);
}

}  // namespace
}  // namespace adieu::mail
