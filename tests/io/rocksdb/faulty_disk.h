// A disk that fails when it is told to: this program's own open, write, pwrite, fdatasync, fsync, rename and unlink stand in front of the C library's,
// for RocksDB too. Only files below a watched directory are touched, and all of them. It also knows which of them hold what has not been synced.
#pragma once

#include <string>

namespace adieu::test {

class FaultyDisk {
 public:
  /// Watches what lies below `directory` until it is destroyed; one at a time.
  explicit FaultyDisk(const std::string& directory);
  ~FaultyDisk();
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  /// The `nth` write, sync, rename or new file from now on fails with `error`, a write after half of its octets; `for_good`: all that follow fail
  /// too. A sync that fails loses what was to be synced, as Linux does: zeros stand in its place.
  void fail(int nth, int error, bool for_good);
  /// No more failures.
  void mend();
  /// Whether the failure has come.
  bool has_failed() const;

  /// Logs of the database and files of large messages with octets that were not synced.
  std::string unsynced() const;
  /// Files of large messages that were unlinked while a log of the database had octets that were not synced.
  int early_unlinks() const;
};

}  // namespace adieu::test
