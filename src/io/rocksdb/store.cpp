// See store.h.
#include "io/rocksdb/store.h"

#include <dirent.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "io/rocksdb/data_file.h"
#include "io/rocksdb/keys.h"

namespace adieu::rocksdb {
namespace {

using spool::MessageId;

constexpr std::string_view kVersion = "adieu-spool 2";
constexpr std::string_view kVersion1 = "adieu-spool 1";
constexpr std::size_t kMemtable = 64u << 20;
constexpr std::size_t kLogs = 512u << 20;
constexpr int kFreshTables = 16;  // before they are merged: what gets into tables is seldom read
constexpr std::size_t kMovedAtOnce = 4u << 20;
constexpr std::size_t kWorkers = 2;
constexpr std::int64_t kLookMillis = 1000;
constexpr std::int64_t kReclaimMillis = 60'000;

std::int64_t steady_millis() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Result<> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return tl::unexpected<Error>(error_of_errno("spool: make " + path + " (make the directory above it, and let adieu's user write there)", errno));
}

}  // namespace

Store::~Store() {
  if (db_) db_->DisableManualCompaction();
  if (workers_) workers_->finish();
  if (committer_) committer_->finish();
  if (!db_) return;
  // A log that failed must not be synced again: RocksDB asserts that nobody does, and Debian's is built with its assertions.
  if (committer_ && !committer_->trouble()) {
    ::rocksdb::Status synced = db_->Put({}, ::rocksdb::Slice(kInOrderKey), ::rocksdb::Slice());
    if (synced.ok()) synced = db_->SyncWAL();
    if (!synced.ok()) log_.write(LogLevel::error, LogLine("spool-trouble").field("error", to_error(synced, "spool").message));
  }
  for (::rocksdb::ColumnFamilyHandle* family : families_) db_->DestroyColumnFamilyHandle(family);
  db_->Close();
}

Result<> Store::open() {
  Result<> done = make_directory(options_.directory);
  if (done) done = make_directory(data_directory_);
  if (done) done = open_database();
  if (done) done = sync_directory(options_.directory);  // the names of what was made in it
  if (done) done = check_version();
  if (done) done = find_secret();
  if (done) done = sweep();
  if (!done) return done;
  check_space();
  committer_ = std::make_unique<Committer>(*db_, options_.sync, log_);
  workers_ = std::make_unique<Workers>(kWorkers);
  return {};
}

Result<> Store::open_database() {
  ::rocksdb::Options options;
  options.create_if_missing = options.create_missing_column_families = true;
  options.compression = ::rocksdb::kNoCompression;   // most of what is written is deleted before it would reach a table
  options.write_buffer_size = kMemtable;
  options.max_write_buffer_number = 4;
  options.max_total_wal_size = kLogs;
  options.level0_file_num_compaction_trigger = kFreshTables;
  options.level0_slowdown_writes_trigger = 2 * kFreshTables;
  options.level0_stop_writes_trigger = 3 * kFreshTables;
  options.max_bytes_for_level_base = kFreshTables * kMemtable;
  options.recycle_log_file_num = 4;
  options.allow_concurrent_memtable_write = false;   // there is one writer
  options.avoid_flush_during_shutdown = true;
  options.max_open_files = 256;
  options.keep_log_file_num = 2;
  options.info_log_level = ::rocksdb::WARN_LEVEL;
  ::rocksdb::BlockBasedTableOptions table;
  table.block_cache = ::rocksdb::NewLRUCache(options_.cache);
  options.table_factory.reset(::rocksdb::NewBlockBasedTableFactory(table));
  // Mail data has a family of its own, so that its keys rise from table to table: what stays is never merged with what came later and goes.
  ::rocksdb::Options records = options;
  records.write_buffer_size = kMemtable / 8;
  ::rocksdb::DB* db = nullptr;
  const ::rocksdb::Status status = ::rocksdb::DB::Open(
      options, options_.directory + "/records", {{::rocksdb::kDefaultColumnFamilyName, records}, {"mail-data", options}}, &families_, &db);
  if (!status.ok()) {
    const std::string words = status.ToString();
    if (words.find("While lock file") != std::string::npos || words.find("lock hold by") != std::string::npos) {
      return failure(ErrorKind::refused, "spool " + options_.directory + ": another process has it open; end that one first (" + words + ")");
    }
    return tl::unexpected<Error>(to_error(status, "spool " + options_.directory));
  }
  db_.reset(db);
  return {};
}

Result<> Store::check_version() {
  std::string version;
  const ::rocksdb::Status status = db_->Get({}, ::rocksdb::Slice(kVersionKey), &version);
  if (status.IsNotFound()) {
    ::rocksdb::WriteOptions synced;
    synced.sync = true;
    const ::rocksdb::Status written = db_->Put(synced, ::rocksdb::Slice(kVersionKey), ::rocksdb::Slice(kVersion));
    if (!written.ok()) return tl::unexpected<Error>(to_error(written, "spool"));
    return {};
  }
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "spool"));
  if (version == kVersion1) {
    if (auto taken = take_over_version_1(); !taken) return taken;
    version = kVersion;
  }
  if (version == kVersion) {
    std::string mark;
    ended_in_order_ = db_->Get({}, ::rocksdb::Slice(kInOrderKey), &mark).ok();
    // The next sync takes this along, before anything is acknowledged.
    if (const ::rocksdb::Status begun = db_->Delete({}, ::rocksdb::Slice(kInOrderKey)); !begun.ok()) {
      return tl::unexpected<Error>(to_error(begun, "spool"));
    }
    return {};
  }
  return failure(ErrorKind::invalid, "spool " + options_.directory + " is of another version (" + printable(version) +
                                         "); run the adieu that wrote it until its queue is empty");
}

/// It kept mail data among the records. Begun anew where it was interrupted.
Result<> Store::take_over_version_1() {
  ::rocksdb::WriteBatch batch;
  ::rocksdb::Status status;
  const std::unique_ptr<::rocksdb::Iterator> old(db_->NewIterator({}));
  for (old->Seek("d"); status.ok() && old->Valid() && old->key().starts_with("d"); old->Next()) {
    batch.Put(families_.back(), old->key(), old->value());
    batch.Delete(old->key());
    if (batch.GetDataSize() < kMovedAtOnce) continue;
    status = db_->Write({}, &batch);
    batch.Clear();
  }
  if (status.ok()) status = old->status();
  batch.Put(::rocksdb::Slice(kVersionKey), ::rocksdb::Slice(kVersion));
  ::rocksdb::WriteOptions synced;
  synced.sync = true;
  if (status.ok()) status = db_->Write(synced, &batch);
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "spool of version 1"));
  log_.write(LogLevel::info, LogLine("spool-version").field("directory", options_.directory).field("from", kVersion1).field("to", kVersion));
  return {};
}

/// Made once. Not synced: whatever it is the key of is not either.
Result<> Store::find_secret() {
  ::rocksdb::Status status = db_->Get({}, ::rocksdb::Slice(kSecretKey), &secret_);
  if (status.ok() && secret_.size() == spool::Spool::kSecretSize) return {};
  secret_.assign(spool::Spool::kSecretSize, '\0');
  if (::getrandom(secret_.data(), secret_.size(), 0) != static_cast<ssize_t>(secret_.size())) {
    return tl::unexpected<Error>(error_of_errno("spool: random octets", errno));
  }
  status = db_->Put({}, ::rocksdb::Slice(kSecretKey), secret_);
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "spool"));
  return {};
}

/// Files that no record names: rolled back, or not committed when the relay died.
Result<> Store::sweep() {
  const std::unique_ptr<::rocksdb::Iterator> messages(db_->NewIterator({}));
  messages->SeekForPrev(key('m', MessageId{~std::uint64_t{0}}));
  if (!messages->status().ok()) return tl::unexpected<Error>(to_error(messages->status(), "spool"));
  if (messages->Valid() && view(messages->key()).starts_with('m')) last_old_id_ = id_of(view(messages->key()));
  last_id_ = last_old_id_.value;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(data_directory_.c_str()), ::closedir);
  if (!directory) return tl::unexpected<Error>(error_of_errno("open " + data_directory_, errno));
  std::int64_t swept = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    const auto id = MessageId::parse(entry->d_name);
    if (!id) continue;
    std::string record;
    if (db_->Get({}, key('m', *id), &record).IsNotFound()) {
      remove_data_file(data_directory_, *id);
      ++swept;
    } else {
      noted_[id->value].in_file = true;
    }
  }
  if (swept != 0) log_.write(LogLevel::info, LogLine("spool-swept").field("files", swept));
  return {};
}

MessageId Store::next_id() {
  const auto now = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
  std::uint64_t last = last_id_.load(std::memory_order_relaxed);
  std::uint64_t next = 0;
  do {
    next = std::max(now, last + 1);
  } while (!last_id_.compare_exchange_weak(last, next, std::memory_order_relaxed));
  return MessageId{next};
}

void Store::check_space() {
  struct statvfs disk {};
  if (::statvfs(options_.directory.c_str(), &disk) != 0) return;
  const bool is_short = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize < options_.free_space;
  if (short_of_space_.exchange(is_short) == is_short) return;
  LogLine line(is_short ? "spool-full" : "spool-has-space");
  line.field("directory", options_.directory);
  if (is_short) line.field("hint", "less than `free-space` is free: make room; mail gets 452 4.3.1 until then");
  log_.write(is_short ? LogLevel::error : LogLevel::info, line);
}

/// What has left the spool stays in tables until they are merged, which new mail brings about; where none is taken, nothing would.
void Store::reclaim_space() {
  const std::int64_t now = steady_millis();
  std::int64_t last = reclaimed_.load(std::memory_order_relaxed);
  if (!short_of_space_ || now - last < kReclaimMillis || !reclaimed_.compare_exchange_strong(last, now)) return;
  ::rocksdb::CompactRangeOptions beside_others;
  beside_others.exclusive_manual_compaction = false;
  for (::rocksdb::ColumnFamilyHandle* family : families_) {
    // Where it fails, it is for want of space, which is told, and tried again.
    static_cast<void>(db_->CompactRange(beside_others, family, nullptr, nullptr));
  }
  check_space();
}

/// A worker asks the file system, at most once a second; and a database in trouble is tried as often.
Result<> Store::taking() {
  const std::int64_t now = steady_millis();
  std::int64_t looked = looked_.load(std::memory_order_relaxed);
  const std::optional<Error> trouble = committer_->trouble();
  if (now - looked >= kLookMillis && looked_.compare_exchange_strong(looked, now)) {
    workers_->run([this] {
      check_space();
      reclaim_space();
    });
    if (trouble) {
      Change trial;
      trial.durable = true;
      trial.write = [](::rocksdb::WriteBatch& batch) { batch.Put(::rocksdb::Slice(kVersionKey), ::rocksdb::Slice(kVersion)); };
      committer_->submit(std::move(trial));
    }
  }
  if (trouble) return tl::unexpected<Error>(*trouble);
  if (short_of_space_.load(std::memory_order_relaxed)) return failure(ErrorKind::no_space, "spool: less than `free-space` is free");
  return {};
}

void Store::put_mail_data(::rocksdb::WriteBatch& batch, MessageId id, const std::string& mail_data) {
  batch.Put(families_.back(), key('d', id), mail_data);
}

::rocksdb::Status Store::get_mail_data(MessageId id, ::rocksdb::PinnableSlice& mail_data) {
  return db_->Get({}, families_.back(), key('d', id), &mail_data);
}

void Store::note_file(MessageId id) {
  const std::lock_guard lock(mutex_);
  noted_[id.value].in_file = true;
}

void Store::note_update(MessageId id, std::uint32_t index) {
  const std::lock_guard lock(mutex_);
  noted_[id.value].updated.insert(index);
}

bool Store::claim(MessageId id) {
  const std::lock_guard lock(mutex_);
  return !std::exchange(noted_[id.value].claimed, true);
}

void Store::remove(MessageId id, Change change) {
  Noted noted;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = noted_.find(id.value); found != noted_.end()) noted = found->second;
  }
  const bool in_file = noted.in_file;
  // Synced before the file goes: the machine may die in between, and no record may ever name a file that is gone.
  change.durable |= in_file;
  change.write = [this, id, noted = std::move(noted), before = std::move(change.write)](::rocksdb::WriteBatch& batch) {
    if (before) before(batch);
    batch.Delete(key('m', id));
    if (!noted.in_file) batch.Delete(families_.back(), key('d', id));
    for (const std::uint32_t index : noted.updated) batch.Delete(update_key(id, index));
  };
  change.committed = [this, id, in_file](const Result<>& result) {
    if (!result) return;
    {
      const std::lock_guard lock(mutex_);
      noted_.erase(id.value);
    }
    if (in_file) workers_->run([this, id] { remove_data_file(data_directory_, id); });
  };
  committer_->submit(std::move(change));
}

}  // namespace adieu::rocksdb
