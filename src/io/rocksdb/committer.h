// The commit thread: takes everything that waits, writes it as one batch, syncs once, and tells all who waited. While it syncs, the next
// batch gathers.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "adieu/base/log.h"
#include "adieu/base/result.h"
#include "adieu/base/task.h"
#include "adieu/base/threads.h"
#include "adieu/relay/spool/message.h"
#include "io/rocksdb/disk.h"

namespace adieu::rocksdb {

/// What is written together, while it is put together: on the commit thread.
struct Batch {
  ::rocksdb::WriteBatch records;
  bool sync = false;                                  // besides those of the changes that are durable anyway
  spool::MessageId last_id;                           // the greatest of the messages that it puts
  std::map<spool::JobId, bool> jobs;                  // whose record this batch puts (true) or deletes: the database does not know that yet
  std::vector<std::function<void()>> when_written;
  std::vector<std::function<void()>> afterwards;      // when all of these have run
  std::vector<std::function<void()>> when_not;        // run in reverse: takes back what was noted for what could not be written

  /// Runs `fill`, which puts something into it; where that fails, it is as it was before.
  Result<> attempt(const std::function<Result<>()>& fill);
};

/// One change. `write` puts it into the batch; `done` is posted to `executor` with the result, where there is an executor.
struct Change {
  std::function<void(Batch&)> write;
  bool durable = false;             // somebody's promise depends on it: the batch is synced
  bool owed = false;                // nobody waits for it, and it is tried again until it is written
  std::function<void(const Result<>&)> committed;  // on the commit thread, before `done` is posted; may be empty
  Executor* executor = nullptr;
  std::function<void(Result<>)> done;
  /// Somebody waits who must have an answer: told, at most once and from another thread, that the disk has kept the change waiting for too long.
  /// The change is written all the same when the disk takes it, and `done` follows then.
  std::function<void(const Error&)> impatient;
};

/// For how many transactions to wait before a sync that they share. Where many are open, a sync for each two or three of them costs more than the
/// moment it takes for ten to come together; where few are, the clients would wait for one another and the disk for them all.
class Gathering {
 public:
  static constexpr auto kLongest = std::chrono::microseconds(4000);

  /// `waiting` of `open` transactions wait for the sync.
  bool enough(std::size_t waiting, std::size_t open) const { return waiting >= std::min(wanted_, share(open)); }
  /// So many came: enough, or those that came in time.
  void came(std::size_t count, std::size_t open) {
    if (count >= wanted_) {
      if (left_ != 0) {
        --left_;
      } else if (wanted_ < kMost) {
        ++wanted_;
        if (std::exchange(grew_, true)) pause_ = std::max(kPause, pause_ / 2);
        left_ = pause_;
      }
    } else if (count != 0 && count < share(open)) {  // most of those that are open are slow
      wanted_ = std::max(count, wanted_ - (wanted_ + 7) / 8);
      grew_ = false;
      pause_ = std::min(pause_ * 2, kLongestPause);
      left_ = pause_;
    }
  }

 private:
  static std::size_t share(std::size_t open) { return open < kMany ? std::max<std::size_t>(1, open / 3) : open; }
  static constexpr std::size_t kMany = 8;
  static constexpr std::size_t kMost = 64;
  static constexpr int kPause = 4;           // batches until `wanted_` grows by one
  static constexpr int kLongestPause = 256;  // the longest, after it has grown in vain several times
  std::size_t wanted_ = 1;
  int pause_ = kPause;
  int left_ = 0;       // batches until the pause is over
  bool grew_ = false;  // `wanted_` has grown, and no batch fell short of it since
};

class Committer {
 public:
  /// `sync` off: nothing is synced, for trying things out. `db` and `disk` outlive this. What is in the database already has been synced.
  Committer(::rocksdb::DB& db, Disk& disk, Threads& threads, bool sync, Log& log);
  ~Committer() { finish(); }
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  /// Writes what waits and ends the thread; what is submitted later is dropped.
  void finish();
  /// Of the last change that has been synced. Only after `finish`.
  std::uint64_t synced() const { return synced_; }
  /// From any thread.
  void submit(Change change);
  /// A transaction that may come to a durable change is open, until `close`; from any thread.
  void open() { open_.fetch_add(1, std::memory_order_relaxed); }
  void close() { open_.fetch_sub(1, std::memory_order_relaxed); }
  /// The disk keeps everything waiting: tells those who are impatient.
  void keeps_waiting(const Error& why);
  /// Why the database refused the last batch, if it did. The disk is never the reason: what is stored is damaged.
  std::optional<Error> trouble() const;

 private:
  void work();
  bool enough() const { return ending_ || gathering_.enough(durable_waiting_, open_.load(std::memory_order_relaxed)); }
  Result<> write(std::vector<Change>& changes);
  Result<> write(Batch& batch);
  void tell(std::vector<Change> changes, const Result<>& result);
  void note(const Result<>& result);

  ::rocksdb::DB& db_;
  Disk& disk_;
  Threads& threads_;
  const bool sync_;
  Log& log_;
  mutable std::mutex mutex_;
  const std::unique_ptr<Threads::Signal> wake_;
  std::vector<Change> waiting_;      // guarded by mutex_
  std::vector<std::function<void(const Error&)>> under_way_;  // guarded by mutex_: the impatient ones of the batch that is being written
  std::size_t durable_waiting_ = 0;  // guarded by mutex_, as is gathering_
  Gathering gathering_;
  std::atomic<std::size_t> open_ = 0;
  std::vector<Change> owed_;         // of the commit thread
  spool::MessageId last_id_;         // of the commit thread: no message that was put has a greater one
  std::uint64_t synced_ = 0;         // of the commit thread: the sequence number up to which the logs have been synced
  std::atomic<bool> in_trouble_ = false;
  std::optional<Error> trouble_;     // guarded by mutex_
  bool ending_ = false;              // guarded by mutex_
  std::unique_ptr<Threads::Thread> thread_;
};

/// A failure of the database as an Error: no_space or io, with what an administrator can do.
Error to_error(const ::rocksdb::Status& status, const std::string& what);

}  // namespace adieu::rocksdb
