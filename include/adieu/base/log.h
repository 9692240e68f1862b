// logfmt lines: `time=… level=info event=delivered queue-id=… relay=…`. A line is built here and written by the Log that the
// program made; the pure storeys never write one themselves. No mail data and no secret ever goes into a field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace adieu {

enum class LogLevel { debug, info, warning, error };

std::string_view name(LogLevel level);

/// One line being built. Values are quoted where they hold a space, a quote, an equals sign or nothing; control octets and
/// those beyond ASCII are escaped, so a peer's text can neither break a line nor forge one.
class LogLine {
 public:
  explicit LogLine(std::string_view event) : text_("event=") { text_ += event; }
  /// At most `limit` octets of the value are written, escapes counted, and "..." tells that there was more.
  LogLine& field(std::string_view name, std::string_view value, std::size_t limit = kLimit);
  LogLine& field(std::string_view name, std::int64_t value);
  /// Adds the field only where the value is not empty.
  LogLine& optional(std::string_view name, std::string_view value);
  const std::string& text() const { return text_; }

 private:
  static constexpr std::size_t kLimit = 1024;
  std::string text_;
};

/// Where lines go. Implementations add time and level, may be called from any thread, and never block the caller.
class Log {
 public:
  virtual ~Log() = default;
  virtual bool enabled(LogLevel level) const = 0;
  virtual void write(LogLevel level, std::string_view line) = 0;

  void write(LogLevel level, const LogLine& line) {
    if (enabled(level)) write(level, std::string_view(line.text()));
  }
};

}  // namespace adieu
