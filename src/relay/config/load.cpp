// See load.h.
#include "adieu/relay/config/load.h"

#include <glob.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>

#include "relay/config/interpreter.h"

namespace adieu::config {
namespace {

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::shared_ptr<Source> make_source(std::string name, std::string text) {
  auto source = std::make_shared<Source>();
  source->directory = directory_of(name);
  source->name = std::move(name);
  source->text = std::move(text);
  source->parsed = syntax::parse(source->text);
  return source;
}

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> matches(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> paths;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  return paths;
}

Loaded load(const std::shared_ptr<const Source>& source) {
  Loaded loaded;
  const auto include = [&](const Source& from, const std::string& pattern) {
    std::vector<std::shared_ptr<const Source>> files;
    for (const std::string& path : matches(pattern.starts_with('/') ? pattern : from.directory + "/" + pattern)) {
      if (auto text = read_file(path)) {
        files.push_back(make_source(path, std::move(*text)));
      } else {
        loaded.diagnostics.push_back({Severity::error, {path, 1, 1}, "cannot be read", {}, {}});
      }
    }
    return files;
  };
  Config config = Interpreter(include, loaded.diagnostics).read(source);
  std::stable_sort(loaded.diagnostics.begin(), loaded.diagnostics.end(), [](const Diagnostic& left, const Diagnostic& right) {
    return left.position.file == right.position.file && left.position.line < right.position.line;
  });
  const bool wrong = std::any_of(loaded.diagnostics.begin(), loaded.diagnostics.end(),
                                 [](const Diagnostic& diagnostic) { return diagnostic.severity == Severity::error; });
  if (!wrong) loaded.config = std::move(config);
  return loaded;
}

}  // namespace

std::string Diagnostic::text() const {
  std::string out = position.file + ":" + std::to_string(position.line) + ":" + std::to_string(position.column) + ": ";
  out += severity == Severity::error ? "error: " : "warning: ";
  out += message;
  if (!suggestion.empty()) out += "; " + suggestion;
  out += "\n";
  if (source_line.empty()) return out;
  out += "    " + source_line + "\n    ";
  for (std::size_t i = 0; i + 1 < position.column; ++i) out += i < source_line.size() && source_line[i] == '\t' ? '\t' : ' ';
  return out + "^\n";
}

std::string Loaded::text() const {
  std::string out;
  for (const Diagnostic& diagnostic : diagnostics) out += diagnostic.text();
  return out;
}

Loaded load_file(const std::string& path) {
  auto text = read_file(path);
  if (!text) {
    Loaded loaded;
    loaded.diagnostics.push_back({Severity::error, {path, 1, 1}, "cannot be read; -c names another policy file", {}, {}});
    return loaded;
  }
  return load(make_source(path, std::move(*text)));
}

Loaded load_text(const std::string& name, std::string_view text) { return load(make_source(name, std::string(text))); }

}  // namespace adieu::config
