#include "adieu/protocol/smtp/mail_data.h"

#include <gtest/gtest.h>

#include <random>

namespace adieu::smtp {
namespace {

struct Decoded {
  std::string out;
  std::size_t consumed = 0;
  bool complete = false;
  bool bare = false;
  bool nul = false;
  bool long_line = false;
  bool operator==(const Decoded&) const = default;
};

/// Feeds `wire` in blocks of at most `block` octets, the first one of `first`.
Decoded decode(std::string_view wire, std::size_t first, std::size_t block, Framing framing = Framing::dot, std::size_t limit = 1000) {
  MailDataDecoder decoder(framing, limit);
  Decoded result;
  std::size_t size = first;
  while (result.consumed < wire.size() && !decoder.complete()) {
    const std::string_view part = wire.substr(result.consumed, std::max<std::size_t>(size, 1));
    result.consumed += decoder.decode(part, result.out);
    size = block;
  }
  if (framing == Framing::chunks) decoder.finish(result.out);
  result.complete = decoder.complete();
  result.bare = decoder.saw_bare_newline();
  result.nul = decoder.saw_nul();
  result.long_line = decoder.saw_long_line();
  return result;
}

/// Whole, split at every octet, one octet at a time: always the same.
Decoded decode_every_way(std::string_view wire, Framing framing = Framing::dot, std::size_t limit = 1000) {
  const Decoded whole = decode(wire, wire.size(), wire.size(), framing, limit);
  EXPECT_EQ(decode(wire, 1, 1, framing, limit), whole) << "one octet at a time";
  for (std::size_t at = 1; at < wire.size(); ++at) EXPECT_EQ(decode(wire, at, wire.size(), framing, limit), whole) << "split at " << at;
  return whole;
}

TEST(MailData, ends_with_crlf_dot_crlf_and_takes_one_dot_from_each_line) {
  const Decoded result = decode_every_way("a\r\n..b\r\n.c\r\n...\r\n\r\n.\r\nQUIT\r\n");
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.out, "a\r\n.b\r\nc\r\n..\r\n\r\n");
  EXPECT_EQ(result.consumed, 22u) << "what stands behind the end is left alone";
  EXPECT_FALSE(result.bare);
}

TEST(MailData, of_nothing_at_all_is_a_dot_alone) {
  const Decoded result = decode_every_way(".\r\n");
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.out, "");
}

TEST(MailData, no_bare_newline_around_a_dot_ends_it) {
  // CVE-2023-51764 and its kin: every way to write "newline dot newline" with anything but CRLF.CRLF.
  for (const char* before : {"\n", "\r", "\r\n", "\n\n", "\r\r", "\n\r", "\r\r\n"}) {
    for (const char* behind : {"\n", "\r", "\r\n", "\n\n", "\r\r", "\n\r", "\r\r\n"}) {
      const std::string wire = std::string("body") + before + "." + behind + "MAIL FROM:<smuggled@example.org>\r\n.\r\n";
      const bool real = std::string_view(before).ends_with("\r\n") && std::string_view(behind).starts_with("\r\n");
      const Decoded result = decode_every_way(wire);
      EXPECT_TRUE(result.complete);
      EXPECT_EQ(result.out.find("smuggled") == std::string::npos, real) << testing::PrintToString(wire);
      EXPECT_TRUE(real || result.bare) << testing::PrintToString(wire);
    }
  }
}

TEST(MailData, a_bare_newline_becomes_crlf_in_what_is_stored) {
  EXPECT_EQ(decode_every_way("a\nb\rc\r\n.\r\n").out, "a\r\nb\r\nc\r\n");
  EXPECT_EQ(decode_every_way("a\n.\r\nb\r\n.\r\n").out, "a\r\n.\r\nb\r\n") << "a dot behind a bare newline is text";
}

TEST(MailData, a_nul_is_noticed_and_left_out_of_what_is_stored) {
  const Decoded result = decode_every_way(std::string_view("a\0b\0\0\r\n\0\r\n.\r\n", 14));
  EXPECT_TRUE(result.nul);
  EXPECT_FALSE(result.bare);
  EXPECT_EQ(result.out, "ab\r\n\r\n");
  EXPECT_FALSE(decode_every_way("a\r\n.\r\n").nul);
  EXPECT_EQ(decode_every_way(std::string_view("\0a\0", 3), Framing::chunks).out, "a");
}

TEST(MailData, a_nul_neither_makes_nor_hides_its_end_here_or_at_the_next_hop) {
  // A NUL at every place of "CR LF . CR LF", one or several of them: no such thing is the end, and what is stored ends at no other place once
  // it has been dot-stuffed for the next hop.
  const std::string_view end = "\r\n.\r\n";
  for (unsigned places = 1; places < 32; ++places) {
    std::string spoilt;
    for (std::size_t i = 0; i < end.size(); ++i) {
      spoilt += end[i];
      if (i + 1 < end.size() && (places >> i & 1) != 0) spoilt += '\0';
    }
    if (spoilt == end) continue;
    const std::string smuggled = "MAIL FROM:<smuggled@example.org>\r\n";
    const Decoded result = decode_every_way("body" + spoilt + smuggled + std::string(end));
    EXPECT_TRUE(result.complete);
    EXPECT_TRUE(result.nul);
    EXPECT_NE(result.out.find("smuggled"), std::string::npos) << testing::PrintToString(spoilt);
    EXPECT_EQ(result.out.find('\0'), std::string::npos);
    DotEncoder encoder;
    std::string wire;
    encoder.encode(result.out, wire);
    encoder.finish(wire);
    const Decoded next_hop = decode(wire, wire.size(), wire.size());
    EXPECT_EQ(next_hop.consumed, wire.size()) << testing::PrintToString(spoilt);
    EXPECT_EQ(next_hop.out, result.out);
  }
  EXPECT_EQ(decode_every_way(std::string_view("a\r\n\0.\r\n.\r\n", 11)).out, "a\r\n.\r\n") << "the dot is text: no line began with it";
  EXPECT_EQ(decode_every_way(std::string_view("a\r\n.\0\r\n.\r\n", 11)).out, "a\r\n\r\n") << "the dot began its line";
}

TEST(MailData, costs_a_bounded_number_of_steps_for_each_octet_whatever_it_holds) {
  constexpr std::size_t kOctets = 1 << 16;
  const std::string_view units[] = {"\r", "\n", {"\0", 1}, "\r\r\n", "\n\r", ".", "\r\n.", "\r\n..\r", ".\r", "a\r", "a\n", {"\r\0", 2}, {"a\0", 2}, {"\n\0\r", 3}, "a", "a\r\n", "\r\n"};
  for (const Framing framing : {Framing::dot, Framing::chunks}) {
    for (const std::string_view unit : units) {
      for (const std::size_t block : {kOctets, std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
        std::string wire;
        while (wire.size() < kOctets) wire += unit;
        MailDataDecoder decoder(framing, 1000);
        std::string out;
        std::size_t done = 0;
        while (done < wire.size() && !decoder.complete()) done += decoder.decode(std::string_view(wire).substr(done, block), out);
        // Each of three kinds of octet is searched for once, and what stands in the way is looked at once more.
        EXPECT_LE(decoder.examined(), 8 * done + 1024) << testing::PrintToString(unit) << " in blocks of " << block;
      }
    }
  }
}

TEST(MailData, notices_lines_beyond_the_limit) {
  EXPECT_FALSE(decode_every_way(std::string(8, 'x') + "\r\n.\r\n", Framing::dot, 10).long_line);
  EXPECT_TRUE(decode_every_way(std::string(9, 'x') + "\r\n.\r\n", Framing::dot, 10).long_line);
}

TEST(MailData, in_chunks_has_no_dots_and_a_cr_at_its_very_end_stands_alone) {
  EXPECT_EQ(decode_every_way("a\r\n.\r\n..b\r\n", Framing::chunks).out, "a\r\n.\r\n..b\r\n");
  const Decoded result = decode_every_way("a\r", Framing::chunks);
  EXPECT_TRUE(result.bare);
  EXPECT_EQ(result.out, "a\r\n");
}

TEST(DotEncoder, and_decoder_are_inverse_for_whole_lines_however_they_are_divided) {
  std::mt19937 random(7);
  const std::string_view pieces[] = {"\r\n", ".", "a", "..", "\r\n.", "text of some length", "\r\n\r\n"};
  for (int round = 0; round < 300; ++round) {
    std::string mail_data;
    for (int i = 0; i < 12; ++i) mail_data += pieces[random() % std::size(pieces)];
    mail_data += "\r\n";
    DotEncoder encoder;
    std::string wire;
    for (std::size_t at = 0; at < mail_data.size();) {
      const std::size_t size = 1 + random() % 9;
      encoder.encode(std::string_view(mail_data).substr(at, size), wire);
      at += size;
    }
    encoder.finish(wire);
    const Decoded result = decode(wire, wire.size(), wire.size());
    EXPECT_TRUE(result.complete);
    EXPECT_EQ(result.consumed, wire.size());
    EXPECT_EQ(result.out, mail_data);
    EXPECT_FALSE(result.bare);
  }
}

TEST(DotEncoder, gives_a_last_line_its_end) {
  DotEncoder encoder;
  std::string wire;
  encoder.encode("no end", wire);
  encoder.finish(wire);
  EXPECT_EQ(wire, "no end\r\n.\r\n");
}

}  // namespace
}  // namespace adieu::smtp
