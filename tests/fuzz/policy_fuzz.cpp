// Any text is a policy or has errors, each at a place within a file. The input is the policy, and behind octets of 0xff the files "1", "2" … that it
// may include or take domains from: a fuzzer must not read this machine's files.
#include <algorithm>
#include <cstdlib>

#include "relay/config/interpreter.h"

namespace {
using namespace adieu::config;

constexpr std::size_t kFiles = 5;

struct World {
  std::vector<std::string> files;

  const std::string* find(const std::string& path) const {
    const std::string name = name_of(path);
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (name == std::to_string(i)) return &files[i];
    }
    return nullptr;
  }
  std::vector<std::string> matches(const std::string& pattern) const {
    if (pattern.find('*') == std::string::npos) return {pattern};
    std::vector<std::string> all;
    for (std::size_t i = 0; i < files.size(); ++i) all.push_back(std::to_string(i));
    return all;
  }
  TextFile read(const std::string& path) const {
    const std::string* file = find(path);
    return file != nullptr ? as_text(*file) : TextFile{{}, "cannot be read: No such file or directory", 1, 1};
  }
  static std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World world;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  do {
    const std::string_view file = rest.substr(0, rest.find('\xff'));
    rest.remove_prefix(std::min(rest.size(), file.size() + 1));
    world.files.emplace_back(file);
  } while (!rest.empty() && world.files.size() < kFiles);
  const Interpreter::Files files{[&](const Source&, const std::string& pattern) { return world.matches(pattern); }, World::name_of,
                                 [&](const std::string& path) { return world.read(path); }};
  const auto loaded = load(files, "0", world.read("0"));
  bool wrong = false;
  for (const auto& diagnostic : loaded.diagnostics) {
    wrong |= diagnostic.severity == Severity::error;
    const std::string* file = world.find(diagnostic.position.file);
    if (file == nullptr) std::abort();
    const auto lines = static_cast<std::size_t>(std::count(file->begin(), file->end(), '\n')) + 1;
    if (diagnostic.position.line == 0 || diagnostic.position.line > lines || diagnostic.position.column == 0) std::abort();
  }
  if (wrong == loaded.config.has_value() || wrong != loaded.draft.has_value()) std::abort();
  // Whatever the files hold, what is shown of them is text for a terminal.
  const std::string shown = loaded.text();
  const auto control = [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f; };
  if (std::any_of(shown.begin(), shown.end(), control)) std::abort();
  return 0;
}
