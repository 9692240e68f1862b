// See reply_reader.h.
#include "adieu/protocol/smtp/reply_reader.h"

#include <algorithm>
#include <utility>

namespace adieu::smtp {
namespace {
constexpr std::size_t kQuoted = 80;  // octets of a line that is no reply

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// RFC 3463 section 2: subject and detail are one to three digits.
std::optional<std::uint16_t> take_number(std::string_view& text) {
  std::size_t digits = 0;
  unsigned value = 0;
  while (digits < 3 && digits < text.size() && is_digit(text[digits])) value = value * 10 + (text[digits++] - '0');
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  return static_cast<std::uint16_t>(value);
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

// RFC 2034 section 4: the class agrees with the first digit of the code, and a space divides it from the text.
EnhancedStatus take_status(std::string_view& text, std::uint16_t code) {
  std::string_view rest = text;
  const int class_ = code / 100;
  if (class_ == 3 || !take(rest, static_cast<char>('0' + class_)) || !take(rest, '.')) return {};
  const auto subject = take_number(rest);
  if (!subject || !take(rest, '.')) return {};
  const auto detail = take_number(rest);
  if (!detail || !(rest.empty() || take(rest, ' '))) return {};
  text = rest;
  return {static_cast<std::uint16_t>(class_), *subject, *detail};
}
}  // namespace

std::optional<Reply> ReplyReader::fail(std::string_view why, std::string_view line) {
  fault_ = why;
  faulty_line_ = printable(line, std::min(kQuoted, line_));
  return std::nullopt;
}

// One line of the reply, without CRLF and well-formed up to its code; true when it is the last.
bool ReplyReader::add(std::string_view line) {
  const bool last = line.size() == 3 || line[3] == ' ';
  std::string_view text = line.substr(std::min<std::size_t>(line.size(), 4));
  if (read_++ == 0) {
    reply_.status = take_status(text, reply_.code);
  } else {
    std::string_view rest = text;
    if (!reply_.status.none() && take_status(rest, reply_.code) == reply_.status) text = rest;
    reply_.text += '\n';
  }
  std::copy_if(text.begin(), text.end(), std::back_inserter(reply_.text), [](char c) { return c != '\r'; });
  return last;
}

std::optional<Reply> ReplyReader::next() {
  while (fault_.empty()) {
    const Octets input = input_.view();
    const std::size_t end = input.find('\n', searched_);
    examined_ += (end == Octets::npos ? input.size() : end + 1) - searched_;
    searched_ = end == Octets::npos ? input.size() : 0;
    if (end == Octets::npos ? input.size() >= line_ : end + 1 > line_) return fail("a line of the reply is too long", input.substr(0, end));
    if (end == Octets::npos) return std::nullopt;
    if (end == 0 || input[end - 1] != '\r') return fail("a line of the reply ends with a bare LF", input.substr(0, end));
    const std::string_view line = input.substr(0, end - 1);
    if (line.size() < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2]) ||
        (line.size() > 3 && line[3] != ' ' && line[3] != '-')) {
      return fail("not an SMTP reply", line);
    }
    const auto code = static_cast<std::uint16_t>((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
    if (read_ != 0 && code != reply_.code) return fail("the lines of the reply differ in their code", line);
    if (read_ == lines_) return fail("the reply has too many lines", line);
    reply_.code = code;
    const bool last = add(line);
    input_.consume(end + 1);
    if (last) {
      read_ = 0;
      return std::exchange(reply_, {});
    }
  }
  return std::nullopt;
}

}  // namespace adieu::smtp
