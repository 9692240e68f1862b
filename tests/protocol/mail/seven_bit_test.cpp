#include "adieu/protocol/mail/seven_bit.h"

#include <gtest/gtest.h>

#include "protocol/mail/mime_walker.h"

namespace adieu::mail {
namespace {

SevenBitPlan scan(std::string_view mail_data, std::size_t block = ~std::size_t{0}) {
  EightBitScan scan;
  for (; !mail_data.empty(); mail_data.remove_prefix(std::min(block, mail_data.size()))) scan.feed(mail_data.substr(0, block));
  return std::move(scan).finish();
}

std::string convert(std::string_view mail_data, std::size_t block = ~std::size_t{0}) {
  SevenBitPlan plan = scan(mail_data, block);
  EXPECT_EQ(plan.refusal, "");
  SevenBitConverter converter(std::move(plan));
  std::string out;
  for (; !mail_data.empty(); mail_data.remove_prefix(std::min(block, mail_data.size()))) converter.convert(mail_data.substr(0, block), out);
  converter.finish(out);
  return out;
}

/// The same in any division, and no octet beyond ASCII.
std::string converted(std::string_view mail_data) {
  const std::string whole = convert(mail_data);
  EXPECT_FALSE(has_eight_bit(whole));
  EXPECT_TRUE(whole.ends_with("\r\n"));
  for (std::size_t block = 1; block <= 20; ++block) EXPECT_EQ(convert(mail_data, block), whole) << block;
  return whole;
}

TEST(SevenBit, a_message_without_MIME_becomes_one_with) {
  EXPECT_EQ(converted("Subject: x\r\n\r\ncaf\xc3\xa9 and no more of it\r\n"),
            "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            "caf=C3=A9 and no more of it\r\n");
  EXPECT_EQ(converted("Subject: x\r\n\r\ncaf\xe9 and no more of it\r\n"),
            "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            "caf=E9 and no more of it\r\n");
  EXPECT_EQ(converted("Subject: x\r\nno field, caf\xc3\xa9\r\n"),
            "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            "no field, caf=C3=A9\r\n")
      << "a body that begins without an empty line";
}

TEST(SevenBit, what_follows_a_header_without_an_empty_line_does_not_get_into_it) {
  EXPECT_EQ(converted("Content-Type: message/rfc822\r\nno field, caf\xc3\xa9\r\n"),
            "Content-Type: message/rfc822\r\n\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            "no field, caf=C3=A9\r\n");
  EXPECT_EQ(converted("Content-Type: multipart/mixed; boundary=b\r\nContent-T\xff: y\r\n--b\r\n\r\nx\r\n--b--\r\n"),
            "Content-Type: multipart/mixed; boundary=b\r\n\r\nContent-T*: y\r\n--b\r\n\r\nx\r\n--b--\r\n");
  EXPECT_EQ(converted("Content-Transfer-Encoding: base64\r\na\xe9: YWFh\r\n"), "Content-Transfer-Encoding: base64\r\n\r\na*: YWFh\r\n");
}

TEST(SevenBit, text_keeps_its_character_set_and_its_other_fields) {
  EXPECT_EQ(converted("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\nX: y\r\n\r\nna\xefve text here\r\n"),
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\nX: y\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nna=EFve text here\r\n");
}

TEST(SevenBit, what_is_dense_or_no_text_becomes_base64) {
  EXPECT_EQ(converted("Content-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0\r\n\r\n\xc3\xa9\xc3\xa9\xc3\xa9\r\n"),
            "Content-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\nw6nDqcOpDQo=\r\n");
  EXPECT_EQ(converted("MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\nabcdefghijklmno\xe9\r\n"),
            "MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJjZGVmZ2hpamtsbW5v6Q0K\r\n");
}

TEST(SevenBit, only_the_parts_that_need_it_are_touched) {
  EXPECT_EQ(converted("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b 1\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                      "preamble \xc3\xa9\r\n"
                      "--b 1\r\n\r\ncaf\xc3\xa9 au lait, please\r\n"
                      "--b 1  \r\nContent-Type: text/html\r\nContent-Transfer-Encoding: 8BIT\r\nX: y\r\n\r\n=3D stays \r\n\r\n"
                      "--b 1\r\nContent-Type: application/octet-stream\r\n\r\n\xff\r\n"
                      "--b 1\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n=C3=A9\xc3\xa9\r\n"
                      "--b 1\r\nContent-Transfer-Encoding: base64\r\n\r\nZm9v\xa0YmFy\r\n"
                      "--b 1--\r\nepilogue \xe9\r\n"),
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b 1\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
            "preamble **\r\n"
            "--b 1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncaf=C3=A9 au lait, please\r\n"
            "--b 1  \r\nContent-Type: text/html\r\nContent-Transfer-Encoding: 8BIT\r\nX: y\r\n\r\n=3D stays \r\n\r\n"
            "--b 1\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n/w==\r\n"
            "--b 1\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n=C3=A9=C3=A9\r\n"
            "--b 1\r\nContent-Transfer-Encoding: base64\r\n\r\nZm9v*YmFy\r\n"
            "--b 1--\r\nepilogue *\r\n");
}

TEST(SevenBit, makes_no_line_a_delimiter) {
  EXPECT_EQ(converted("Content-Type: multipart/mixed; boundary=\"b?1\"\r\n\r\n--b\xe9" "1\r\n--b?1\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n--b\xe9?1\r\neA==\r\n--b?1--\r\n"),
            "Content-Type: multipart/mixed; boundary=\"b?1\"\r\n\r\n--b*1\r\n--b?1\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n--b*?1\r\neA==\r\n--b?1--\r\n");
}

TEST(SevenBit, divides_mended_lines_that_get_too_long) {
  const std::string header = "Content-Transfer-Encoding: quoted-printable\r\n\r\n";
  std::string body, mended;
  for (int i = 0; i < 200; ++i) body += "=E4\xc3\xa4-";
  const std::string out = converted(header + body + "\r\n").substr(header.size());
  for (std::size_t at = 0; at < out.size();) {
    const std::size_t end = out.find("\r\n", at);
    EXPECT_LE(end - at, 998U);
    EXPECT_NE(out[at], '-');
    const bool soft = out[end - 1] == '=';
    EXPECT_EQ(soft, end + 2 < out.size());
    mended += out.substr(at, end - at - (soft ? 1 : 0));
    at = end + 2;
  }
  for (std::size_t at = mended.find("=2D"); at != std::string::npos; at = mended.find("=2D")) mended.replace(at, 3, "-");
  std::string expected;
  for (int i = 0; i < 200; ++i) expected += "=E4=C3=A4-";
  EXPECT_EQ(mended, expected);
}

TEST(SevenBit, goes_into_messages_and_multiparts_within_others) {
  EXPECT_EQ(converted("MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=o\r\n\r\n"
                      "--o\r\n\r\nSubject: inner \xc3\xa9\r\n\r\nplain\r\n"
                      "--o\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                      "Content-Type: multipart/alternative;\r\n boundary=i\r\nMIME-Version: 1.0\r\n\r\n"
                      "--i\r\n\r\nse\xc3\xb1or, how are you\r\n--i--\r\n"
                      "--o--\r\n"),
            "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=o\r\n\r\n"
            "--o\r\n\r\nSubject: inner =?utf-8?q?=C3=A9?=\r\n\r\nplain\r\n"
            "--o\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
            "Content-Type: multipart/alternative;\r\n boundary=i\r\nMIME-Version: 1.0\r\n\r\n"
            "--i\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nse=C3=B1or, how are you\r\n--i--\r\n"
            "--o--\r\n");
  EXPECT_EQ(converted("Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nx\r\n"
                      "--o\r\n\r\ncaf\xc3\xa9 with more of it\r\n--o--\r\n"),
            "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nx\r\n"
            "--o\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncaf=C3=A9 with more of it\r\n--o--\r\n")
      << "the delimiter of an outer multipart ends the inner one";
}

TEST(SevenBit, what_was_signed_is_never_touched) {
  const std::string before = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n";
  const std::string signed_part =
      "--o\r\nContent-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=s\r\n\r\n"
      "--s\r\nContent-Type: multipart/mixed; boundary=i\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--i\r\nContent-Transfer-Encoding: 8bit\r\nX: y\r\n\r\nplain =\r\n--i--\r\n"
      "--s\r\nContent-Type: application/pgp-signature\r\n\r\nsignature\r\n--s--\r\n";
  const std::string footer = "--o\r\n\r\nfooter of the list: \xc3\xa9\r\n--o--\r\n";
  const std::string out = converted(before + signed_part + footer);
  EXPECT_EQ(out.substr(before.size(), signed_part.size()), signed_part);
  for (const char* within : {"plain", "X: y", "nature\r\n--s"}) {
    std::string touched = before + signed_part + footer;
    touched.insert(touched.find(within) + 1, "\xc3\xa9");
    EXPECT_NE(scan(touched).refusal.find("signed"), std::string_view::npos) << within;
    EXPECT_TRUE(scan(touched).eight_bit);
  }
}

TEST(SevenBit, tells_what_it_cannot_convert) {
  for (const std::string_view refused : {
           "Content-Type: message/partial; id=x; number=1\r\n\r\n\xe9\r\n",
           "Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n\xe9\r\n",
           "Content-Type: multipart/mixed\r\n\r\n\xe9\r\n",
           "Content-Type: multipart/mixed; boundary=x\r\nContent-Transfer-Encoding: base64\r\n\r\n\xe9\r\n",
           "Content-Type: multipart/mixed; boundary=\"\xe9\"\r\n\r\n--\xe9\r\n\r\nx\r\n",
           // A reader of the field under another name, or without a part of it, would find other parts.
           "Content-Type: text/p\xe9; charset=utf-8\r\n\r\nx\r\n",
           "Content-Type: multipart/mixed; (\xe9) boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
           "Content-Type: multipart/mixed; (a=\xe9); boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
           "Content-Type: multipart/mixed; boundary=\"b\" \xe9\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
           "Content-Transfer-Encoding: base64 (\xe9)\r\n\r\neA==\r\n",
           "MIME-Version: 1.0 (\xe9)\r\n\r\nx\r\n",
       }) {
    const SevenBitPlan plan = scan(refused);
    EXPECT_NE(plan.refusal, "") << refused;
    EXPECT_TRUE(plan.eight_bit);
  }
  EXPECT_FALSE(scan("Subject: x\r\n\r\nplain\r\n").eight_bit);
  EXPECT_FALSE(scan("").eight_bit);
  EXPECT_TRUE(scan("DKIM-Signature: x\r\n\r\n\xe9\r\n").breaks_dkim);
  EXPECT_FALSE(scan("X: y\r\n\r\nDKIM-Signature: x\r\n\xe9\r\n").breaks_dkim);
}

TEST(SevenBit, keeps_to_its_limits) {
  EXPECT_NE(scan("X: " + std::string(MimeWalker::kField, 'x') + "\r\n\r\n\xe9\r\n").refusal, "");
  EXPECT_TRUE(scan("X: " + std::string(MimeWalker::kField, 'x') + "\r\n\r\n\xe9\r\n", 1000).eight_bit);
  std::string many = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  for (std::size_t i = 0; i < MimeWalker::kEntities; ++i) many += "--b\r\n\r\n";
  EXPECT_NE(scan(many + "\xe9\r\n").refusal, "");
  std::string deep;
  for (std::size_t i = 0; i < 10 * MimeWalker::kDepth; ++i) deep += "Content-Type: multipart/mixed; boundary=b" + std::to_string(i) + "\r\n\r\n--b" + std::to_string(i) + "\r\n";
  EXPECT_NE(scan(deep + "\r\n\xe9\r\n").refusal, "");
  std::string messages;
  for (std::size_t i = 0; i < 1000; ++i) messages += "Content-Type: message/rfc822\r\n\r\n";
  EXPECT_EQ(scan(messages + "\r\n\xe9\r\n").refusal, "");
}

TEST(SevenBit, is_the_same_in_any_division_whatever_it_is_given) {
  const std::string_view pieces[] = {"Content-Type: multipart/mixed; boundary=b\r\n", "Content-Type: message/rfc822\r\n", "Content-Transfer-Encoding: 8bit\r\n",
                                     "Content-Transfer-Encoding: quoted-printable\r\n", "\r\n", "--b\r\n", "--b--\r\n", "--b", "-", "\xc3\xa9", "text", " ", "\r", "\r\n", "MIME-Version: 1.0\r\n",
                                     "Subject: \xff\r\n", "Content-Type: multipart/signed; boundary=s\r\n", "--s\r\n", "--s--\r\n", "Content-Type: text/plain\r\n"};
  std::uint32_t state = 7;
  const auto random = [&](std::size_t limit) {
    state = state * 1'664'525 + 1'013'904'223;
    return static_cast<std::size_t>(state >> 12) % limit;
  };
  int converted_messages = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string mail_data;
    for (std::size_t i = random(20); i != 0; --i) mail_data += pieces[random(std::size(pieces))];
    mail_data += "\r\n";
    const std::size_t block = 1 + random(9);
    const SevenBitPlan plan = scan(mail_data);
    const SevenBitPlan other = scan(mail_data, block);
    ASSERT_EQ(plan.refusal, other.refusal);
    ASSERT_EQ(plan.eight_bit, other.eight_bit);
    ASSERT_EQ(plan.eight_bit, has_eight_bit(mail_data)) << printable(mail_data, 1000);
    if (!plan.refusal.empty()) continue;
    const std::string out = convert(mail_data);
    ASSERT_EQ(convert(mail_data, block), out) << printable(mail_data, 1000);
    ASSERT_FALSE(has_eight_bit(out)) << printable(mail_data, 1000);
    ASSERT_TRUE(plan.eight_bit || out == mail_data) << printable(mail_data, 1000);
    ++converted_messages;
  }
  EXPECT_GT(converted_messages, 1000);
}

}  // namespace
}  // namespace adieu::mail
