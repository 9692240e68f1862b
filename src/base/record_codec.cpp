// See record_codec.h.
#include "adieu/base/record_codec.h"

#include <array>
#include <bit>
#include <cstring>
#include <limits>

#ifdef __x86_64__
#include <nmmintrin.h>
#endif

namespace adieu {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value & 1) != 0 ? value >> 1 ^ 0x82F63B78u : value >> 1;
    table[i] = value;
  }
  return table;
}

Error invalid(std::string_view what, std::string_view why) {
  return {ErrorKind::invalid, std::string(what) + " record: " + std::string(why)};
}

}  // namespace

namespace {

std::uint32_t by_table(std::uint32_t crc, Octets octets) {
  static constexpr std::array<std::uint32_t, 256> kTable = make_table();
  for (const char c : octets) crc = kTable[(crc ^ static_cast<unsigned char>(c)) & 255] ^ crc >> 8;
  return crc;
}

#ifdef __x86_64__
/// The processor's own: eight octets in the time of one. A start sums up all logs of the spool.
__attribute__((target("sse4.2"))) std::uint32_t by_processor(std::uint32_t crc, Octets octets) {
  std::uint64_t sum = crc;
  for (; octets.size() >= sizeof sum; octets.remove_prefix(sizeof sum)) {
    std::uint64_t word = 0;
    std::memcpy(&word, octets.data(), sizeof word);
    sum = _mm_crc32_u64(sum, word);
  }
  crc = static_cast<std::uint32_t>(sum);
  for (const char c : octets) crc = _mm_crc32_u8(crc, static_cast<unsigned char>(c));
  return crc;
}
#endif

}  // namespace

std::uint32_t crc32c(Octets octets) {
#ifdef __x86_64__
  static const bool kHas = __builtin_cpu_supports("sse4.2") != 0;
  if (kHas) return ~by_processor(~0u, octets);
#endif
  return ~by_table(~0u, octets);
}

RecordWriter& RecordWriter::amount(double value) { return number(std::bit_cast<std::uint64_t>(value)); }

std::string RecordWriter::finish() {
  const std::uint32_t crc = crc32c(Octets(text_).substr(kPrefix));
  for (std::size_t i = 0; i < 4; ++i) text_[1 + i] = static_cast<char>(crc >> (8 * i) & 255);
  return std::move(text_);
}

Result<RecordReader> RecordReader::open(Octets record, char version, std::string_view what) {
  constexpr std::size_t kPrefix = RecordWriter::kPrefix;
  if (record.size() < kPrefix) return tl::unexpected<Error>(invalid(what, "too short"));
  if (record[0] < 1 || record[0] > version) return tl::unexpected<Error>(invalid(what, "of another version of adieu"));
  std::uint32_t crc = 0;
  for (std::size_t i = 0; i < 4; ++i) crc |= static_cast<std::uint32_t>(static_cast<unsigned char>(record[1 + i])) << (8 * i);
  if (crc != crc32c(record.substr(kPrefix))) return tl::unexpected<Error>(invalid(what, "wrong checksum"));
  return RecordReader(record.substr(kPrefix), what);
}

double RecordReader::amount() {
  const auto value = std::bit_cast<double>(number<std::uint64_t>());
  if (value >= 0 && value <= std::numeric_limits<double>::max()) return value;
  whole_ = false;
  return 0;
}

std::string RecordReader::string() {
  const auto length = number<std::uint32_t>();
  if (rest_.size() < length) {
    whole_ = false;
    return {};
  }
  std::string value(rest_.substr(0, length));
  rest_.remove_prefix(length);
  return value;
}

Result<> RecordReader::finish() const {
  if (!whole_ || !rest_.empty()) return tl::unexpected<Error>(invalid(what_, "its fields do not fit its length"));
  return {};
}

}  // namespace adieu
