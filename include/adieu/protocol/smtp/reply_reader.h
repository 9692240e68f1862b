// Octets of a server, read as replies: RFC 5321 section 4.2 (several lines: 4.2.1), enhanced status codes of RFC 2034. A line
// without its CRLF is not a line (R14). It does not know which command a reply answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "adieu/base/bytes.h"
#include "adieu/protocol/smtp/reply.h"

namespace adieu::smtp {

/// Feed it octets in any division, then take replies until there is none. What no reply can contain is a fault, after which
/// nothing is read any more: a bare LF, a line that does not begin with a code from 200 to 599 (followed by a space, a hyphen or
/// its end), codes that differ between the lines of a reply, a line or a reply too long. A bare CR is dropped.
class ReplyReader {
 public:
  /// `line`: octets of a line with its CRLF; `lines`: lines of a reply; both at most.
  ReplyReader(std::size_t line, std::size_t lines) : line_(line), lines_(lines) {}

  void receive(Octets octets) { input_.append(octets); }
  /// The next complete reply. An enhanced status code of the same class as the code is taken out of the text, in each line.
  std::optional<Reply> next();
  /// For people; empty while all is well.
  std::string_view fault() const { return fault_; }
  /// The line that it was found in: escaped, its first 80 octets.
  const std::string& faulty_line() const { return faulty_line_; }
  /// Whether every octet received belongs to a reply that `next` has given.
  bool empty() const { return input_.empty() && read_ == 0; }
  /// How many octets have been searched for a line's end, for tests that hold it against the length of the input.
  std::uint64_t examined() const { return examined_; }

 private:
  bool add(std::string_view line);
  std::optional<Reply> fail(std::string_view why, std::string_view line);

  std::size_t line_;
  std::size_t lines_;
  OctetQueue input_;
  Reply reply_;            // of which `read_` lines are complete
  std::size_t read_ = 0;
  std::size_t searched_ = 0;  // octets of the input in which no line ends
  std::uint64_t examined_ = 0;
  std::string_view fault_;
  std::string faulty_line_;
};

}  // namespace adieu::smtp
