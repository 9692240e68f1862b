// See header.h.
#include "adieu/protocol/mail/header.h"

#include <algorithm>
#include <utility>

namespace adieu::mail {
namespace {

constexpr std::size_t kLine = 998;  // RFC 5322 section 2.1.1: a field's name cannot be longer than its line

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
// RFC 5322 section 3.6.8: ftext = %d33-57 / %d59-126
bool is_field_name(char c) { return c > ' ' && c < 0x7f && c != ':'; }

std::size_t mailbox_mark(std::string_view line) {
  for (const std::string_view mark : {"From ", ">From "}) {
    if (line.starts_with(mark)) return mark.size();
  }
  return 0;
}

/// "From a@example.org Fri Nov 27 16:00:00 2026": what tells it from a sentence is a time of day and, later, a year.
bool is_mailbox_line(std::string_view line) {
  const auto digits = [&](std::size_t at, std::size_t count) {
    return at + count <= line.size() && std::all_of(line.begin() + static_cast<std::ptrdiff_t>(at), line.begin() + static_cast<std::ptrdiff_t>(at + count), is_digit);
  };
  for (std::size_t colon = line.find(':'); colon != std::string_view::npos; colon = line.find(':', colon + 1)) {
    if (colon < 2 || !digits(colon - 2, 2) || !digits(colon + 1, 2)) continue;
    for (std::size_t blank = line.find(' ', colon); blank != std::string_view::npos; blank = line.find(' ', blank + 1)) {
      if (digits(blank + 1, 4) && !digits(blank + 1, 5)) return true;
    }
    return false;
  }
  return false;
}

}  // namespace

void ReceivedCounter::feed(Octets mail_data) {
  while (!over_ && !mail_data.empty()) {
    if (mismatch_) {
      const std::size_t end = mail_data.find('\n');
      if (end == Octets::npos) return;
      mail_data.remove_prefix(end + 1);
      mismatch_ = false;
      column_ = 0;
      continue;
    }
    const char c = mail_data.front();
    mail_data.remove_prefix(1);
    if (column_ == 0 && (c == '\r' || c == '\n')) {
      over_ = true;
    } else if (ascii_lower(c) != kName[column_]) {
      mismatch_ = c != '\n';
      column_ = 0;
    } else if (++column_ == kName.size()) {
      ++count_;
      mismatch_ = true;
    }
  }
}

void HeaderBoundary::feed(std::string& octets) {
  if (at_ == At::body || octets.empty()) return;
  std::size_t at = held_.size();
  if (!held_.empty()) {
    held_ += octets;
    octets = std::exchange(held_, {});
  }
  std::size_t start = 0;  // of the line, where it is not decided
  while (at_ != At::body && at < octets.size()) {
    if (at_ == At::rest) {
      const std::size_t end = octets.find('\n', at);
      if (end == std::string::npos) return;
      at = start = end + 1;
      at_ = At::line_start;
      first_line_ = false;
    } else if (!decide(octets, start, at)) {
      begin_body(octets, start);
    }
  }
  if (at_ == At::body || at_ == At::rest) return;
  held_ = octets.substr(start);
  octets.resize(start);
}

/// Looks at one more octet of a line that begins at `start`; false where the line cannot belong to the header section.
bool HeaderBoundary::decide(std::string& octets, std::size_t start, std::size_t& at) {
  const char c = octets[at];
  switch (at_) {
    case At::line_start:
      if (c == '\r' || c == '\n') {
        at_ = At::body;  // the empty line is there
      } else if (is_blank(c)) {
        // A first line that begins with a blank would continue the field that we put in front of it.
        if (first_line_) return false;
        at_ = At::rest;
      } else if (is_field_name(c)) {
        at_ = At::name;
        ++at;
      } else {
        return false;
      }
      return true;
    case At::name:
    case At::blanks:
      if (c == ':') {
        at_ = At::rest;
        return true;
      }
      if (first_line_ && mailbox_mark(std::string_view(octets).substr(start, at - start)) != 0) {
        at_ = At::mailbox_line;
        return true;
      }
      ++at;
      // RFC 5322 section 4.5: older messages have blanks before the colon.
      if (is_blank(c)) {
        at_ = At::blanks;
        return at - start <= kLine;
      }
      return at_ == At::name && is_field_name(c) && at - start <= kLine;
    case At::mailbox_line:
      if (c != '\n') return ++at - start <= kLine;
      if (!is_mailbox_line(std::string_view(octets).substr(start, at - start))) return false;
      octets.insert(start, "X-Mailbox-Line: ");
      at_ = At::rest;
      at = start;
      return true;
    case At::rest:
    case At::body: break;
  }
  return true;
}

void HeaderBoundary::begin_body(std::string& octets, std::size_t start) {
  octets.insert(start, "\r\n");
  at_ = At::body;
}

void HeaderBoundary::finish(std::string& octets) {
  if (held_.empty()) return;
  std::string rest = std::exchange(held_, {});
  begin_body(rest, 0);
  octets += rest;
}

}  // namespace adieu::mail
