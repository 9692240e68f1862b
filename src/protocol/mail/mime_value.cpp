// See mime_value.h.
#include "protocol/mail/mime_value.h"

#include "adieu/base/bytes.h"

namespace adieu::mail {
namespace {
constexpr std::string_view kSpecials = "()<>@,;:\\\"/[]?= \t\r\n";
}  // namespace

void MimeValue::skip_comments() {
  int depth = 0;
  while (!rest_.empty()) {
    const char c = rest_.front();
    if (depth != 0 && c == '\\') {
      rest_.remove_prefix(1);
      if (rest_.empty()) return;
    } else if (c == '(') {
      ++depth;
    } else if (c == ')' && depth != 0) {
      --depth;
    } else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      return;
    }
    rest_.remove_prefix(1);
  }
}

std::string MimeValue::token() {
  skip_comments();
  const std::size_t end = rest_.find_first_of(kSpecials);
  std::string token(rest_.substr(0, end));
  rest_.remove_prefix(token.size());
  return token;
}

bool MimeValue::take(char wanted) {
  skip_comments();
  if (rest_.empty() || rest_.front() != wanted) return false;
  rest_.remove_prefix(1);
  return true;
}

std::string MimeValue::word() {
  if (!take('"')) return token();
  std::string content;
  while (!rest_.empty()) {
    char c = rest_.front();
    rest_.remove_prefix(1);
    if (c == '"') break;
    if (c == '\\' && !rest_.empty()) {
      c = rest_.front();
      rest_.remove_prefix(1);
    }
    if (c != '\r' && c != '\n') content += c;
  }
  return content;
}

std::string MimeValue::parameter(std::string_view name) {
  while (!at_end()) {
    if (!take(';')) {
      rest_.remove_prefix(1);  // malformed: the next parameter may not be
      continue;
    }
    const std::string attribute = token();
    if (!take('=')) continue;
    std::string value = word();
    if (equal_ignoring_case(attribute, name)) return value;
  }
  return {};
}

bool MimeValue::at_end() {
  skip_comments();
  return rest_.empty();
}

}  // namespace adieu::mail
