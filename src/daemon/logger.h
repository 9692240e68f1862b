// The Log that the program writes: logfmt lines on stderr, as journald and a person like them. A thread of its own writes, so that a slow
// reader never holds up a loop; lines that come close together go out in one write. When too many wait, new ones are counted and dropped.
#pragma once

#include <memory>

#include "adieu/base/log.h"

namespace adieu::daemon {

/// Lines below `level` are dropped. Under systemd (JOURNAL_STREAM) the time is left to the journal, and lines carry its priority prefix
/// (sd-daemon(3)). The destructor writes out what waits.
std::unique_ptr<Log> make_stderr_log(LogLevel level);
/// The same on any descriptor, which stays the caller's and blocks.
std::unique_ptr<Log> make_stream_log(int descriptor, LogLevel level);

}  // namespace adieu::daemon
