// See log.h.
#include "adieu/base/log.h"

#include <algorithm>

#include "adieu/base/bytes.h"

namespace adieu {

std::string_view name(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: return "warning";
    case LogLevel::error: return "error";
  }
  return "unknown";
}

LogLine& LogLine::field(std::string_view name, std::string_view value, std::size_t limit) {
  const bool plain = !value.empty() && value.size() <= limit && std::all_of(value.begin(), value.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
  });
  text_ += ' ';
  text_ += name;
  text_ += '=';
  if (plain) {
    text_ += value;
    return *this;
  }
  text_ += '"';
  const std::size_t begin = text_.size();
  for (char c : value) {
    const std::string escaped = c == '"' || c == '\\' ? std::string{'\\', c} : printable(std::string_view(&c, 1));
    if (text_.size() - begin + escaped.size() > limit) {
      text_ += "...";
      break;
    }
    text_ += escaped;
  }
  text_ += '"';
  return *this;
}

LogLine& LogLine::field(std::string_view name, std::int64_t value) {
  text_ += ' ';
  text_ += name;
  text_ += '=';
  text_ += std::to_string(value);
  return *this;
}

LogLine& LogLine::optional(std::string_view name, std::string_view value) {
  return value.empty() ? *this : field(name, value);
}

}  // namespace adieu
