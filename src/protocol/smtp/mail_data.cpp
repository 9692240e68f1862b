// See mail_data.h.
#include "adieu/protocol/smtp/mail_data.h"

#include <algorithm>

namespace adieu::smtp {

std::size_t MailDataDecoder::decode(Octets input, std::string& out) {
  // Many short messages may stand in one input: to look through all of it for each of them would be quadratic again.
  std::size_t done = 0;
  for (std::size_t part = kFirstPart; done < input.size() && !complete_; part *= 2) {
    // Room for more than the next part, so that a long message is seldom copied; not for all, most of which may be other messages.
    if (done != 0) out.reserve(out.size() + std::min(input.size() - done, 8 * done));
    done += decode_part(input.substr(done, part), out);
  }
  return done;
}

std::size_t MailDataDecoder::decode_part(Octets input, std::string& out) {
  Ahead ahead;
  std::size_t done = 0;
  while (done < input.size() && !complete_) {
    if (at_ == At::line_start || at_ == At::in_line) {
      done = decode_lines(input, done, ahead, out);
      if (done == input.size()) break;
    }
    ++examined_;
    decode_octet(input[done++], out);
  }
  return done;
}

/// The common case, whole lines that end with CRLF, in blocks without a copy of each: stops before whatever wants a closer look. Returns where.
std::size_t MailDataDecoder::decode_lines(Octets input, std::size_t done, Ahead& ahead, std::string& out) {
  const std::size_t start = done;
  while (done < input.size() && !(at_ == At::line_start && framing_ == Framing::dot && input[done] == '.')) {
    const std::size_t lf = ahead.lf.from(input, done, examined_);
    const std::size_t cr = ahead.cr.from(input, done, examined_);
    const std::size_t nul = ahead.nul.from(input, done, examined_);
    if (cr + 1 == lf && lf < input.size() && cr < nul) {
      count(lf + 1 - done);
      line_ = 0;
      at_ = At::line_start;
      done = lf + 1;
      continue;
    }
    // A part of a line, up to whatever follows it that is not text.
    const std::size_t text = std::min({lf, cr, nul});
    if (text != done) {
      count(text - done);
      at_ = At::in_line;
      done = text;
    }
    break;
  }
  out.append(input.substr(start, done - start));
  return done;
}

void MailDataDecoder::count(std::size_t octets) {
  line_ += octets;
  if (line_ > line_limit_) long_line_ = true;
}

void MailDataDecoder::end_line(std::string& out) {
  out += "\r\n";
  count(2);
  line_ = 0;
}

/// A bare CR or LF becomes CRLF in what is stored. It ends no line of the protocol: behind it no dot is taken away and no end of mail data
/// recognised.
void MailDataDecoder::bare(std::string& out) {
  bare_newline_ = true;
  end_line(out);
  at_ = At::in_line;
}

void MailDataDecoder::decode_octet(char c, std::string& out) {
  switch (at_) {
    case At::line_start:
      if (c == '.' && framing_ == Framing::dot) {
        at_ = At::dot;
        return;
      }
      [[fallthrough]];
    case At::in_line:
      if (c == '\r') {
        at_ = At::cr;
      } else if (c == '\n') {
        bare(out);
      } else {
        // A NUL is left out of what is stored, but stands on its line: "\0." is no dot at a line's start, CR NUL LF no line end. Were it dropped
        // before that is judged, mail data would end here where it does not end for whoever sent or passed it to us.
        if (c == '\0') {
          nul_ = true;
        } else {
          out += c;
        }
        count(1);
        at_ = At::in_line;
      }
      return;
    case At::dot:
      // The first dot of a line is not part of it (section 4.5.2).
      at_ = At::in_line;
      if (c == '\r') {
        at_ = At::dot_cr;
      } else {
        decode_octet(c, out);
      }
      return;
    case At::dot_cr:
      if (c == '\n') {
        complete_ = true;
        return;
      }
      bare(out);
      decode_octet(c, out);
      return;
    case At::cr:
      if (c == '\n') {
        end_line(out);
        at_ = At::line_start;
        return;
      }
      bare(out);
      decode_octet(c, out);
      return;
  }
}

void MailDataDecoder::finish(std::string& out) {
  if (at_ == At::cr) bare(out);
}

void DotEncoder::encode(Octets mail_data, std::string& out) {
  if (mail_data.empty()) return;
  // A dot at the start of a line that began in an earlier part.
  const auto starts_line = [&](std::size_t at) {
    const char before = at >= 1 ? mail_data[at - 1] : last_[1];
    const char before_that = at >= 2 ? mail_data[at - 2] : (at == 1 ? last_[1] : last_[0]);
    return before == '\n' && before_that == '\r';
  };
  std::size_t copied = 0;
  for (std::size_t dot = mail_data.find('.'); dot != Octets::npos;) {
    if (starts_line(dot)) {
      out.append(mail_data.substr(copied, dot - copied));
      out += '.';
      copied = dot;
    }
    // Only a dot behind a line's end matters: go there rather than from dot to dot.
    const std::size_t next = mail_data.find("\n.", dot + 1);
    dot = next == Octets::npos ? Octets::npos : next + 1;
  }
  out.append(mail_data.substr(copied));
  last_[0] = mail_data.size() >= 2 ? mail_data[mail_data.size() - 2] : last_[1];
  last_[1] = mail_data.back();
}

void DotEncoder::finish(std::string& out) {
  if (last_[0] != '\r' || last_[1] != '\n') out += "\r\n";
  out += ".\r\n";
}

}  // namespace adieu::smtp
