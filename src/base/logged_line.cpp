// See logged_line.h.
#include "adieu/base/logged_line.h"

#include <algorithm>

namespace adieu {
namespace {

constexpr std::string_view kTime = "time=";
constexpr std::string_view kLevel = "level=";

/// One field of the line, which loses it. None: it is no field.
std::optional<std::pair<std::string, std::string>> take_field(std::string_view& line) {
  const std::size_t equals = line.find('=');
  if (equals == 0 || equals == std::string_view::npos || line.substr(0, equals).find(' ') != std::string_view::npos) return std::nullopt;
  std::pair<std::string, std::string> field(line.substr(0, equals), std::string());
  line.remove_prefix(equals + 1);
  if (!line.starts_with('"')) {
    field.second = line.substr(0, line.find(' '));
    line.remove_prefix(field.second.size());
  } else {
    std::size_t at = 1;
    while (at < line.size() && line[at] != '"') {
      const bool escaped = line[at] == '\\' && at + 1 < line.size() && (line[at + 1] == '"' || line[at + 1] == '\\');
      field.second += line[escaped ? at + 1 : at];
      at += escaped ? 2 : 1;
    }
    if (at >= line.size()) return std::nullopt;
    line.remove_prefix(at + 1);
  }
  if (!line.empty() && line.front() != ' ') return std::nullopt;
  if (!line.empty()) line.remove_prefix(1);
  return field;
}

/// When that was, by what stands in front: "2026-11-28T12:00:01+0100 host adieu[7]: ", or "Nov 28 12:00:01 host adieu[7]: ". None where another program
/// wrote the line: it may hold whatever its peers have said.
std::optional<std::string_view> time_of(std::string_view prefix) {
  constexpr std::size_t kSyslogTime = 15;
  if (prefix.empty() || (prefix.size() == 3 && prefix.front() == '<' && prefix.back() == '>')) return std::string_view();
  std::size_t words = 0;
  std::string_view word;
  for (std::string_view rest = prefix; !rest.empty();) {
    word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    words += word.empty() ? 0 : 1;
  }
  if (!prefix.ends_with(": ") || !word.starts_with("adieu") || !word.ends_with(':')) return std::nullopt;
  const bool is_iso = prefix.front() >= '0' && prefix.front() <= '9';
  if (words != (is_iso ? 3u : 5u)) return std::nullopt;
  return is_iso ? prefix.substr(0, prefix.find(' ')) : prefix.substr(0, kSyslogTime);
}

}  // namespace

std::optional<LoggedLine> LoggedLine::parse(std::string_view line) {
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  LoggedLine read;
  if (line.starts_with(kTime)) {
    read.time = line.substr(kTime.size(), line.find(' ') - kTime.size());
    line.remove_prefix(std::min(line.size(), kTime.size() + read.time.size() + 1));
  } else {
    const std::size_t at = line.find(kLevel);
    if (at == std::string_view::npos) return std::nullopt;
    const auto time = time_of(line.substr(0, at));
    if (!time) return std::nullopt;
    read.time = *time;
    line.remove_prefix(at);
  }
  if (!line.starts_with(kLevel)) return std::nullopt;
  while (!line.empty()) {
    auto field = take_field(line);
    if (!field) return std::nullopt;
    if (field->first == "level") continue;
    if (field->first == "event" && read.event.empty()) {
      read.event = std::move(field->second);
    } else {
      read.fields.push_back(std::move(*field));
    }
  }
  if (read.event.empty()) return std::nullopt;
  return read;
}

std::string_view LoggedLine::value(std::string_view name) const {
  for (const auto& [field, value] : fields) {
    if (field == name) return value;
  }
  return {};
}

}  // namespace adieu
