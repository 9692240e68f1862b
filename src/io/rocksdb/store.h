// What the parts of the durable spool share: the database, the threads that write, the jobs. Opening sweeps what no record names.
#pragma once

#include <rocksdb/db.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "adieu/base/log.h"
#include "adieu/base/threads.h"
#include "adieu/base/workers.h"
#include "adieu/relay/config/config.h"
#include "adieu/relay/spool/spool.h"
#include "io/rocksdb/committer.h"
#include "io/rocksdb/disk.h"
#include "io/rocksdb/jobs.h"

namespace adieu::rocksdb {

struct OldMessage;

/// From any thread, once `open` has returned.
class Store {
 public:
  Store(const config::Spool& options, Log& log, Threads& threads);
  /// Ends what waits, and syncs.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  Result<> open();

  ::rocksdb::DB& db() { return *db_; }
  Committer& committer() { return *committer_; }
  Jobs& jobs() { return *jobs_; }
  Workers& workers() { return *workers_; }
  Log& log() { return log_; }
  const std::string& data_directory() const { return data_directory_; }
  std::size_t large() const { return options_.large; }
  spool::MessageId next_id();
  /// Whether the run before this one came to the end of its Store.
  bool ended_in_order() const { return ended_in_order_; }
  const std::string& secret() const { return secret_; }

  /// Whether mail is taken now. Errors: no_space, io; both pass by themselves where their cause does. Never waits for the disk.
  Result<> taking();
  /// Why nothing can be written now, if nothing can.
  std::optional<Error> trouble() const;

  void put_mail_data(Batch& batch, spool::MessageId id, const std::string& mail_data);
  ::rocksdb::Status get_mail_data(spool::MessageId id, ::rocksdb::PinnableSlice& mail_data);

 private:
  std::string records_directory() const { return options_.directory + "/records"; }
  Result<> lock();
  Result<> begin_use();
  Result<> check_logs();
  Result<> open_database();
  Result<> check_version();
  Result<> take_over_version_1();
  Result<> take_over_version_2();
  Result<> take_over(OldMessage& message, ::rocksdb::WriteBatch& batch);
  Result<> set_version(::rocksdb::WriteBatch& batch, std::string_view from, std::string_view to);
  Result<> find_secret();
  Result<> find_last_id();
  Result<> sweep();
  void check_space();
  std::string reserve_path() const { return options_.directory + "/reserve"; }
  void set_aside();
  void reclaim_space();
  void watch();
  std::int64_t steady_millis() const;

  const config::Spool options_;
  Log& log_;
  Threads& threads_;
  Disk disk_;
  std::unique_ptr<::rocksdb::Env> env_;
  const std::string data_directory_;
  int lock_ = -1;
  bool ended_in_order_ = true;
  std::string secret_;
  std::atomic<std::uint64_t> last_id_ = 0;
  std::atomic<std::int64_t> looked_ = 0;          // steady milliseconds: space was checked
  std::atomic<std::int64_t> reclaimed_ = -(std::int64_t{1} << 62);  // steady milliseconds: tables were merged for want of space
  std::atomic<bool> short_of_space_ = false;
  std::atomic<std::uint64_t> free_ = 0;           // octets on the disk, when space was checked
  std::unique_ptr<::rocksdb::DB> db_;
  std::vector<::rocksdb::ColumnFamilyHandle*> families_;  // the default one, and that of mail data
  std::unique_ptr<Jobs> jobs_;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<Workers> workers_;
  std::atomic<Committer*> running_ = nullptr;  // for the thread that watches the disk, which begins earlier and ends later
  std::atomic<bool> ending_ = false;
  bool told_of_reserve_ = false;  // of the thread that looks for space
  std::unique_ptr<Threads::Thread> watch_;
};

}  // namespace adieu::rocksdb
