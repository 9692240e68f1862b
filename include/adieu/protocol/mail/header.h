// The header section of mail data as far as a relay looks into it: RFC 5322 section 2.1 (where it ends); RFC 5321 section 6.3 (loop
// detection). It does not know what a field means.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "adieu/base/bytes.h"

namespace adieu::mail {

/// Counts the Received: fields of a header section, fed in any division.
class ReceivedCounter {
 public:
  void feed(Octets mail_data);
  std::size_t count() const { return count_; }

 private:
  static constexpr std::string_view kName = "received:";
  bool over_ = false;         // the empty line has come
  bool mismatch_ = false;     // this line is another field, or the rest of one
  std::size_t column_ = 0;
  std::size_t count_ = 0;
};

/// Makes sure that a field of our own (the trace field) can be put in front of a message: adds the empty line that divides header section
/// and body where the client has left it out, before the first line that is neither a field nor the continuation of one. Mail data without
/// any header begins with that empty line then. All other octets stay as they are, but for one case: where the first line is the "From "
/// line of a Unix mailbox, it becomes the field `X-Mailbox-Line:`, so that the header behind it stays a header.
class HeaderBoundary {
 public:
  /// `octets`: the next part of the mail data, lines with CRLF, in any division. Leaves in it what can be passed on now: what is not decided
  /// yet (at most the beginning of one line) is held back and stands in front of a later part.
  void feed(std::string& octets);
  /// There is no more mail data. Appends what was held back.
  void finish(std::string& octets);

 private:
  enum class At : std::uint8_t {
    line_start,
    name,          // in what may be the name of a field
    blanks,        // behind it
    mailbox_line,  // in what may be the "From " line of a mailbox
    rest,          // of a line that belongs to the header section
    body,
  };

  bool decide(std::string& octets, std::size_t start, std::size_t& at);
  void begin_body(std::string& octets, std::size_t start);

  At at_ = At::line_start;
  bool first_line_ = true;
  std::string held_;
};

}  // namespace adieu::mail
