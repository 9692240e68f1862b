// Command lines out of octets: RFC 5321 section 2.3.8. Only CRLF ends a line, so that what stands behind a bare CR or LF can never become a
// command of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "adieu/base/bytes.h"

namespace adieu::smtp {

enum class LineStatus : std::uint8_t {
  incomplete,   // no CRLF yet
  line,
  too_long,     // its CRLF has come; what was beyond the limit was not kept
  malformed,    // holds a bare CR or LF, or a NUL
};

class LineReader {
 public:
  /// `limit`: octets of a line with its CRLF.
  explicit LineReader(std::size_t limit) : limit_(limit) {}

  struct Taken {
    LineStatus status = LineStatus::incomplete;
    std::size_t consumed = 0;     // octets of the input that are worked off
    std::string_view line;        // of a good line, without CRLF; valid until the next call and while the input lives
  };
  /// Takes one line at the most from the start of `input`. A line that lies whole in `input` is not copied.
  Taken take(Octets input);
  /// A line has begun, and its end has not come.
  bool in_line() const { return discarding_ || !part_.empty(); }
  /// How many octets have been looked at or copied, for tests that hold it against the length of the input.
  std::uint64_t examined() const { return examined_; }

 private:
  std::size_t limit_;
  std::string part_;          // of a line that lay across inputs
  std::string whole_;
  bool discarding_ = false;   // the line is too long
  bool last_was_cr_ = false;  // while discarding
  std::uint64_t examined_ = 0;
};

}  // namespace adieu::smtp
