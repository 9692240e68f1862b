// See mail_data.h.
#include "adieu/protocol/smtp/mail_data.h"

#include <cstring>

namespace adieu::smtp {

std::size_t MailDataDecoder::decode(Octets input, std::string& out) {
  std::size_t done = 0;
  while (done < input.size() && !complete_) {
    if (at_ == At::line_start || at_ == At::in_line) {
      const std::size_t lines = decode_lines(input.substr(done), out);
      done += lines;
      if (done == input.size()) break;
    }
    decode_octet(input[done++], out);
  }
  return done;
}

/// The common case, whole lines that end with CRLF, in blocks without a copy of each: stops before whatever wants a closer look.
std::size_t MailDataDecoder::decode_lines(Octets input, std::string& out) {
  std::size_t done = 0;
  for (;;) {
    const char* start = input.data() + done;
    const std::size_t left = input.size() - done;
    if (left == 0 || (at_ == At::line_start && framing_ == Framing::dot && *start == '.')) break;
    const auto* newline = static_cast<const char*>(std::memchr(start, '\n', left));
    const std::size_t length = newline == nullptr ? left : static_cast<std::size_t>(newline - start) + 1;
    const std::size_t text = newline == nullptr ? left : length - 1;
    const auto* cr = static_cast<const char*>(std::memchr(start, '\r', text));
    if (newline != nullptr && cr == newline - 1 && cr != nullptr) {
      count(length);
      line_ = 0;
      at_ = At::line_start;
      done += length;
      continue;
    }
    // A part of a line, up to whatever follows it that is not text.
    const std::size_t plain = cr != nullptr ? static_cast<std::size_t>(cr - start) : text;
    if (plain != 0) {
      count(plain);
      at_ = At::in_line;
      done += plain;
    }
    break;
  }
  out.append(input.substr(0, done));
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

/// Ends a line for people, but not for the protocol: behind it neither a dot is taken away nor the end of mail data recognised.
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
        out += c;
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
