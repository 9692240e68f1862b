// A policy file as it is written: statements of words, with blocks of statements. What the words mean is not known here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace adieu::config::syntax {

struct Word {
  std::string_view text;          // as it stands in the file, quotes included
};

struct Statement {
  std::vector<Word> words;        // at least one
  std::vector<Statement> block;   // in braces
  std::string_view open;          // the `{` of its block; empty where there is none
  bool closed = true;             // false: the text ends before the `}` of its block
};

struct Mistake {
  std::size_t offset = 0;       // into the text
  std::string message;
};

struct Parsed {
  std::vector<Statement> statements;
  std::vector<Mistake> mistakes;
};

/// How deep blocks may stand in each other; no setting needs more than two.
inline constexpr std::size_t kMaxNesting = 8;

/// The views in the result point into `text`. Whatever stands there is read to its end: a string that is not closed ends with its line or
/// before a `;` or a brace, and a `{` without a statement takes what belongs to it away. Only nesting beyond kMaxNesting ends the reading.
/// Blocks that are never closed are marked, and are no mistake here: whoever knows the words can tell where the `}` belongs.
Parsed parse(std::string_view text);

/// What a word stands for: itself, or what is between its quotes with `\"`, `\\`, `\n` and `\t` resolved.
std::string value_of(std::string_view word);

}  // namespace adieu::config::syntax
