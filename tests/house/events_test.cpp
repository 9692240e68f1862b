// What the log may say is what the pages explain: every event of the sources stands in one of them.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

#include "support/source_tree.h"

namespace {
namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The names that lines are begun with: LogLine("name"), LogLine line("name"), and both of LogLine line(so ? "name" : "name").
std::set<std::string> events() {
  static const std::regex kLine(R"re(LogLine(?: \w+)?\((?:[\w.]+ \? "([a-z-]+)" : )?"([a-z-]+)"\))re");
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(adieu::in_source_tree("src"))) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string text = text_of(entry.path());
    for (std::sregex_iterator found(text.begin(), text.end(), kLine), end; found != end; ++found) {
      for (const std::size_t group : {1, 2}) {
        if ((*found)[group].matched) names.insert((*found)[group]);
      }
    }
  }
  return names;
}

TEST(Events, each_stands_in_a_page) {
  const std::string pages = text_of(adieu::in_source_tree("man/adieu.8")) + text_of(adieu::in_source_tree("man/adieu-closure.7"));
  const std::set<std::string> names = events();
  EXPECT_GT(names.size(), 25u) << "the test read nothing";
  for (const char* known : {"listening", "spool-full", "spool-has-space", "log-overrun", "disconnect"}) EXPECT_TRUE(names.contains(known)) << known;
  for (const std::string& name : names) {
    EXPECT_TRUE(std::regex_search(pages, std::regex("\\n\\.(Cm|It Cm)( [a-z-]+ ,)* " + name + "( ,.*)?\\n"))) << "adieu(8) does not explain event=" << name;
  }
}

}  // namespace
