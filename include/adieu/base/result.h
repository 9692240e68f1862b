// What can go wrong in the world outside (a disk, a name server, a file), as a value; and the check for what can only go wrong
// in this program. What a peer does wrong is neither: it is a value of the protocol (Reply, Ending, Outcome).
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace adieu {

enum class ErrorKind {
  invalid,      // what was given makes no sense: a file's text, an argument, stored bytes
  not_found,    // it does not exist
  permission,   // not allowed to touch it
  refused,      // the other side said no
  unavailable,  // not now; trying later may help
  timeout,      // no answer in time
  no_space,     // the disk or a quota is full
  io,           // the disk failed
  unsupported,  // known, but not in this version
};

/// "io", "no-space", …: as it stands in a log line.
std::string_view name(ErrorKind kind);

/// One failure: its kind for code, its message for people. The message says what was tried and why it failed, the most
/// general words first: "spool: open /var/spool/adieu: Permission denied".
struct Error {
  ErrorKind kind = ErrorKind::invalid;
  std::string message;

  /// Puts "WHAT: " in front of the message.
  Error within(std::string_view what) &&;
};

/// The kind and the system's words for an errno value: "WHAT: No space left on device", ErrorKind::no_space.
Error error_of_errno(std::string_view what, int errno_value);

template <class T = void>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> failure(ErrorKind kind, std::string message) {
  return tl::unexpected<Error>(Error{kind, std::move(message)});
}

/// Ends the program with one line on stderr when `condition` does not hold, in release builds too: a relay that restarts from
/// its spool is safer than one that goes on in a state that cannot be.
void check(bool condition, std::string_view what, const char* file = __builtin_FILE(), int line = __builtin_LINE());

}  // namespace adieu
