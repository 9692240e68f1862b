// The commit thread: takes everything that waits, writes it as one batch, syncs once, and tells all who waited. While it syncs, the next
// batch gathers.
#pragma once

#include <rocksdb/db.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "adieu/base/log.h"
#include "adieu/base/result.h"
#include "adieu/base/task.h"

namespace adieu::rocksdb {

/// One change. `write` puts it into the batch; `done` runs on `executor` with what became of it, or on nobody's where there is none.
struct Change {
  std::function<void(::rocksdb::WriteBatch&)> write;
  bool durable = false;             // somebody's promise depends on it: the batch is synced
  bool owed = false;                // nobody waits for it, and it is tried again until it is written
  std::function<void(const Result<>&)> committed;  // on the commit thread, before `done` is posted; may be empty
  Executor* executor = nullptr;
  std::function<void(Result<>)> done;
};

/// How many transactions to wait for before a sync that they share. A client alone never waits for others; where many come at once, a sync for
/// each two or three of them costs more than the moment it takes for ten to come together.
class Gathering {
 public:
  static constexpr auto kLongest = std::chrono::microseconds(2000);

  std::size_t wanted() const { return wanted_; }
  /// So many came: all that were wanted, or in time.
  void came(std::size_t count) {
    if (count == 0) return;
    if (count < wanted_) {
      wanted_ = count;
      patience_ = kPatience;
    } else if (patience_ != 0) {
      --patience_;
    } else if (wanted_ < kMost) {
      ++wanted_;
    }
  }

 private:
  static constexpr std::size_t kMost = 64;
  static constexpr int kPatience = 32;  // batches until one more is hoped for again
  std::size_t wanted_ = 1;
  int patience_ = 0;
};

class Committer {
 public:
  /// `sync` off: nothing is synced, for trying things out. `db` outlives this.
  Committer(::rocksdb::DB& db, bool sync, Log& log);
  ~Committer() { finish(); }
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  /// Writes what waits and ends the thread; what is submitted later is dropped.
  void finish();
  /// From any thread.
  void submit(Change change);
  /// Why the last batch could not be written, if it could not.
  std::optional<Error> trouble() const;

 private:
  void work();
  Result<> write(std::vector<Change>& changes);
  void tell(std::vector<Change> changes, const Result<>& result);
  void note(const Result<>& result);

  ::rocksdb::DB& db_;
  const bool sync_;
  Log& log_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Change> waiting_;      // guarded by mutex_
  std::size_t durable_waiting_ = 0;  // guarded by mutex_, as is gathering_
  Gathering gathering_;
  std::vector<Change> owed_;         // of the commit thread
  std::atomic<bool> in_trouble_ = false;
  std::optional<Error> trouble_;     // guarded by mutex_
  bool ending_ = false;              // guarded by mutex_
  std::thread thread_;
};

/// A failure of the database as an Error: no_space or io, with what an administrator can do.
Error to_error(const ::rocksdb::Status& status, const std::string& what);

}  // namespace adieu::rocksdb
