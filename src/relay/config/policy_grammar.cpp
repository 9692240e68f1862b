// The grammar of the policy file, adieu.conf(5), by Boost.Spirit X3.
#include <algorithm>

#include <boost/fusion/include/adapt_struct.hpp>
#include <boost/spirit/home/x3.hpp>

#include "relay/config/policy_syntax.h"

BOOST_FUSION_ADAPT_STRUCT(adieu::config::syntax::Statement, words, block)

namespace adieu::config::syntax {
namespace {

namespace x3 = boost::spirit::x3;
using Iterator = std::string_view::const_iterator;

const x3::rule<struct gap_tag> gap = "space";
const x3::rule<struct separator_tag> separator = "the end of the statement";
const x3::rule<struct quoted_tag> quoted = "quoted string";
const x3::rule<struct bare_tag> bare = "word";
const x3::rule<struct word_tag, Word> word = "word";
const x3::rule<struct words_tag, std::vector<Word>> words = "words";
const x3::rule<struct block_tag, std::vector<Statement>> block = "block";
const x3::rule<struct statement_tag, Statement> statement = "statement";

// gap = *( SP / HTAB / CR )
const auto gap_def = *x3::char_(" \t\r");
// separator = *( SP / HTAB / CR / LF / ";" / comment ) ; comment = "#" *( any but LF )
const auto separator_def = *(x3::char_(" \t\r\n;") | ('#' >> *(x3::char_ - '\n')));
// quoted = DQUOTE *( "\" any / any but DQUOTE, "\" and LF ) DQUOTE
const auto quoted_def = '"' >> *(('\\' >> (x3::char_ - '\n')) | (x3::char_ - x3::char_("\"\\\n"))) > x3::lit('"');
// bare = 1*( any but SP, HTAB, CR, LF, "{", "}", ";", DQUOTE ), not beginning with "#"
const auto bare_def = (x3::char_ - x3::char_(" \t\r\n{};\"#")) >> *(x3::char_ - x3::char_(" \t\r\n{};\""));
// word = quoted / bare
const auto keep = [](auto& context) {
  const auto& range = x3::_attr(context);
  x3::_val(context) = Word{std::string_view(range.begin(), range.end())};
};
const auto word_def = x3::raw[quoted | bare][keep];
// words = word *( gap word )
const auto words_def = word % gap;
// block = "{" separator *( statement separator ) "}"
const auto block_def = '{' >> separator >> *(statement >> separator) > '}';
// statement = words gap [ block ]
const auto statement_def = words >> gap >> -block;

BOOST_SPIRIT_DEFINE(gap, separator, quoted, bare, word, words, block, statement)

std::string expected(const std::string& which) {
  if (which == "'\"'") return "expected the closing quote of this string before the end of the line";
  if (which == "'}'") return "expected a statement or `}`";
  return "expected " + which;
}

}  // namespace

Parsed parse(std::string_view text) {
  Parsed parsed;
  Iterator at = text.begin();
  const Iterator end = text.end();
  const auto recover = [&](Iterator where, std::string message) {
    parsed.mistakes.push_back({static_cast<std::size_t>(where - text.begin()), std::move(message)});
    at = std::find(where, end, '\n');
  };
  for (;;) {
    x3::parse(at, end, separator);
    if (at == end) return parsed;
    const Iterator start = at;
    Statement one;
    try {
      if (x3::parse(at, end, statement, one)) {
        parsed.statements.push_back(std::move(one));
        continue;
      }
      recover(start, *start == '}' ? "expected a statement; this `}` closes nothing" : "expected a statement");
    } catch (const x3::expectation_failure<Iterator>& failure) {
      recover(failure.where(), expected(failure.which()));
    }
  }
}

std::string value_of(std::string_view raw) {
  if (raw.empty() || raw.front() != '"') return std::string(raw);
  std::string value;
  for (std::size_t i = 1; i + 1 < raw.size(); ++i) {
    char c = raw[i];
    if (c == '\\') {
      c = raw[++i];
      if (c == 'n') c = '\n';
      if (c == 't') c = '\t';
    }
    value += c;
  }
  return value;
}

}  // namespace adieu::config::syntax
