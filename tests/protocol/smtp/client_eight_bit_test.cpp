// Mail data with octets beyond ASCII, to servers with and without 8BITMIME. RFC 6152 section 3.
#include <gtest/gtest.h>

#include "support/client_talk.h"

namespace adieu::test {
namespace {

constexpr std::string_view kEightBit = "Subject: x\r\n\r\n.caf\xc3\xa9 au lait\r\n";
constexpr std::string_view kSevenBit =
    "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    "..caf=C3=A9 au lait\r\n.\r\n";  // as it goes by DATA

TEST(ClientTransaction, converts_8_bit_mail_data_where_8BITMIME_is_not_offered) {
  for (const bool pipelining : {false, true}) {
    every_way([pipelining](Division division) {
      Talk talk(division);
      talk.greet({pipelining ? "PIPELINING" : "X", "CHUNKING", "SIZE 100"});
      std::string said = talk.send({"b"}, std::string(kEightBit), mail::BodyType::eight_bit_mime);
      EXPECT_EQ(said, pipelining ? together({kMail, kRcpt, "DATA\r\n"}) : kMail) << "how long it will be is not known, so neither SIZE nor BDAT";
      if (!pipelining) {
        talk.hear("250 ok\r\n");
        talk.hear("250 ok\r\n");
        said = talk.hear("354 go\r\n");
      } else {
        said = talk.hear("250 ok\r\n250 ok\r\n354 go\r\n");
      }
      EXPECT_EQ(said, kSevenBit);
      talk.hear("250 stored\r\n");
      EXPECT_EQ(talk.outcomes.at(0).fate, Fate::delivered);
      EXPECT_EQ(talk.outcomes.at(0).detail, "converted to 7 bits");
      EXPECT_TRUE(talk.ready);
    });
  }
}

TEST(ClientTransaction, converts_nothing_where_there_is_no_need) {
  Talk offered(kWhole);
  offered.greet({"PIPELINING", "CHUNKING", "8BITMIME"});
  EXPECT_EQ(offered.send({"b"}, std::string(kEightBit), mail::BodyType::eight_bit_mime),
            together({"MAIL FROM:<a@example.org> BODY=8BITMIME\r\n", kRcpt, "BDAT 30 LAST\r\n", kEightBit}));
  EXPECT_EQ(offered.asked, 1) << "and looks at nothing beforehand";

  Talk plain(kWhole);
  plain.greet({"PIPELINING", "CHUNKING"});
  EXPECT_EQ(plain.send({"b"}, "Subject: x\r\n\r\n", mail::BodyType::eight_bit_mime), together({kMail, kRcpt, "BDAT 14 LAST\r\nSubject: x\r\n\r\n"}))
      << "what was said to be 8-bit and is not goes as it is";

  Talk pass(kWhole, Talk::kSecure, [](ClientProfile& profile) { profile.eight_bit = EightBit::pass; });
  pass.greet({"PIPELINING", "CHUNKING"});
  EXPECT_EQ(pass.send({"b"}, std::string(kEightBit), mail::BodyType::eight_bit_mime), together({kMail, kRcpt, "BDAT 30 LAST\r\n", kEightBit}));
}

TEST(ClientTransaction, fails_what_it_may_not_or_cannot_convert_without_a_word_of_it) {
  const std::string is_signed =
      "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\ncaf\xc3\xa9\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n";
  for (const auto& [policy, mail_data] : {std::pair{EightBit::fail, std::string(kEightBit)}, {EightBit::convert, is_signed}}) {
    Talk talk(kWhole, Talk::kSecure, [policy = policy](ClientProfile& profile) { profile.eight_bit = policy; });
    talk.greet({"PIPELINING"});
    EXPECT_EQ(talk.send({"b", "c"}, mail_data, mail::BodyType::eight_bit_mime), "");
    ASSERT_EQ(talk.outcomes.size(), 2u);
    for (const Outcome& outcome : talk.outcomes) {
      EXPECT_EQ(outcome.fate, Fate::failed);
      EXPECT_EQ(outcome.status, (EnhancedStatus{5, 6, 3}));
      EXPECT_NE(outcome.detail.find("8BITMIME"), std::string::npos);
    }
    EXPECT_EQ(talk.send(), together({kMail, kRcpt, "DATA\r\n"})) << "the session goes on";
  }
}

TEST(ClientTransaction, looks_at_a_large_message_in_parts_before_it_says_a_word) {
  std::string large;
  while (large.size() < 1'000'000) large += "a line of text\r\n";
  large += "\xc3\xa9\r\n";
  Talk talk(kWhole);
  talk.greet();
  talk.holds_mail_data = true;
  EXPECT_EQ(talk.send({"b"}, "Subject: x\r\n\r\n" + large, mail::BodyType::eight_bit_mime), "");
  EXPECT_FALSE(talk.session->ready());
  EXPECT_FALSE(talk.session->deadline()) << "it is not the next hop's turn";
  std::string said;
  for (int parts = 0; said.empty() && parts < 10; ++parts) {
    talk.supply(200'000);
    talk.work();
    said = talk.said();
  }
  EXPECT_EQ(said, kMail);
  talk.holds_mail_data = false;
  talk.hear("250 ok\r\n");
  talk.hear("250 ok\r\n");
  said = talk.hear("354 go\r\n");
  EXPECT_TRUE(said.ends_with("=C3=A9\r\n.\r\n"));
  EXPECT_LE(talk.largest, 262'144u);
}

TEST(ClientTransaction, a_session_that_ends_while_it_looks_at_a_message_has_sent_nothing_of_it) {
  for (const bool speaks : {false, true}) {
    Talk talk(kWhole);
    talk.greet();
    talk.holds_mail_data = true;
    talk.send({"b", "c"}, std::string(kEightBit), mail::BodyType::eight_bit_mime);
    if (speaks) {
      talk.hear("421 4.3.2 bye\r\n");
    } else {
      talk.lose();
    }
    ASSERT_EQ(talk.outcomes.size(), 2u);
    EXPECT_EQ(talk.outcomes[1].fate, Fate::deferred);
    EXPECT_FALSE(talk.outcomes[1].may_have_arrived);
    EXPECT_TRUE(talk.end);
    talk.supply(100);
    EXPECT_EQ(talk.said(), "");
  }
  Talk talk(kWhole);
  talk.greet();
  talk.holds_mail_data = true;
  talk.send({"b"}, std::string(kEightBit), mail::BodyType::eight_bit_mime);
  talk.hear("250 o");
  talk.supply(100);
  talk.work();
  EXPECT_EQ(talk.said(), "");
  EXPECT_EQ(talk.outcomes.at(0).fate, Fate::deferred);
}

}  // namespace
}  // namespace adieu::test
