// The grammar of the policy file, adieu.conf(5): its words by Boost.Spirit X3, their nesting by a stack, so that no file can exhaust ours.
#include <deque>
#include <optional>

#include <boost/spirit/home/x3.hpp>

#include "adieu/base/bytes.h"
#include "relay/config/policy_syntax.h"

namespace adieu::config::syntax {
namespace {

namespace x3 = boost::spirit::x3;
using Iterator = std::string_view::const_iterator;

const x3::rule<struct gap_tag> gap = "space";
const x3::rule<struct layout_tag> layout = "layout";
const x3::rule<struct quoted_tag> quoted = "quoted string";
const x3::rule<struct open_quote_tag> open_quote = "string without its end";
const x3::rule<struct bare_tag> bare = "word";
const x3::rule<struct word_tag, Word> word = "word";
const x3::rule<struct words_tag, std::vector<Word>> words = "words";

// file = layout *( statement layout ) ; statement = words ( ";" / LF / [ layout ] "{" layout *( statement layout ) "}" )
// gap = *( SP / HTAB / CR )
const auto gap_def = *x3::char_(" \t\r");
// layout = *( SP / HTAB / CR / LF / comment ) ; comment = "#" *( any but LF )
const auto layout_def = *(x3::char_(" \t\r\n") | ('#' >> *(x3::char_ - '\n')));
// quoted = DQUOTE *( "\" any / any but DQUOTE, "\" and LF ) DQUOTE
const auto quoted_def = '"' >> *(('\\' >> (x3::char_ - '\n')) | (x3::char_ - x3::char_("\"\\\n"))) >> '"';
// What is read in place of a string that is not closed.
const auto open_quote_def = '"' >> *(x3::char_ - x3::char_("\n;{}"));
// bare = 1*( any but SP, HTAB, CR, LF, "{", "}", ";", DQUOTE ), not beginning with "#"
const auto bare_def = (x3::char_ - x3::char_(" \t\r\n{};\"#")) >> *(x3::char_ - x3::char_(" \t\r\n{};\""));
// word = quoted / bare
const auto keep = [](auto& context) {
  const auto& range = x3::_attr(context);
  x3::_val(context) = Word{std::string_view(range.begin(), range.end())};
};
const auto word_def = x3::raw[quoted | open_quote | bare][keep];
// words = word *( gap word )
const auto words_def = word % gap;

BOOST_SPIRIT_DEFINE(gap, layout, quoted, open_quote, bare, word, words)

/// The character that `\c` in a string stands for.
std::optional<char> escaped(char c) {
  switch (c) {
    case '"':
    case '\\': return c;
    case 'n': return '\n';
    case 't': return '\t';
    default: return std::nullopt;
  }
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Parsed read() {
    Statement file;
    open_.push_back(&file);
    for (Iterator at = text_.begin(); step(at);) {
    }
    for (std::size_t i = 1; i < open_.size(); ++i) open_[i]->closed = false;
    return {std::move(file.block), std::move(mistakes_)};
  }

 private:
  /// False at the end.
  bool step(Iterator& at) {
    x3::parse(at, text_.end(), layout);
    if (at == text_.end()) return false;
    switch (*at) {
      case ';':
        last_ = nullptr;
        ++at;
        return true;
      case '{': return open(at++);
      case '}':
        close(at++);
        return true;
      default: break;
    }
    Statement statement;
    x3::parse(at, text_.end(), words, statement.words);
    for (const Word& each : statement.words) judge(each.text);
    open_.back()->block.push_back(std::move(statement));
    last_ = &open_.back()->block.back();
    return true;
  }

  bool open(Iterator at) {
    if (open_.size() > kMaxNesting) {
      mistake(at, "expected a `}` before this: blocks stand in each other " + std::to_string(kMaxNesting) + " deep at most");
      return false;
    }
    if (last_ == nullptr) {
      mistake(at, "expected a statement before this `{`");
      last_ = &strays_.emplace_back();
    }
    last_->open = text_.substr(static_cast<std::size_t>(at - text_.begin()), 1);
    open_.push_back(last_);
    last_ = nullptr;
    return true;
  }

  void close(Iterator at) {
    last_ = nullptr;
    if (open_.size() == 1) {
      mistake(at, "expected a statement; this `}` closes nothing");
    } else {
      open_.pop_back();
    }
  }

  void judge(std::string_view raw) {
    if (raw.front() != '"') return;
    std::size_t i = 1;
    for (; i < raw.size() && raw[i] != '"'; ++i) {
      if (raw[i] != '\\' || i + 1 == raw.size()) continue;
      if (!escaped(raw[++i])) {
        mistake(raw.begin() + static_cast<std::ptrdiff_t>(i) - 1, "expected one of \\\", \\\\, \\n or \\t, found `\\" + printable(raw.substr(i, 1)) +
                                                                  "`; a backslash that is meant is written twice");
      }
    }
    if (i >= raw.size()) mistake(raw.begin(), "expected the closing quote of this string before the end of the line");
  }

  void mistake(Iterator at, std::string message) {
    mistakes_.push_back({static_cast<std::size_t>(at - text_.begin()), std::move(message)});
  }

  std::string_view text_;
  std::vector<Statement*> open_;   // the file, and the statements whose blocks are open; a block grows only while it is the last
  Statement* last_ = nullptr;      // whose block may follow
  std::deque<Statement> strays_;   // the blocks of no statement
  std::vector<Mistake> mistakes_;
};

}  // namespace

Parsed parse(std::string_view text) { return Reader(text).read(); }

std::string value_of(std::string_view raw) {
  if (raw.empty() || raw.front() != '"') return std::string(raw);
  std::string value;
  for (std::size_t i = 1; i < raw.size() && raw[i] != '"'; ++i) {
    if (raw[i] == '\\' && i + 1 < raw.size()) {
      ++i;
      value += escaped(raw[i]).value_or(raw[i]);
    } else {
      value += raw[i];
    }
  }
  return value;
}

}  // namespace adieu::config::syntax
