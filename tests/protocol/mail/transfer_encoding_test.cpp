#include "protocol/mail/transfer_encoding.h"

#include <gtest/gtest.h>

namespace adieu::mail {
namespace {

template <class Encoder>
std::string encoded(std::string_view text, std::size_t block = ~std::size_t{0}) {
  Encoder encoder;
  std::string out;
  for (; !text.empty(); text.remove_prefix(std::min(block, text.size()))) encoder.encode(text.substr(0, block), out);
  encoder.finish(out);
  return out;
}

void expect_short_lines(std::string_view text) {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find("\r\n", begin), text.size());
    EXPECT_LE(end - begin, 76u);
    begin = end + 2;
  }
}

TEST(QuotedPrintable, is_what_RFC_2045_says) {
  const auto qp = [](std::string_view text) { return encoded<QuotedPrintableEncoder>(text); };
  EXPECT_EQ(qp("plain text\r\n"), "plain text\r\n");
  EXPECT_EQ(qp("\xc3\xa9=\r\n"), "=C3=A9=3D\r\n");
  EXPECT_EQ(qp("blank \r\ntab\t\r\n \r\n"), "blank=20\r\ntab=09\r\n=20\r\n");
  EXPECT_EQ(qp("last "), "last=20");
  EXPECT_EQ(qp("bare\rcr\nlf\r"), "bare=0Dcr=0Alf=0D");
  EXPECT_EQ(qp("a  b\r\n"), "a  b\r\n");
  EXPECT_EQ(qp(std::string(76, 'x')), std::string(75, 'x') + "=\r\nx");
  EXPECT_EQ(qp(std::string(75, 'x') + "--boundary"), std::string(75, 'x') + "=\r\n=2D-boundary") << "no line of ours begins like a delimiter";
  EXPECT_EQ(qp("--boundary"), "--boundary");
}

TEST(QuotedPrintable, is_the_same_in_any_division_and_keeps_its_lines_short) {
  std::string text;
  for (int i = 0; i < 600; ++i) text += std::string(static_cast<std::size_t>(i % 7), ' ') + static_cast<char>(i % 256) + (i % 31 == 0 ? "\r\n" : "x\r");
  const std::string whole = encoded<QuotedPrintableEncoder>(text);
  expect_short_lines(whole);
  for (std::size_t block = 1; block < 40; ++block) ASSERT_EQ(encoded<QuotedPrintableEncoder>(text, block), whole) << block;
}

TEST(Base64, is_what_RFC_4648_says_in_lines_of_76) {
  const auto base64 = [](std::string_view text) { return encoded<Base64Encoder>(text); };
  for (const auto& [text, code] : {std::pair{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(base64(text), code);
  }
  EXPECT_EQ(base64("\xff\xfe\xfb"), "//77");
  EXPECT_EQ(base64(std::string(57, '\0')), std::string(76, 'A'));
  const std::string text = std::string(1000, '\xe9') + "x";
  expect_short_lines(base64(text));
  for (std::size_t block = 1; block < 10; ++block) EXPECT_EQ(encoded<Base64Encoder>(text, block), base64(text));
}

TEST(Utf8, is_well_formed_or_is_not) {
  const auto holds = [](std::string_view text, std::size_t block = 1) {
    Utf8Check check;
    for (; !text.empty(); text.remove_prefix(std::min(block, text.size()))) check.feed(text.substr(0, block));
    return check.holds();
  };
  for (const char* good : {"", "ascii", "\xc3\xa9", "\xe2\x82\xac", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(holds(good)) << good;
    EXPECT_TRUE(holds(good, 100)) << good;
  }
  for (const char* bad : {"\xe9", "\xc3", "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3x", "\xe2\x82"}) {
    EXPECT_FALSE(holds(bad)) << bad;
  }
}

}  // namespace
}  // namespace adieu::mail
