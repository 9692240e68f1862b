// Mail data on the wire: the dot codec of DATA (RFC 5321 section 4.5.2) and the octets of BDAT (RFC 3030). The place where SMTP smuggling
// (CVE-2023-51764 and its kin) is decided: CRLF.CRLF, and nothing else, ends mail data; a CR or LF that stands alone ends no line, and a NUL
// is an octet of its line like any other until it is left out of what is stored.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "adieu/base/bytes.h"

namespace adieu::smtp {

enum class Framing : std::uint8_t { dot, chunks };

/// Decodes one message, in any division. What it makes of a bare CR or LF: noticed, and turned into CRLF in its output. Of a NUL: noticed, and
/// left out of its output. Whether the message is taken then is the session's decision. The work is linear in the input, whatever it holds.
class MailDataDecoder {
 public:
  MailDataDecoder(Framing framing, std::size_t line_limit) : framing_(framing), line_limit_(line_limit) {}

  /// Appends what `input` stands for to `out` and returns how much of it was worked off: all, unless the end of mail data (dot) is in it.
  std::size_t decode(Octets input, std::string& out);
  /// DATA: CRLF.CRLF (or .CRLF at the very beginning) has come.
  bool complete() const { return complete_; }
  /// BDAT: the last octet has come.
  void finish(std::string& out);

  bool saw_bare_newline() const { return bare_newline_; }
  bool saw_nul() const { return nul_; }
  bool saw_long_line() const { return long_line_; }
  /// How many octets have been looked at, one that was looked at twice counted twice: what tests hold against the length of the input.
  std::uint64_t examined() const { return examined_; }

 private:
  /// Where the next octet of one kind stands: each octet of an input is searched for it once, however often it is asked.
  class Next {
   public:
    explicit Next(char octet) : octet_(octet) {}
    std::size_t from(Octets input, std::size_t from, std::uint64_t& examined) {
      if (!known_ || at_ < from) {
        known_ = true;
        at_ = std::min(input.find(octet_, from), input.size());
        examined += at_ - from + 1;
      }
      return at_;
    }

   private:
    char octet_;
    bool known_ = false;
    std::size_t at_ = 0;
  };
  struct Ahead {
    Next lf{'\n'};
    Next cr{'\r'};
    Next nul{'\0'};
  };
  enum class At : std::uint8_t { line_start, dot, dot_cr, in_line, cr };

  static constexpr std::size_t kFirstPart = 256;

  std::size_t decode_part(Octets input, std::string& out);
  std::size_t decode_lines(Octets input, std::size_t done, Ahead& ahead, std::string& out);
  void decode_octet(char c, std::string& out);
  void end_line(std::string& out);
  void bare(std::string& out);
  void count(std::size_t octets);

  Framing framing_;
  std::size_t line_limit_;
  At at_ = At::line_start;
  std::size_t line_ = 0;       // octets of the line so far
  bool complete_ = false;
  bool bare_newline_ = false;
  bool nul_ = false;
  bool long_line_ = false;
  std::uint64_t examined_ = 0;
};

/// Dot-stuffs one message, in any division; its lines end with CRLF.
class DotEncoder {
 public:
  void encode(Octets mail_data, std::string& out);
  /// The end of mail data, with a CRLF in front where the last line had none.
  void finish(std::string& out);

 private:
  char last_[2] = {'\r', '\n'};  // the two octets before: the beginning counts as the start of a line
};

}  // namespace adieu::smtp
