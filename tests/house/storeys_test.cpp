// How the sources may include each other: a storey those below it, never one above; base, protocol and relay no outside library but header-only
// ones; Boost.Spirit only in grammar files.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "support/source_tree.h"

namespace {
namespace fs = std::filesystem;

struct Include {
  fs::path file;
  int line = 0;
  std::string target;
};

// base 0, protocol 1, relay 2, io 3, tools 4, daemon 5, cli 6; -1: none of the project's.
int storey(const std::string& path) {
  static const std::vector<std::string> kNames = {"base", "protocol", "relay", "io", "tools", "daemon", "cli"};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (path.rfind(kNames[i] + "/", 0) == 0) return static_cast<int>(i);
  }
  return -1;
}

std::string strip(std::string path, const std::string& prefix) {
  return path.rfind(prefix, 0) == 0 ? path.substr(prefix.size()) : path;
}

std::vector<Include> includes_below(const fs::path& root) {
  static const std::regex kInclude(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"])");
  std::vector<Include> all;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const auto extension = entry.path().extension();
    if (extension != ".h" && extension != ".cpp") continue;
    std::ifstream file(entry.path());
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
      std::smatch match;
      if (std::regex_search(line, match, kInclude)) all.push_back({fs::relative(entry.path(), root), number, match[1]});
    }
  }
  return all;
}

std::string where(const Include& include) {
  return include.file.string() + ":" + std::to_string(include.line) + " includes " + include.target;
}

const fs::path kSource = adieu::in_source_tree("");

TEST(Storeys, no_arrow_runs_upward) {
  int seen = 0;
  for (const fs::path& root : {kSource / "include" / "adieu", kSource / "src"}) {
    for (const Include& include : includes_below(root)) {
      const int from = storey(include.file.string());
      const int to = storey(strip(include.target, "adieu/"));
      if (from < 0 || to < 0) continue;
      ++seen;
      EXPECT_LE(to, from) << where(include);
    }
  }
  EXPECT_GT(seen, 20) << "the test read nothing";
}

TEST(Storeys, rooms_of_io_do_not_know_each_other) {
  for (const Include& include : includes_below(kSource / "src")) {
    if (storey(include.file.string()) != 3 || storey(include.target) != 3) continue;
    const auto room = [](const std::string& path) { return path.substr(0, path.find('/', 3)); };
    EXPECT_EQ(room(include.file.string()), room(include.target)) << where(include);
  }
}

TEST(Storeys, the_pure_face_reaches_no_outside_library) {
  static const std::regex kOutside(R"(^(uv|gnutls/|rocksdb/|unbound|boost/|nlohmann/|CLI/))");
  for (const Include& include : includes_below(kSource / "include" / "adieu")) {
    EXPECT_FALSE(std::regex_search(include.target, kOutside)) << where(include);
  }
  for (const char* room : {"base", "protocol", "relay"}) {
    for (const Include& include : includes_below(kSource / "src" / room)) {
      const bool grammar = include.file.string().find("_grammar") != std::string::npos;
      if (grammar && include.target.rfind("boost/", 0) == 0) continue;
      EXPECT_FALSE(std::regex_search(include.target, kOutside)) << room << "/" << where(include);
    }
  }
}

TEST(Storeys, no_room_is_larger_than_five_hundred_lines) {
  for (const fs::path& root : {kSource / "include", kSource / "src"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path());
      std::string line;
      int lines = 0;
      while (std::getline(file, line)) ++lines;
      EXPECT_LE(lines, 500) << entry.path();
    }
  }
}
}  // namespace
