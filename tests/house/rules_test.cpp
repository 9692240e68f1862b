// The rules R1 to R20 stand in adieu-closure(7). Code and tests cite them by number: each number that is cited must stand there, and
// each rule must have a test.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "support/source_tree.h"

namespace {
namespace fs = std::filesystem;

const fs::path kTree = adieu::in_source_tree("");

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The numbers of the rules that `text` names. R and digits inside a longer word are no citation.
std::set<int> cited_in(const std::string& text) {
  static const std::regex kCitation("(^|[^A-Za-z0-9])R([0-9]+)(?![A-Za-z0-9])");
  std::set<int> numbers;
  for (std::sregex_iterator found(text.begin(), text.end(), kCitation), end; found != end; ++found) numbers.insert(std::stoi((*found)[2]));
  return numbers;
}

/// How often the page begins an item with each number.
std::map<int, int> rules_of_the_page() {
  static const std::regex kItem("\n\\.It Sy R([0-9]+)(?=\n)");
  std::map<int, int> rules;
  const std::string page = text_of(kTree / "man" / "adieu-closure.7");
  for (std::sregex_iterator found(page.begin(), page.end(), kItem), end; found != end; ++found) ++rules[std::stoi((*found)[1])];
  return rules;
}

/// The sources in which rules are cited, tests among them; not the fuzzers' inputs.
std::vector<fs::path> sources(const std::vector<fs::path>& folders) {
  static const std::set<std::string> kExtensions = {".h", ".cpp", ".py", ".pml", ".java", ".js", ".pl"};
  std::vector<fs::path> all;
  for (const fs::path& folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(kTree / folder)) {
      if (entry.is_regular_file() && kExtensions.contains(entry.path().extension().string())) all.push_back(entry.path());
    }
  }
  return all;
}

TEST(Rules, the_page_has_each_of_them_once) {
  const std::map<int, int> rules = rules_of_the_page();
  for (int rule = 1; rule <= 20; ++rule) EXPECT_TRUE(rules.contains(rule) && rules.at(rule) == 1) << "R" << rule;
  EXPECT_EQ(rules.size(), 20u);
}

TEST(Rules, every_number_that_is_cited_stands_in_the_page) {
  const std::map<int, int> rules = rules_of_the_page();
  int files = 0;
  for (const fs::path& path : sources({"src", "include", "tests"})) {
    const std::set<int> cited = cited_in(text_of(path));
    files += cited.empty() ? 0 : 1;
    for (const int rule : cited) EXPECT_TRUE(rules.contains(rule)) << path << " cites R" << rule;
  }
  EXPECT_GT(files, 40) << "the test read nothing";
}

/// A test names its rules: in a C++ test's name, between underscores; at the beginning of a Python test's docstring.
TEST(Rules, every_rule_has_a_test_that_names_it) {
  static const std::regex kTest("\nTEST(?:_[FP])?\\(\\w+, *(\\w+)\\)");
  static const std::regex kDocstring("\n    \"\"\"((?:R[0-9]+[,: ]+(?:and )?)+)");
  std::set<int> tested;
  for (const fs::path& path : sources({"tests"})) {
    const std::string text = text_of(path);
    const std::regex& pattern = path.extension() == ".py" ? kDocstring : kTest;
    for (std::sregex_iterator found(text.begin(), text.end(), pattern), end; found != end; ++found) {
      for (const int rule : cited_in((*found)[1])) tested.insert(rule);
    }
  }
  for (const auto& [rule, times] : rules_of_the_page()) EXPECT_TRUE(tested.contains(rule)) << "R" << rule << " has no test that names it";
  EXPECT_GE(tested.size(), 20u);
}

TEST(Rules, what_counts_as_a_citation) {
  EXPECT_EQ(cited_in("R9 to R11, (R4) // R7: and R8_FIN"), (std::set<int>{4, 7, 8, 9, 11}));
  EXPECT_EQ(cited_in("CVE_2026_45185_R3_R4_a_message"), (std::set<int>{3, 4}));
  EXPECT_TRUE(cited_in("XR7 R R2D2 SECP256R1 R\"(x)\"").empty());
}
}  // namespace
