// See load.h: what is said about a policy file, and how it is shown.
#include <algorithm>
#include <tuple>

#include "adieu/base/bytes.h"
#include "adieu/relay/config/load.h"

namespace adieu::config {
namespace {

constexpr std::size_t kShownBefore = 120;  // octets of a long line before the place that it is shown for
constexpr std::size_t kShownAfter = 80;

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// The length of the UTF-8 sequence at `at`, or 0 where there is none.
std::size_t sequence(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t length = lead < 0x80 ? 1 : lead >= 0xc2 && lead < 0xe0 ? 2 : (lead & 0xf0) == 0xe0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
  if (length == 0 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!continues(text[at + i])) return 0;
  }
  // U+0080 to U+009F are control characters.
  if (length == 2 && lead == 0xc2 && static_cast<unsigned char>(text[at + 1]) < 0xa0) return 0;
  return length;
}

/// The line and a caret under the octet `column`, from 1. Octets that are no UTF-8 are shown as `?`, and of a long line only a part.
std::string show(std::string_view line, std::size_t column) {
  std::size_t from = std::min(column > kShownBefore ? column - 1 - kShownBefore : 0, line.size());
  for (int back = 0; back < 3 && from > 0 && from < line.size() && continues(line[from]); ++back) --from;
  std::string shown = from > 0 ? "..." : "";
  std::string caret(shown.size(), ' ');
  std::size_t at = from;
  while (at < line.size() && at < column + kShownAfter) {
    const std::size_t length = sequence(line, at);
    const bool plain = length > 0 && (line[at] == '\t' || static_cast<unsigned char>(line[at]) >= 0x20) && line[at] != 0x7f;
    if (line[at] != '\r') {
      shown += plain ? line.substr(at, length) : std::string_view("?");
      if (at + 1 < column) caret += line[at] == '\t' ? '\t' : ' ';
    }
    at += std::max<std::size_t>(length, 1);
  }
  if (at < line.size()) shown += "...";
  for (; at + 1 < column; ++at) caret += ' ';
  return "    " + shown + "\n    " + caret + "^\n";
}

/// On one line, and fit for a terminal: names of files and what escapes stand for may hold anything.
std::string clean(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = sequence(text, at);
    const bool plain = length > 0 && static_cast<unsigned char>(text[at]) >= 0x20 && text[at] != 0x7f;
    const std::string_view one = text.substr(at, std::max<std::size_t>(length, 1));
    out += plain ? std::string(one) : printable(one);
    at += one.size();
  }
  return out;
}

std::string line_of(std::string_view text, std::size_t number) {
  for (; number > 1; --number) {
    const std::size_t end = text.find('\n');
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace

std::string Diagnostic::text() const {
  std::string out = position.file + ":" + std::to_string(position.line) + ":" + std::to_string(position.column) + ": ";
  out += severity == Severity::error ? "error: " : "warning: ";
  out += message;
  if (!suggestion.empty()) out += "; " + suggestion;
  out = clean(out) + "\n";
  return source_line.empty() ? out : out + show(source_line, position.column);
}

void Loaded::say(Severity severity, const Position& position, std::string message) {
  Diagnostic& added = diagnostics.emplace_back();
  added.severity = severity;
  added.position = position;
  added.message = std::move(message);
  const auto source = std::find_if(sources.begin(), sources.end(), [&](const SourceText& each) { return each.name == position.file; });
  if (source != sources.end()) added.source_line = line_of(source->text, position.line);
  if (severity == Severity::error && config) {
    draft = std::move(*config);
    config.reset();
  }
}

void Loaded::tidy() {
  const auto place = [&](const Diagnostic& each) {
    const auto source = std::find_if(sources.begin(), sources.end(), [&](const SourceText& one) { return one.name == each.position.file; });
    // What is said of files that are none of the policy's own, such as lists of domains, comes last.
    return std::tuple(source - sources.begin(), source == sources.end() ? each.position.file : std::string(), each.position.line, each.position.column);
  };
  std::stable_sort(diagnostics.begin(), diagnostics.end(),
                   [&](const Diagnostic& left, const Diagnostic& right) { return place(left) < place(right); });
  const auto same = [&](const Diagnostic& left, const Diagnostic& right) { return place(left) == place(right) && left.message == right.message; };
  diagnostics.erase(std::unique(diagnostics.begin(), diagnostics.end(), same), diagnostics.end());
}

std::string Loaded::text() const {
  std::string out;
  for (const Diagnostic& diagnostic : diagnostics) out += diagnostic.text();
  return out;
}

}  // namespace adieu::config
