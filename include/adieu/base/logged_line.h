// A line of the log, read back: what LogLine wrote, behind whatever syslog, the journal or the relay put in front of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace adieu {

struct LoggedLine {
  std::string time;   // RFC 3339 where the relay wrote it; else as syslog or the journal did; empty where nobody did
  std::string event;
  /// In the order of the line, without time, level and event. Quotes are undone; octets that were escaped stay so: "\x0a".
  std::vector<std::pair<std::string, std::string>> fields;

  /// None: no line of the relay.
  static std::optional<LoggedLine> parse(std::string_view line);
  /// The first field of that name; empty where there is none.
  std::string_view value(std::string_view name) const;
};

}  // namespace adieu
