// The table of settings: every statement and setting of the policy file, one row each. The parser, the defaults, `adieu settings` and the
// test that holds adieu.conf(5) to it all use these rows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "adieu/base/clock.h"

namespace adieu::config {

enum class Type : std::uint8_t {
  word,        // a bare word or a quoted string
  path,        // relative to the directory of the file that names it
  number,      // at least 1
  size,        // octets: 64KiB, 50MiB, 1GiB
  duration,    // 250ms, 30s, 5m, 4h, 5d
  durations,   // one or more of them
  boolean,     // yes, no
  choice,      // one of `choices`
  endpoint,    // 127.0.0.1:25, [::1]:25
  endpoints,   // one or more, or `system`
  names,       // one or more words
  mailbox,     // local-part@domain
  age,         // `100 messages`, or a duration
  block,       // a statement with settings in braces
  statement,   // with a form of its own
};

std::string_view name(Type type);

struct Setting {
  std::string_view block;     // the statement in whose braces it stands; empty for a statement of the file
  std::string_view name;
  Type type{};
  std::string_view value;     // of the default; empty: none
  std::string_view choices;   // of a choice, divided by " | "; the form of a statement
  std::string_view meaning;   // one sentence
  bool supported = true;
  bool required = false;
  bool repeats = false;
};

/// All of them, statements first, each block's settings together.
std::span<const Setting> settings();

/// The row of `name` in `block`, or null.
const Setting* find_setting(std::string_view block, std::string_view name);

/// "250ms", "30s", "5m", "4h", "5d", as the policy file writes a duration.
std::optional<Duration> parse_duration(std::string_view text);

/// What `adieu settings` prints: a line each.
std::string settings_text();
/// The same as JSON lines.
std::string settings_json();

}  // namespace adieu::config
