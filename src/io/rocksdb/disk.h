// The disk under a database, as far as it fails. RocksDB cannot be told of a failed write: it refuses all further ones until it is opened anew, and
// Debian's build aborts on an assertion where its code touches a file that failed before. So no failure reaches it. A write, a sync or a new
// file that fails is tried again until it succeeds, while the thread that asked for it waits; or, where nobody may wait, the disk is frozen.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "adieu/base/log.h"
#include "adieu/base/result.h"
#include "adieu/base/threads.h"

namespace adieu::rocksdb {

/// From any thread. Outlives the files on it.
class Disk {
 public:
  enum class OnFailure { wait, freeze };

  /// `name` stands in log lines: "spool". Where nobody waits nothing is logged: whoever finds the disk frozen has the reason.
  Disk(std::string name, OnFailure on_failure, Log* log, Threads& threads = Threads::of_machine())
      : name_(std::move(name)), on_failure_(on_failure), log_(log), threads_(threads), news_(threads.signal()) {}
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  /// What is set aside for the time when the disk is full: a file of `octets`, given up at the first failure for want of space so that what must be
  /// written still can be. Makes it where it is missing or smaller. Errors: no_space, io; the disk is used without it then.
  Result<> set_aside(const std::string& path, std::uint64_t octets);
  /// What an earlier run has set aside, if it is still there.
  void adopt(const std::string& path);
  bool has_reserve() const;

  /// Calls `attempt`, which returns 0 or an errno value, until it succeeds or the disk is frozen. `verb` and `path` are for people: "write PATH".
  template <class Attempt>
  void persist(std::string_view verb, const std::string& path, const Attempt& attempt) {
    if (frozen_) return;
    if (const int error = attempt(); error != 0) insist(verb, path, attempt, error);
  }

  /// The database is open: until then a file that may not be made at all is an error of the start, afterwards something to wait for.
  void begin_use() { in_use_ = true; }
  bool in_use() const { return in_use_; }

  /// Why something waits now, if anything does.
  std::optional<Error> trouble() const;
  /// Waits until something has waited for longer than `time`: true, and again each tenth of a second while it does. False after `end_watch`. For one
  /// thread.
  bool watch(std::chrono::milliseconds time);
  void end_watch();

  /// From now on nothing changes on the disk and every change is said to have succeeded: what is on it stays as if the process had been killed
  /// at this moment, which is what a database recovers from. For the end, when something still waits.
  void freeze();
  bool frozen() const { return frozen_; }

 private:
  void insist(std::string_view verb, const std::string& path, const std::function<int()>& attempt, int error);
  void note(const std::string& what, int error);
  void tell(LogLevel level, const LogLine& line);
  bool give_up_reserve();

  const std::string name_;
  const OnFailure on_failure_;
  Log* const log_;
  Threads& threads_;
  std::atomic<bool> frozen_ = false;
  std::atomic<bool> in_use_ = false;
  std::atomic<std::size_t> waiting_ = 0;
  mutable std::mutex mutex_;
  const std::unique_ptr<Threads::Signal> news_;  // trouble has begun, or something below has ended
  bool watch_ends_ = false;                   // guarded by mutex_, as are those below
  std::optional<Error> trouble_;
  Threads::Time since_;
  std::string reserve_;                       // the path of what is set aside; empty: nothing
};

}  // namespace adieu::rocksdb
