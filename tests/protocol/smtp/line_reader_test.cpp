#include "adieu/protocol/smtp/line_reader.h"

#include <gtest/gtest.h>

#include <vector>

namespace adieu::smtp {
namespace {

using Lines = std::vector<std::pair<LineStatus, std::string>>;

Lines read(std::string_view wire, std::size_t first, std::size_t block, std::size_t limit = 20) {
  LineReader reader(limit);
  Lines lines;
  std::size_t size = first;
  for (std::size_t at = 0; at < wire.size();) {
    std::string_view part = wire.substr(at, std::max<std::size_t>(size, 1));
    at += part.size();
    while (!part.empty()) {
      const LineReader::Taken taken = reader.take(part);
      if (taken.consumed == 0) break;
      if (taken.status != LineStatus::incomplete) lines.emplace_back(taken.status, taken.line);
      part.remove_prefix(taken.consumed);
    }
    size = block;
  }
  return lines;
}

Lines read_every_way(std::string_view wire, std::size_t limit = 20) {
  const Lines whole = read(wire, wire.size(), wire.size(), limit);
  EXPECT_EQ(read(wire, 1, 1, limit), whole);
  for (std::size_t at = 1; at < wire.size(); ++at) EXPECT_EQ(read(wire, at, wire.size(), limit), whole) << "split at " << at;
  return whole;
}

TEST(LineReader, takes_lines_that_end_with_crlf) {
  EXPECT_EQ(read_every_way("NOOP\r\n\r\nQUIT\r\nrest"),
            (Lines{{LineStatus::line, "NOOP"}, {LineStatus::line, ""}, {LineStatus::line, "QUIT"}}));
}
TEST(LineReader, a_bare_lf_or_cr_does_not_end_a_line_and_spoils_it) {
  for (const char* bare : {"\n", "\r", "\n\n", "\r\r"}) {
    const Lines lines = read_every_way(std::string("NOOP") + bare + "QUIT\r\nNOOP\r\n");
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[0].first, LineStatus::malformed);
    EXPECT_EQ(lines[1], (std::pair<LineStatus, std::string>{LineStatus::line, "NOOP"}));
  }
}
TEST(LineReader, a_nul_spoils_a_line) {
  EXPECT_EQ(read_every_way(std::string_view("NO\0OP\r\n", 7)).at(0).first, LineStatus::malformed);
}
TEST(LineReader, a_line_beyond_the_limit_is_skipped_to_its_end_and_the_next_one_is_good) {
  const Lines lines = read_every_way(std::string(500, 'x') + "\r\nNOOP\r\n");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].first, LineStatus::too_long);
  EXPECT_EQ(lines[1].second, "NOOP");
}
TEST(LineReader, the_limit_counts_crlf) {
  EXPECT_EQ(read_every_way(std::string(18, 'x') + "\r\n").at(0).first, LineStatus::line);
  EXPECT_EQ(read_every_way(std::string(19, 'x') + "\r\n").at(0).first, LineStatus::too_long);
}

TEST(LineReader, costs_a_bounded_number_of_steps_for_each_octet_however_it_is_divided) {
  for (const std::string_view unit : {"\r", "\n", "\r\n", "a", "\r\r\n", "aaaaaaa\r\n", "\n\r"}) {
    for (const std::size_t block : {1, 2, 100, 65'536}) {
      std::string wire;
      while (wire.size() < 65'536) wire += unit;
      LineReader reader(2048);
      std::string_view rest(wire);
      while (!rest.empty()) {
        std::string_view part = rest.substr(0, block);
        rest.remove_prefix(part.size());
        while (!part.empty()) part.remove_prefix(reader.take(part).consumed);
      }
      EXPECT_LE(reader.examined(), 4 * wire.size()) << testing::PrintToString(unit) << " in blocks of " << block;
    }
  }
}

}  // namespace
}  // namespace adieu::smtp
