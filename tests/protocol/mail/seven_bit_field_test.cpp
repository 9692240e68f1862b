#include "protocol/mail/seven_bit_field.h"

#include <gtest/gtest.h>

#include "adieu/protocol/mail/seven_bit.h"

namespace adieu::mail {
namespace {

std::string in_seven_bits(std::string_view field) {
  std::string out = seven_bit_field(std::string(field) + "\r\n");
  EXPECT_FALSE(has_eight_bit(out));
  EXPECT_TRUE(out.ends_with("\r\n"));
  for (std::size_t begin = 0; begin < out.size();) {
    const std::size_t end = out.find("\r\n", begin);
    EXPECT_LE(end - begin, 998u);
    EXPECT_TRUE(begin == 0 || out[begin] == ' ' || out[begin] == '\t') << out;
    begin = end + 2;
  }
  out.resize(out.size() - 2);
  return out;
}

TEST(SevenBitField, leaves_ASCII_as_it_is) { EXPECT_EQ(in_seven_bits("Subject:  a\r\n\tb "), "Subject:  a\r\n\tb "); }

TEST(SevenBitField, encodes_the_words_of_a_text) {
  EXPECT_EQ(in_seven_bits("Subject: caf\xc3\xa9 now"), "Subject: =?utf-8?q?caf=C3=A9?= now");
  EXPECT_EQ(in_seven_bits("Subject: caf\xe9"), "Subject: =?unknown-8bit?q?caf=E9?=");
  EXPECT_EQ(in_seven_bits("X-Any: a \xc3\xa9 \xc3\xa9\r\n b"), "X-Any: a =?utf-8?q?=C3=A9_=C3=A9?= b") << "the blank between encoded words belongs to them";
  EXPECT_EQ(in_seven_bits("Subject:\xc3\xa9"), "Subject:=?utf-8?q?=C3=A9?=");
}

TEST(SevenBitField, folds_what_is_long_and_divides_no_character) {
  std::string subject = "Subject: ";
  for (int i = 0; i < 60; ++i) subject += "\xe2\x82\xac";
  const std::string out = in_seven_bits(subject);
  std::size_t words = 0;
  std::string decoded;
  for (std::size_t at = out.find("=?utf-8?q?"); at != std::string::npos; at = out.find("=?utf-8?q?", at)) {
    at += 10;
    const std::size_t end = out.find("?=", at);
    EXPECT_LE(end + 2 - at + 10, 75u);
    EXPECT_EQ((end - at) % 9, 0u) << "whole characters";
    decoded += out.substr(at, end - at);
    ++words;
  }
  EXPECT_GT(words, 5u);
  EXPECT_EQ(decoded.size(), 60u * 9);
  for (std::size_t begin = 0; begin < out.size();) {
    const std::size_t end = std::min(out.find("\r\n", begin), out.size());
    EXPECT_LE(end - begin, 76u);
    begin = end + 2;
  }
}

TEST(SevenBitField, encodes_names_and_comments_of_addresses_and_leaves_the_addresses) {
  EXPECT_EQ(in_seven_bits("From: J\xc3\xb6rg Meyer <j@example.org>"), "From: =?utf-8?q?J=C3=B6rg?= Meyer <j@example.org>");
  EXPECT_EQ(in_seven_bits("To: \"M\xc3\xbcller, \\\"J\\\"\" <j@example.org>, b@example.net"),
            "To: =?utf-8?q?M=C3=BCller=2C_=22J=22?= <j@example.org>, b@example.net");
  EXPECT_EQ(in_seven_bits("Cc: a@example.org (J\xf6rg), \"x, y\" <b@example.net>"),
            "Cc: a@example.org (=?unknown-8bit?q?J=F6rg?=), \"x, y\" <b@example.net>");
  EXPECT_EQ(in_seven_bits("To: L\xc3\xa9gion: a@example.org, b@example.net;"), "To: =?utf-8?q?L=C3=A9gion?=: a@example.org, b@example.net;");
  EXPECT_EQ(in_seven_bits("From: \"J\xc3\xb6rg\"<j@example.org>"), "From: =?utf-8?q?J=C3=B6rg?= <j@example.org>");
}

TEST(SevenBitField, renames_a_field_that_has_no_7_bit_form) {
  for (const std::string_view field : {"From: j\xc3\xb6rg@example.org", "From: <j\xc3\xb6rg@example.org>", "From: \"j\xc3\xb6rg\"@example.org",
                                       "From: \"J\xc3\xb6rg <j@example.org>", "From: (J\xc3\xb6rg", "From: <\xc3\xb6"}) {
    EXPECT_TRUE(in_seven_bits(field).starts_with("Downgraded-From: ")) << field;
  }
  EXPECT_EQ(in_seven_bits("Message-ID: <\xc3\xa9@x>"), "Downgraded-Message-ID: =?utf-8?q?=3C=C3=A9=40x=3E?=");
  EXPECT_TRUE(in_seven_bits("Content-Type: te\xc3\xa9xt/plain").starts_with("Downgraded-Content-Type: "));
}

TEST(SevenBitField, gives_parameters_their_extended_form) {
  EXPECT_EQ(in_seven_bits("Content-Disposition: attachment; filename=\"caf\xc3\xa9 1.txt\"; size=3"),
            "Content-Disposition: attachment; filename*=utf-8''caf%C3%A9%201.txt; size=3");
  EXPECT_EQ(in_seven_bits("Content-Type: text/plain; name=caf\xe9.txt"), "Content-Type: text/plain; name*=unknown-8bit''caf%E9.txt");
  EXPECT_EQ(in_seven_bits("Content-Type: text/plain; name*=utf-8''caf\xc3\xa9%20.txt"), "Content-Type: text/plain; name*=utf-8''caf%C3%A9%20.txt");
  std::string name;
  for (int i = 0; i < 60; ++i) name += "\xc3\xa9";
  const std::string out = in_seven_bits("Content-Type: a/b; name=\"" + name + "\"; x=\"y;\"");
  EXPECT_NE(out.find("name*0*=utf-8''%C3%A9"), std::string::npos) << out;
  EXPECT_NE(out.find(" name*5*=%"), std::string::npos) << out;
  EXPECT_TRUE(out.ends_with("x=\"y;\"")) << out;
  std::size_t octets = 0;
  for (std::size_t at = out.find('%'); at != std::string::npos; at = out.find('%', at + 1)) {
    EXPECT_TRUE(out.substr(at, 3) == "%C3" || out.substr(at, 3) == "%A9");
    ++octets;
  }
  EXPECT_EQ(octets, 120u);
}

TEST(SevenBitField, survives_whatever_it_is_given) {
  const std::string_view alphabet = "\"(<>)@,;:=\\ \t*%a\xc3\xa9\xff";
  std::uint32_t state = 1;
  for (int round = 0; round < 5000; ++round) {
    std::string value;
    for (std::uint32_t length = (state >> 20) % 24; length != 0; --length) {
      state = state * 1'664'525 + 1'013'904'223;
      value += alphabet[(state >> 16) % alphabet.size()];
    }
    state = state * 1'664'525 + 1'013'904'223;
    for (const std::string_view name : {"Subject", "From", "Content-Type", "Message-ID"}) {
      in_seven_bits(std::string(name) + ": " + value);
      if (testing::Test::HasFailure()) {
        FAIL() << printable(value);
      }
    }
  }
}

}  // namespace
}  // namespace adieu::mail
