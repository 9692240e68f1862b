#include "relay/config/text_file.h"

#include <gtest/gtest.h>

#include "said.h"

namespace adieu::config {
namespace {
using namespace std::string_literals;
using test::Directory;

TEST(TextFile, a_byte_order_mark_of_utf8_is_no_part_of_the_text) {
  EXPECT_EQ(as_text("\xef\xbb\xbfhostname x").text, "hostname x");
  EXPECT_EQ(as_text("\xef\xbb\xbf").text, "");
  EXPECT_EQ(as_text("caf\xc3\xa9\r\n\t").text, "caf\xc3\xa9\r\n\t");
}

TEST(TextFile, utf16_is_told) {
  for (const std::string& text : {"\xff\xfeh\0o\0"s, "\xfe\xff\0h\0o"s, "h\0o\0"s, "\0h\0o"s}) {
    const TextFile file = as_text(text);
    EXPECT_EQ(file.problem, "is UTF-16 text; save it as UTF-8");
    EXPECT_EQ(file.text, "");
  }
}

TEST(TextFile, what_is_binary_is_told_with_its_place_and_never_shown) {
  const TextFile file = as_text("hostname x\nab\x1b[31m");
  EXPECT_EQ(file.problem, "is no text file: expected UTF-8 text, found the octet \\x1b");
  EXPECT_EQ(file.line, 2u);
  EXPECT_EQ(file.column, 3u);
  EXPECT_EQ(as_text("\x7f" "ELF").column, 1u);
  for (int octet = 0; octet < 256; ++octet) {
    const bool control = (octet < 0x20 && octet != '\t' && octet != '\r' && octet != '\n') || octet == 0x7f;
    EXPECT_EQ(as_text("ab" + std::string(1, static_cast<char>(octet))).problem.empty(), !control) << octet;
  }
}

TEST(TextFile, says_why_it_cannot_be_read) {
  const Directory directory;
  EXPECT_EQ(read_text_file(directory.path / "none").problem, "cannot be read: No such file or directory");
  EXPECT_EQ(read_text_file(directory.path).problem, "cannot be read: Is a directory");
  EXPECT_EQ(read_text_file("/dev/zero").problem, "cannot be read: it is larger than 64MiB");
  EXPECT_EQ(read_text_file(directory.write("text", "a\n")).text, "a\n");
}

}  // namespace
}  // namespace adieu::config
