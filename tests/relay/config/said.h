// What is said about a policy file, for tests.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "adieu/relay/config/load.h"
#include "support/source_tree.h"

namespace adieu::config::test {

inline std::string read(const std::string& path) {
  std::ifstream file(in_source_tree(path));
  EXPECT_TRUE(file) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Five lines that need nothing more.
constexpr std::string_view kSmallest = R"(hostname relay.example.org
spool rocksdb /var/spool/adieu
certificate default { chain /c; key /k }
listen 127.0.0.1:2525 { tls optional }
next-hop hop { host 127.0.0.1:3901 }
)";

inline Config good(const std::string& more) {
  Loaded loaded = load_text("test.conf", std::string(kSmallest) + more);
  EXPECT_TRUE(loaded.config) << loaded.text();
  return loaded.config ? *loaded.config : Config();
}

inline std::string lines_of(const Loaded& loaded) {
  std::string all;
  for (const Diagnostic& diagnostic : loaded.diagnostics) {
    all += std::to_string(diagnostic.position.line) + ":" + std::to_string(diagnostic.position.column) + ": " + diagnostic.message +
           (diagnostic.suggestion.empty() ? "" : "; " + diagnostic.suggestion) + "\n";
  }
  return all;
}

/// All that is said about a text, without the lines of source.
inline std::string said_of(const std::string& text) { return lines_of(load_text("test.conf", text)); }
/// All that is said about `kSmallest` and more.
inline std::string said(const std::string& more) { return said_of(std::string(kSmallest) + more); }

/// A directory that is gone with its owner.
class Directory {
 public:
  Directory() {
    std::string name = (std::filesystem::temp_directory_path() / "adieu-config-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path = name;
  }
  ~Directory() { std::filesystem::remove_all(path); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  std::string write(const std::string& name, const std::string& text) const {
    const auto file = path / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }

  std::filesystem::path path;
};

}  // namespace adieu::config::test
