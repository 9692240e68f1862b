#include "adieu/base/record_codec.h"

#include <gtest/gtest.h>

#include <limits>

namespace adieu {
namespace {

std::string sample() {
  RecordWriter out(2);
  return out.number(std::uint16_t{513}).amount(0.125).string(std::string_view("a\0b", 3)).time(WallTime(Duration(-7))).number(std::uint8_t{1}).finish();
}

// RFC 3720 appendix B.4, and the check value of the polynomial.
TEST(Crc32c, agrees_with_the_standard) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
}

TEST(RecordCodec, what_was_written_is_read) {
  const std::string record = sample();
  auto in = RecordReader::open(record, 3, "sample");
  ASSERT_TRUE(in.has_value());
  EXPECT_EQ(in->number<std::uint16_t>(), 513u);
  EXPECT_EQ(in->amount(), 0.125);
  EXPECT_EQ(in->string(), std::string_view("a\0b", 3));
  EXPECT_EQ(in->time(), WallTime(Duration(-7)));
  EXPECT_TRUE(in->flag());
  EXPECT_TRUE(in->finish().has_value());
}

TEST(RecordCodec, one_field_too_few_or_too_many_is_told_at_the_end) {
  const std::string record = sample();
  auto few = RecordReader::open(record, 2, "sample");
  few->number<std::uint16_t>();
  EXPECT_FALSE(few->finish().has_value());
  auto many = RecordReader::open(record, 2, "sample");
  many->number<std::uint16_t>(), many->amount(), many->string(), many->time(), many->flag();
  EXPECT_EQ(many->number<std::uint64_t>(), 0u);
  EXPECT_FALSE(many->whole());
  EXPECT_EQ(many->finish().error().message, "sample record: its fields do not fit its length");
}

TEST(RecordCodec, an_amount_is_finite_and_not_negative) {
  for (const double value : {-1.0, -1e-300, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    const std::string record = RecordWriter(1).amount(value).finish();
    auto in = RecordReader::open(record, 1, "sample");
    EXPECT_EQ(in->amount(), 0);
    EXPECT_FALSE(in->finish().has_value());
  }
}

TEST(RecordCodec, every_flipped_bit_and_every_cut_is_seen) {
  const std::string record = sample();
  for (std::size_t at = 0; at < record.size(); ++at) {
    EXPECT_FALSE(RecordReader::open(record.substr(0, at), 2, "sample").has_value()) << at;
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = record;
      flipped[at] = static_cast<char>(flipped[at] ^ 1 << bit);
      EXPECT_FALSE(RecordReader::open(flipped, 2, "sample").has_value()) << at << ':' << bit;
    }
  }
}

}  // namespace
}  // namespace adieu
