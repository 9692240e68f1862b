// The form of every stored record: version (1 octet), CRC-32C of the rest (4), then the fields in order. Numbers are little-endian and of fixed
// width, strings a 32-bit length and their octets. What a later version adds goes behind, under a new version number.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "adieu/base/bytes.h"
#include "adieu/base/clock.h"
#include "adieu/base/result.h"

namespace adieu {

/// CRC-32C (Castagnoli), RFC 3720 appendix B.4.
std::uint32_t crc32c(Octets octets);

class RecordWriter {
 public:
  explicit RecordWriter(char version) : text_(kPrefix, '\0') { text_[0] = version; }

  template <std::unsigned_integral Number>
  RecordWriter& number(Number value) {
    for (std::size_t i = 0; i < sizeof(Number); ++i) text_ += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 255);
    return *this;
  }
  RecordWriter& amount(double value);
  RecordWriter& string(Octets value) {
    number(static_cast<std::uint32_t>(value.size()));
    text_ += value;
    return *this;
  }
  RecordWriter& time(WallTime value) { return number(static_cast<std::uint64_t>(value.time_since_epoch().count())); }
  /// The whole record; the writer is empty afterwards.
  std::string finish();

 private:
  friend class RecordReader;
  static constexpr std::size_t kPrefix = 5;
  std::string text_;
};

/// Reads in the order in which it was written. What is missing reads as zero or empty and makes the whole unfinished, so that only the end
/// needs to be asked.
class RecordReader {
 public:
  /// `version` is the newest that is known. Errors (invalid): a newer one, a wrong checksum; `what`, a literal, names the record in
  /// them.
  static Result<RecordReader> open(Octets record, char version, std::string_view what);

  template <std::unsigned_integral Number>
  Number number() {
    if (rest_.size() < sizeof(Number)) {
      whole_ = false;
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(Number); ++i) value |= static_cast<std::uint64_t>(static_cast<unsigned char>(rest_[i])) << (8 * i);
    rest_.remove_prefix(sizeof(Number));
    return static_cast<Number>(value);
  }
  /// 0 or more, and finite.
  double amount();
  std::string string();
  WallTime time() { return WallTime(Duration(static_cast<Duration::rep>(number<std::uint64_t>()))); }
  /// An enumeration's value, at most `last`.
  template <class Enum>
  Enum one_of(Enum last) {
    const auto value = number<std::uint8_t>();
    if (value > static_cast<std::uint8_t>(last)) whole_ = false;
    return static_cast<Enum>(value);
  }
  bool flag() { return one_of(std::uint8_t{1}) != 0; }

  bool whole() const { return whole_; }
  /// Errors (invalid): something was missing, or is left.
  Result<> finish() const;

 private:
  RecordReader(Octets rest, std::string_view what) : rest_(rest), what_(what) {}
  Octets rest_;
  std::string_view what_;
  bool whole_ = true;
};

}  // namespace adieu
