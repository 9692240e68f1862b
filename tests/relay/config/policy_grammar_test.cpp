#include <gtest/gtest.h>

#include "relay/config/policy_syntax.h"

namespace adieu::config::syntax {
namespace {

/// The tree on one line: words, and blocks in braces; an open block ends with `...`.
std::string shape(const std::vector<Statement>& statements) {
  std::string text;
  for (const Statement& each : statements) {
    for (const Word& word : each.words) text += (text.empty() || text.back() == '(' ? "" : " ") + std::string(word.text);
    if (!each.open.empty()) text += " (" + shape(each.block) + (each.closed ? ")" : "...)");
    text += ";";
  }
  return text;
}

std::string mistakes(std::string_view text) {
  std::string all;
  for (const Mistake& each : parse(text).mistakes) all += std::to_string(each.offset) + ": " + each.message + "\n";
  return all;
}

TEST(PolicyGrammar, statements_end_with_their_line_or_a_semicolon) {
  EXPECT_EQ(shape(parse("a b\nc \"d e\"; f # g\n\n;;h { i; j { k } }").statements), "a b; c \"d e\"; f; h (i; j (k;););");
  EXPECT_EQ(mistakes("a b\nc \"d e\"; f # g\n\n;;h { i; j { k } }"), "");
}

TEST(PolicyGrammar, a_brace_may_open_a_block_on_the_next_line) {
  EXPECT_EQ(shape(parse("a\n# why\n{\n b\n}\nc").statements), "a (b;); c;");
  EXPECT_EQ(mistakes("a;\n{ b }"), "3: expected a statement before this `{`\n");
  EXPECT_EQ(shape(parse("a;\n{ b }\nc").statements), "a; c;");
}

TEST(PolicyGrammar, a_block_that_is_never_closed_is_marked) {
  const Parsed parsed = parse("a {\n b {\n c\n}\nd");
  EXPECT_EQ(shape(parsed.statements), "a (b (c;); d;...);");
  EXPECT_TRUE(parsed.mistakes.empty());
}

TEST(PolicyGrammar, a_string_without_its_end_hides_nothing_behind_it) {
  EXPECT_EQ(mistakes("a \"b }\nc"), "2: expected the closing quote of this string before the end of the line\n5: expected a statement; this `}` closes nothing\n");
  EXPECT_EQ(shape(parse("a { b \"c }\nd").statements), "a (b \"c ;); d;");
  EXPECT_EQ(mistakes("a \"b\\"), "2: expected the closing quote of this string before the end of the line\n");
  EXPECT_EQ(mistakes("a \""), "2: expected the closing quote of this string before the end of the line\n");
}

TEST(PolicyGrammar, escapes_are_those_that_are_known) {
  EXPECT_EQ(value_of(R"("a\"b\\c\nd\te")"), "a\"b\\c\nd\te");
  EXPECT_EQ(mistakes(R"(a "b\qc" "\d")"),
            "4: expected one of \\\", \\\\, \\n or \\t, found `\\q`; a backslash that is meant is written twice\n"
            "10: expected one of \\\", \\\\, \\n or \\t, found `\\d`; a backslash that is meant is written twice\n");
}

TEST(PolicyGrammar, blocks_nest_to_a_bound_so_that_no_file_exhausts_the_stack) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "a { ";
  EXPECT_EQ(mistakes(deep), "34: expected a `}` before this: blocks stand in each other 8 deep at most\n");
  EXPECT_EQ(mistakes("a { b { c { d { e { f { g { h { i } } } } } } } }"), "");
}

}  // namespace
}  // namespace adieu::config::syntax
