// Any text is a policy or has errors, each at a place within it.
#include <algorithm>
#include <cstdlib>

#include "adieu/relay/config/load.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // What names a file is left out: a fuzzer must not read this machine's files.
  if (text.find("include") != std::string_view::npos || text.find("file") != std::string_view::npos) return 0;
  const auto loaded = adieu::config::load_text("fuzz.conf", text);
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  bool wrong = false;
  for (const auto& diagnostic : loaded.diagnostics) {
    wrong |= diagnostic.severity == adieu::config::Severity::error;
    if (diagnostic.position.line == 0 || diagnostic.position.line > lines || diagnostic.position.column == 0) std::abort();
  }
  if (wrong == loaded.config.has_value() || wrong != loaded.draft.has_value()) std::abort();
  // Whatever the file holds, what is shown of it is text for a terminal.
  const std::string shown = loaded.text();
  const auto control = [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f; };
  if (std::any_of(shown.begin(), shown.end(), control)) std::abort();
  return 0;
}
