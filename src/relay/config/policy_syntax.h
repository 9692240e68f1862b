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
};

struct Mistake {
  std::size_t offset = 0;       // into the text
  std::string message;
};

struct Parsed {
  std::vector<Statement> statements;
  std::vector<Mistake> mistakes;
};

/// The views in the result point into `text`. After a mistake the parse goes on with the next line.
Parsed parse(std::string_view text);

/// What a word stands for: itself, or what is between its quotes with `\"`, `\\`, `\n` and `\t` resolved.
std::string value_of(std::string_view word);

}  // namespace adieu::config::syntax
