// From the text of a policy file to a Config: parse, check, fill in. All errors of a file are found, not the first alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adieu/base/result.h"
#include "adieu/relay/config/config.h"

namespace adieu::config {

enum class Severity : std::uint8_t { error, warning };

/// One thing to say about a file.
struct Diagnostic {
  Severity severity = Severity::error;
  Position position;
  std::string message;     // "expected a duration such as 30s or 5m, found `soon`"
  std::string suggestion;  // "did you mean `tls`?", or empty
  std::string source_line; // as it stands in the file, for the caret

  /// "adieu.conf:7:5: error: …", the line, the caret.
  std::string text() const;
};

/// The text of a file that was read, for showing its lines.
struct SourceText {
  std::string name;
  std::string text;
};

struct Loaded {
  std::optional<Config> config;         // none when there is an error
  std::optional<Config> draft;          // then this: what could be read, so that it can be checked further; what had an error is missing
  std::vector<Diagnostic> diagnostics;  // file by file in the order of reading, then by line and column
  std::vector<SourceText> sources;

  /// The policy, or its draft.
  const Config& readable() const { return config ? *config : *draft; }
  /// Says one thing more, with the line it is about; an error takes `config` away.
  void say(Severity severity, const Position& position, std::string message);
  /// Sorts the diagnostics, and says each once.
  void tidy();
  std::string text() const;             // all diagnostics, one after another
};

/// Reads the file at `path` and what it includes. A file that cannot be read, or is no text, is a diagnostic too.
Loaded load_file(const std::string& path);
/// The same for a text that is at hand; `name` stands in positions, includes are relative to its directory.
Loaded load_text(const std::string& name, std::string_view text);

}  // namespace adieu::config
