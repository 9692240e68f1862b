// The Log that the program writes. A thread of its own hands lines to the target, so that a slow reader never holds up a loop; lines that come close
// together go out in one write. What the target refuses is tried again. When too many wait, new ones are counted and dropped; a `log-overrun` line tells
// how many as soon as it can be written.
//
// Why not a library: of spdlog 1.10 (Debian 12) the asynchronous logger was read. Its thread pool ends by queueing a last message with the policy
// `block` and by joining its thread, so that a reader that has stopped keeps the process from ending; what overruns its queue is counted but not told;
// each line is a write and a flush; a failed write loses its line uncounted; and its file cannot be opened anew after logrotate.
#pragma once

#include <memory>

#include "adieu/base/log.h"
#include "adieu/relay/config/config.h"
#include "daemon/log_target.h"

namespace adieu::daemon {

/// How long a target that does not take its lines may hold up the end of the program.
inline constexpr Duration kLastLines = std::chrono::seconds(2);

class Logger : public Log {
 public:
  using Log::write;
  /// A log file is opened anew by its name: it has been renamed. From any thread; done after the lines that wait.
  virtual void reopen() = 0;
};

/// Lines below `level` are dropped. The destructor waits until the lines that wait are written, for `last_lines` at most; where that was not long enough
/// syslog is told how many were lost, for want of another place.
std::unique_ptr<Logger> make_log(std::unique_ptr<LogTarget> target, LogLevel level, Duration last_lines = kLastLines);
/// The log of a policy. Errors: its file cannot be opened.
Result<std::unique_ptr<Logger>> make_log(const config::Config& config);
/// Lines on standard error.
std::unique_ptr<Logger> make_stderr_log(LogLevel level);

}  // namespace adieu::daemon
