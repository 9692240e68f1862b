// Where the program's log goes: a descriptor such as standard error, a file, syslog or systemd's journal. Each target knows how its lines look and
// how they are written; logger.h decides when.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "adieu/base/clock.h"
#include "adieu/base/log.h"
#include "adieu/base/result.h"

namespace adieu::daemon {

class LogTarget {
 public:
  virtual ~LogTarget() = default;
  /// Appends one line to `out` as `write` will take it: one record that ends with `separator()`. From any thread, one at a time.
  virtual void append(std::string& out, LogLevel level, WallTime now, std::string_view line) = 0;
  virtual char separator() const = 0;
  /// Writes records as `append` made them; may block. Returns how many octets were written: fewer than all where the rest is refused, and then the rest
  /// comes again, perhaps from the middle of a record on. From one thread.
  virtual std::size_t write(std::string_view records) = 0;
  /// Opens a file anew by its name, after it was renamed; where that fails the old one is kept. Other targets have nothing to do.
  virtual Result<> reopen() { return {}; }
};

/// Lines on a descriptor, which stays the caller's. Where the descriptor is the one that systemd says leads to the journal (JOURNAL_STREAM), the time is
/// left to the journal and lines begin with its priority prefix (sd-daemon(3)).
std::unique_ptr<LogTarget> make_stream_target(int descriptor);
/// Appends to a file, made with mode 0640 where it is missing and then given to `user` ("" for whoever we are).
Result<std::unique_ptr<LogTarget>> make_file_target(const std::string& path, const std::string& user);
/// A datagram a line, facility `mail`, to the syslog daemon that listens at `path`.
std::unique_ptr<LogTarget> make_syslog_target(const std::string& path = "/dev/log");
/// A datagram a line, with its priority as a field, to systemd's journal.
std::unique_ptr<LogTarget> make_journal_target(const std::string& path = "/run/systemd/journal/socket");

/// One line to the syslog daemon, if there is one and it takes the line at once; for what cannot be told anywhere else. Never blocks.
void tell_syslog(LogLevel level, std::string_view line);

}  // namespace adieu::daemon
