// See mime_walker.h.
#include "protocol/mail/mime_walker.h"

#include <algorithm>
#include <utility>

#include "protocol/mail/mime_value.h"

namespace adieu::mail {
namespace {
constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

bool is_blank_line(std::string_view line) { return line == "\r\n" || line == "\n"; }
}  // namespace

std::string_view field_name(std::string_view field) {
  const std::size_t colon = field.find(':');
  if (colon == std::string_view::npos) return {};
  std::string_view name = field.substr(0, colon);
  while (!name.empty() && is_blank(name.back())) name.remove_suffix(1);
  const bool good = std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f; });
  return good ? name : std::string_view();
}

void MimeEntity::take(Octets field) {
  const std::string_view name = field_name(field);
  const std::string_view value = field.substr(field.find(':') + 1);
  if (equal_ignoring_case(name, "MIME-Version")) {
    has_version = true;
  } else if (equal_ignoring_case(name, "Content-Transfer-Encoding") && encoding.empty()) {
    encoding = to_ascii_lower(MimeValue(value).token());
  } else if (equal_ignoring_case(name, "Content-Type") && !has_type) {
    has_type = true;
    MimeValue content(value);
    type = to_ascii_lower(content.token());
    const bool divided = content.take('/');
    const std::string subtype = to_ascii_lower(content.token());
    if (divided && !type.empty() && !subtype.empty()) {
      type += "/" + subtype;
    } else {
      type = "text/plain";
    }
    boundary = content.parameter("boundary");
  }
}

void MimeWalker::feed(Octets mail_data) {
  while (!mail_data.empty() && fault_.empty()) {
    const std::size_t newline = mail_data.find('\n');
    const bool whole = newline != Octets::npos;
    const Octets piece = mail_data.substr(0, whole ? newline + 1 : newline);
    mail_data.remove_prefix(piece.size());
    if (line_start_) collecting_ = in_ == In::header || (piece.front() == '-' && !levels_.empty());
    line_start_ = whole;
    if (!collecting_) {
      text(piece);
      continue;
    }
    line_ += piece;
    if (in_ == In::header && line_.size() > kField) {
      fault_ = "a line of its header is too long";
    } else if (whole) {
      take_line();
      line_.clear();
    } else if (in_ != In::header && line_.size() > kDelimiter) {
      collecting_ = false;
      text(line_);
      line_.clear();
    }
  }
}

void MimeWalker::finish() {
  if (!fault_.empty()) return;
  if (!line_.empty()) take_line();
  line_.clear();
  // A header without a body may be that of a message within a message, which is then another one.
  while (in_ == In::header && fault_.empty()) end_header({});
  if (in_ == In::body) end_body();
}

void MimeWalker::take_line() {
  if (take_delimiter()) return;
  if (in_ == In::header) {
    take_header_line();
  } else {
    text(line_);
  }
}

/// RFC 2046 section 5.1.2: a delimiter of an outer multipart ends those within too.
bool MimeWalker::take_delimiter() {
  if (!line_.starts_with("--") || line_.size() > kDelimiter) return false;
  for (std::size_t depth = levels_.size(); depth != 0; --depth) {
    const std::string& boundary = levels_[depth - 1].boundary;
    std::string_view rest = std::string_view(line_).substr(2);
    if (!rest.starts_with(boundary)) continue;
    rest.remove_prefix(boundary.size());
    const bool last = rest.starts_with("--");
    if (last) rest.remove_prefix(2);
    if (rest.find_first_not_of(" \t\r\n") != std::string_view::npos) continue;
    while (in_ == In::header && fault_.empty()) end_header({});  // of a message within a message too, which has none then
    if (in_ == In::body) {
      const std::string line_end = std::exchange(held_, {});
      visitor_.body_end();
      visitor_.between(line_end, in_signed());
    }
    levels_.resize(last ? depth - 1 : depth);
    visitor_.between(line_, in_signed());
    if (last) {
      in_ = In::between;
    } else {
      begin_entity(false);
    }
    return true;
  }
  return false;
}

void MimeWalker::begin_entity(bool is_message) {
  in_ = In::header;
  entity_ = {};
  entity_.is_message = is_message;
  if (++entities_ > kEntities) fault_ = "it has too many parts";
}

void MimeWalker::take_header_line() {
  if (is_blank_line(line_)) {
    end_header(line_);
  } else if (is_blank(line_.front()) && !field_.empty()) {
    field_ += line_;
    if (field_.size() > kField) fault_ = "a field of its header is too long";
  } else if (!field_name(line_).empty()) {
    end_field();
    field_ = line_;
  } else {
    end_header({});
    take_line();  // it is the body's first
  }
}

void MimeWalker::end_field() {
  if (field_.empty()) return;
  entity_.take(field_);
  visitor_.header_field(field_);
  field_.clear();
}

void MimeWalker::end_header(Octets line) {
  end_field();
  MimeEntity entity = std::exchange(entity_, {});
  Level level{entity.boundary, entity.type == "multipart/digest", in_signed() || entity.type == "multipart/signed"};
  if (!entity.has_type) entity.type = !levels_.empty() && levels_.back().digest && !entity.is_message ? "message/rfc822" : "text/plain";
  entity.in_signed = in_signed();
  const auto plain = [](char c) { return c >= ' ' && c < 0x7f; };
  const bool multipart = entity.type.starts_with("multipart/") && !level.boundary.empty() && levels_.size() < kDepth &&
                         std::all_of(level.boundary.begin(), level.boundary.end(), plain);
  const bool message = entity.type == "message/rfc822" || entity.type == "message/news";
  entity.composite = entity.is_identity() && (multipart || message);
  visitor_.header_end(entity, line);
  if (!entity.composite) {
    in_ = In::body;
  } else if (message) {
    begin_entity(true);
  } else {
    levels_.push_back(std::move(level));
    in_ = In::between;
  }
}

void MimeWalker::end_body() {
  visitor_.body(held_);
  held_.clear();
  visitor_.body_end();
  in_ = In::between;
}

/// A piece of a line, or all of it with its end.
void MimeWalker::text(Octets piece) {
  if (in_ == In::between) {
    visitor_.between(piece, in_signed());
    return;
  }
  if (held_ == "\r" && piece == "\n") {
    held_ += piece;
    return;
  }
  if (!held_.empty()) visitor_.body(held_);
  const std::size_t line_end = piece.ends_with("\r\n") ? 2 : piece.ends_with('\r') ? 1 : 0;
  held_ = piece.substr(piece.size() - line_end);
  piece.remove_suffix(line_end);
  if (!piece.empty()) visitor_.body(piece);
}

}  // namespace adieu::mail
