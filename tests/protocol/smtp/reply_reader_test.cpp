#include "adieu/protocol/smtp/reply_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace adieu::smtp {
namespace {

struct Read {
  std::vector<Reply> replies;
  std::string fault;
  bool empty = false;
  bool operator==(const Read&) const = default;
};

Read read(const std::vector<std::string>& parts) {
  ReplyReader reader(64, 4);
  Read read;
  for (const std::string& part : parts) {
    reader.receive(part);
    while (auto reply = reader.next()) read.replies.push_back(*reply);
  }
  read.fault = reader.fault();
  read.empty = reader.empty();
  return read;
}

// Whole, split at every octet, and one octet at a time: always the same.
Read read_every_way(const std::string& wire) {
  Read whole = read({wire});
  for (std::size_t at = 0; at <= wire.size(); ++at) EXPECT_EQ(read({wire.substr(0, at), wire.substr(at)}), whole) << at;
  std::vector<std::string> single;
  for (char c : wire) single.emplace_back(1, c);
  EXPECT_EQ(read(single), whole);
  return whole;
}

TEST(ReplyReader, takes_replies_of_one_line_and_of_several) {
  const Read read = read_every_way("220 mx.example ESMTP\r\n250-mx.example\r\n250-SIZE 1000\r\n250 PIPELINING\r\n250\r\n354 \r\n");
  ASSERT_EQ(read.replies.size(), 4u);
  EXPECT_EQ(read.replies[0], (Reply{220, {}, "mx.example ESMTP"}));
  EXPECT_EQ(read.replies[1], (Reply{250, {}, "mx.example\nSIZE 1000\nPIPELINING"}));
  EXPECT_EQ(read.replies[2], (Reply{250, {}, ""}));
  EXPECT_EQ(read.replies[3], (Reply{354, {}, ""}));
  EXPECT_TRUE(read.empty);
  EXPECT_EQ(read.fault, "");
}

TEST(ReplyReader, takes_the_enhanced_status_code_out_of_every_line) {
  const Read read = read_every_way("550-5.7.26 not\r\n550-5.7.26 authenticated\r\n550 see https://x.example\r\n250 2.1.0\r\n");
  ASSERT_EQ(read.replies.size(), 2u);
  EXPECT_EQ(read.replies[0], (Reply{550, {5, 7, 26}, "not\nauthenticated\nsee https://x.example"}));
  EXPECT_EQ(read.replies[1], (Reply{250, {2, 1, 0}, ""}));
}

TEST(ReplyReader, leaves_in_the_text_what_is_no_status_code_of_the_replys_class) {
  for (const char* text : {"4.1.0 other class", "2.1 two numbers", "2.1.0x glued", "2.1000.0 four digits", "2..0 none", "2.1.",
                           "3.0.0 no such class", "a 2.1.0 behind"}) {
    const Read read = read_every_way("250 " + std::string(text) + "\r\n");
    ASSERT_EQ(read.replies.size(), 1u);
    EXPECT_EQ(read.replies[0], (Reply{250, {}, text}));
  }
  EXPECT_EQ(read_every_way("354 3.0.0 go\r\n").replies[0], (Reply{354, {}, "3.0.0 go"}));
  EXPECT_EQ(read_every_way("250-2.1.0 a\r\n250 2.1.5 b\r\n").replies[0], (Reply{250, {2, 1, 0}, "a\n2.1.5 b"}));
}

TEST(ReplyReader, has_no_reply_before_the_last_line_is_complete) {
  const std::string wire = "250-2.0.0 stored\r\n250 2.0.0 as 1A\r\n";
  for (std::size_t length = 1; length < wire.size(); ++length) {
    const Read cut = read({wire.substr(0, length)});
    EXPECT_TRUE(cut.replies.empty()) << length;
    EXPECT_FALSE(cut.empty) << length;
    EXPECT_EQ(cut.fault, "");
  }
}

TEST(ReplyReader, takes_nothing_that_is_no_reply) {
  for (const char* wire : {"\r\n", "25\r\n", "2500 x\r\n", "abc\r\n", "HTTP/1.1 400 Bad\r\n", "150 x\r\n", "650 x\r\n", "2a0 x\r\n",
                           "250_x\r\n", "250-a\r\n251 b\r\n", "250-a\r\n\r\n"}) {
    const Read read = read_every_way(wire);
    EXPECT_TRUE(read.replies.empty()) << wire;
    EXPECT_FALSE(read.fault.empty()) << wire;
  }
}

TEST(ReplyReader, a_bare_lf_ends_no_line) {
  for (const char* wire : {"250 ok\n", "\n", "250 a\n250 b\r\n", "250-a\r\n250 b\n"}) {
    const Read read = read_every_way(wire);
    EXPECT_TRUE(read.replies.empty()) << wire;
    EXPECT_EQ(read.fault, "a line of the reply ends with a bare LF") << wire;
  }
}

TEST(ReplyReader, drops_a_bare_cr) {
  const Read read = read_every_way("250 a\rb\r\r\n");
  ASSERT_EQ(read.replies.size(), 1u);
  EXPECT_EQ(read.replies[0].text, "ab");
}

TEST(ReplyReader, bounds_the_length_of_a_line_and_the_number_of_lines) {
  EXPECT_EQ(read_every_way("250 " + std::string(58, 'x') + "\r\n").replies.size(), 1u);
  EXPECT_EQ(read_every_way("250 " + std::string(59, 'x') + "\r\n").fault, "a line of the reply is too long");
  EXPECT_EQ(read_every_way(std::string(64, '2')).fault, "a line of the reply is too long");
  EXPECT_EQ(read_every_way("250-1\r\n250-2\r\n250-3\r\n250 4\r\n").replies.size(), 1u);
  EXPECT_EQ(read_every_way("250-1\r\n250-2\r\n250-3\r\n250-4\r\n250 5\r\n").fault, "the reply has too many lines");
}

TEST(ReplyReader, quotes_the_line_that_it_does_not_understand_escaped_and_cut) {
  const auto quoted = [](std::string_view wire) {
    ReplyReader reader(100, 8);
    reader.receive(wire);
    while (reader.next()) {
    }
    return reader.faulty_line();
  };
  EXPECT_EQ(quoted("HTTP/1.1 400 \x1b[2J\xe9\r\n"), "HTTP/1.1 400 \\x1b[2J\\xe9");
  EXPECT_EQ(quoted("250-a\r\n550 b\r\n"), "550 b");
  EXPECT_EQ(quoted("250 bare\n"), "250 bare");
  EXPECT_EQ(quoted("x" + std::string(90, 'y') + "\r\n"), "x" + std::string(79, 'y') + "...");
  EXPECT_EQ(quoted(std::string(1000, '2')), std::string(80, '2') + "...");
  EXPECT_EQ(quoted("250 fine\r\n"), "");
}

TEST(ReplyReader, reads_nothing_after_a_fault_and_keeps_what_came_before_it) {
  const Read read = read_every_way("250 a\r\nnonsense\r\n250 b\r\n");
  ASSERT_EQ(read.replies.size(), 1u);
  EXPECT_EQ(read.fault, "not an SMTP reply");
}

TEST(ReplyReader, searches_each_octet_once_however_the_reply_is_divided) {
  const std::string wire = "250-" + std::string(4000, 'a') + "\r\n250-" + std::string(4000, '\r') + "\r\n250 b\r\n";
  ReplyReader reader(8192, 10);
  for (const char c : wire) {
    EXPECT_FALSE(reader.next());
    reader.receive(std::string_view(&c, 1));
  }
  EXPECT_TRUE(reader.next());
  EXPECT_LE(reader.examined(), wire.size());
}

}  // namespace
}  // namespace adieu::smtp
