// The files that a policy is read from, as text: what cannot be read, and what is no text, is told and never shown.
#pragma once

#include <cstddef>
#include <string>

namespace adieu::config {

struct TextFile {
  std::string text;         // UTF-8, without a byte order mark; empty where there is a problem
  std::string problem;      // "cannot be read: Permission denied"; empty: none
  std::size_t line = 1;     // of the problem, from 1
  std::size_t column = 1;   // from 1, octets
};

/// The largest file that is taken.
inline constexpr std::size_t kMaxTextFile = std::size_t{64} << 20;

/// Reads the file at `path`, 64 MiB at most.
TextFile read_text_file(const std::string& path);
/// Judges what was read: a byte order mark of UTF-8 is dropped; UTF-16, and control characters but for HTAB, CR and LF, are problems.
TextFile as_text(std::string octets);

}  // namespace adieu::config
