// See load.h.
#include "adieu/relay/config/load.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>

#include "relay/config/interpreter.h"
#include "relay/config/text_file.h"

namespace adieu::config {
namespace {

/// By which a file is known again, whatever the path that leads to it.
std::string identity_of(const std::string& path) {
  std::error_code error;
  const auto canonical = std::filesystem::canonical(path, error);
  return error ? path : canonical.string();
}

constexpr std::string_view kWildcards = "*?[";

/// A path, in which no character is a wildcard, as a pattern.
std::string literally(const std::string& path) {
  std::string pattern;
  for (const char c : path) {
    if (kWildcards.find(c) != std::string_view::npos || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern;
}

/// A pattern without wildcards is a path, whether there is such a file or not.
std::vector<std::string> matches(const Source& from, const std::string& pattern) {
  if (pattern.find_first_of(kWildcards) == std::string::npos) return {pattern.starts_with('/') ? pattern : from.directory + "/" + pattern};
  glob_t found{};
  std::vector<std::string> paths;
  const std::string whole = pattern.starts_with('/') ? pattern : literally(from.directory) + "/" + pattern;
  if (::glob(whole.c_str(), 0, nullptr, &found) == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  return paths;
}

Interpreter::Files files_of_this_machine() { return {matches, identity_of, read_text_file}; }

}  // namespace

Loaded load(const Interpreter::Files& files, const std::string& name, TextFile file) {
  Loaded loaded;
  Interpreter interpreter(files, loaded.diagnostics);
  Config config = interpreter.read(name, std::move(file));
  for (const auto& each : interpreter.sources()) loaded.sources.push_back({each->name, each->text});
  loaded.tidy();
  const bool wrong = std::any_of(loaded.diagnostics.begin(), loaded.diagnostics.end(),
                                 [](const Diagnostic& diagnostic) { return diagnostic.severity == Severity::error; });
  (wrong ? loaded.draft : loaded.config) = std::move(config);
  return loaded;
}

Loaded load_file(const std::string& path) {
  TextFile file = read_text_file(path);
  if (file.problem.starts_with("cannot be read")) file.problem += "; -c names another policy file";
  return load(files_of_this_machine(), path, std::move(file));
}

Loaded load_text(const std::string& name, std::string_view text) { return load(files_of_this_machine(), name, as_text(std::string(text))); }

}  // namespace adieu::config
