// See store.h.
#include "io/rocksdb/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <map>
#include <utility>

#include "io/rocksdb/data_file.h"
#include "io/rocksdb/file_system.h"
#include "io/rocksdb/keys.h"
#include "io/rocksdb/wal.h"

namespace adieu::rocksdb {
namespace {

using spool::MessageId;

constexpr std::size_t kMemtable = 64u << 20;
constexpr std::size_t kLogs = 512u << 20;
constexpr int kFreshTables = 16;  // before they are merged: what gets into tables is seldom read
constexpr std::size_t kWorkers = 2;
constexpr std::int64_t kLookMillis = 1000;
constexpr std::int64_t kReclaimMillis = 60'000;
constexpr std::uint64_t kReclaimNeeds = 16u << 20;  // free: merging writes before it gives back, and begins a new log

Result<> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return tl::unexpected<Error>(error_of_errno("spool: make " + path + " (make the directory above it, and let adieu's user write there)", errno));
}

/// That it is where it is, once this has returned. Where this process may not look into the directory above, it did not make it there.
Result<> sync_name_of(const std::string& directory) {
  Result<> synced = sync_directory(directory + "/..");
  if (!synced && synced.error().kind == ErrorKind::permission) return {};
  return synced;
}

}  // namespace

Store::Store(const config::Spool& options, Log& log, Threads& threads)
    : options_(options),
      log_(log),
      threads_(threads),
      disk_("spool", Disk::OnFailure::wait, &log, threads),
      env_(make_env(disk_, options.sync)),
      data_directory_(options.directory + "/data") {}

Store::~Store() {
  ending_ = true;  // from now on nothing waits for the disk for longer than `disk-timeout`
  running_ = nullptr;
  if (db_) db_->DisableManualCompaction();
  if (workers_) workers_->finish();
  if (committer_) committer_->finish();
  if (db_) {
    if (committer_ && !committer_->trouble() && !disk_.frozen()) {
      // Synced first, so that the mark in the last batch covers all before it.
      ::rocksdb::Status synced = db_->SyncWAL();
      ::rocksdb::WriteBatch last;
      last.PutLogData(synced_mark(db_->GetLatestSequenceNumber()));
      last.Put(::rocksdb::Slice(kInOrderKey), ::rocksdb::Slice());
      ::rocksdb::WriteOptions sync;
      sync.sync = true;
      if (synced.ok()) synced = db_->Write(sync, &last);
      if (!synced.ok()) log_.write(LogLevel::error, LogLine("spool-trouble").field("error", to_error(synced, "spool").message));
    }
    for (::rocksdb::ColumnFamilyHandle* family : families_) db_->DestroyColumnFamilyHandle(family);
    db_->Close();
    db_.reset();
  }
  disk_.end_watch();
  watch_.reset();
  if (lock_ >= 0) ::close(lock_);
}

/// A thread of its own, since all others may be waiting for the disk.
void Store::watch() {
  while (disk_.watch(options_.disk_timeout)) {
    const std::optional<Error> why = disk_.trouble();
    if (!why || disk_.frozen()) continue;
    if (ending_) {
      log_.write(LogLevel::error, LogLine("spool-frozen")
                                      .field("error", why->message)
                                      .field("hint", "the relay ends without having written what came of its last deliveries; these are made again after the next start"));
      disk_.freeze();
    } else if (Committer* const committer = running_) {
      committer->keeps_waiting(*why);
    }
  }
}

Result<> Store::open() {
  watch_ = threads_.start("disk-watch", [this] { watch(); });
  Result<> done = make_directory(options_.directory);
  if (done) done = sync_name_of(options_.directory);
  if (done) done = lock();
  for (const std::string& path : {data_directory_, records_directory()}) {
    if (done) done = make_directory(path);
  }
  if (done) disk_.adopt(reserve_path());
  if (done) done = check_logs();
  if (done) done = open_database();
  if (done) done = sync_directory(options_.directory);  // the names of what was made in it
  if (done) done = check_version();
  if (done) done = find_secret();
  if (!done) return done;
  jobs_ = std::make_unique<Jobs>(*db_, threads_, log_,
                                 Jobs::Owner{[this](Batch& batch, MessageId id) { batch.records.Delete(families_.back(), key('d', id)); },
                                             [this](MessageId id) { workers_->run([this, id] { remove_data_file(data_directory_, id); }); }});
  done = jobs_->queue_what_was_in_hand();
  if (done) done = find_last_id();
  if (done) done = sweep();
  if (done) done = begin_use();
  if (!done) return done;
  check_space();
  committer_ = std::make_unique<Committer>(*db_, disk_, threads_, options_.sync, log_);
  running_ = committer_.get();
  workers_ = std::make_unique<Workers>(kWorkers, threads_);
  return {};
}

/// Taken before anything in the spool is looked at: looking mends the logs, and would take away what another relay is writing into them. Held until this
/// process ends.
Result<> Store::lock() {
  const auto in_use = [this](const std::string& path) {
    return failure(ErrorKind::refused, "spool " + options_.directory + ": another process has it open (" + path + "); end that one first");
  };
  const std::string path = options_.directory + "/lock";
  lock_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) return tl::unexpected<Error>(error_of_errno("open " + path, errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return in_use(path);
    return tl::unexpected<Error>(error_of_errno("lock " + path, errno));
  }
  // Another program has the database itself open: an adieu that does not know this lock, or one of RocksDB's tools. RocksDB's own lock comes too late for us.
  const std::string theirs = records_directory() + "/LOCK";
  const int descriptor = ::open(theirs.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return {};
  struct flock held {};
  held.l_type = F_WRLCK;
  held.l_whence = SEEK_SET;
  const bool is_held = ::fcntl(descriptor, F_GETLK, &held) == 0 && held.l_type != F_UNLCK;
  ::close(descriptor);
  if (is_held) return in_use(theirs);
  return {};
}

/// What the start has written is synced before the first batch says, by its mark, that everything in front of it was.
Result<> Store::begin_use() {
  if (const ::rocksdb::Status synced = db_->SyncWAL(); !synced.ok()) return tl::unexpected<Error>(to_error(synced, "spool"));
  disk_.begin_use();
  return {};
}

/// RocksDB would drop what stands behind damage, in silence.
Result<> Store::check_logs() {
  const auto holes = find_holes(records_directory());
  if (!holes) return tl::unexpected<Error>(holes.error());
  std::map<std::string, bool> logs;  // with holes, and whether what had been synced is among them
  std::uint64_t lost = 0;
  for (const Hole& hole : *holes) {
    logs[hole.path] |= hole.was_synced;
    if (hole.was_synced) lost += hole.changes;
    LogLine line(hole.was_synced ? "spool-damage" : "spool-torn-end");
    line.field("path", hole.path).field("offset", static_cast<std::int64_t>(hole.offset)).field("octets", static_cast<std::int64_t>(hole.octets));
    line.field("changes", static_cast<std::int64_t>(hole.changes));
    if (!hole.was_synced) line.field("hint", "what was being written when the relay or the machine stopped; it had been promised to nobody");
    log_.write(hole.was_synced ? LogLevel::error : LogLevel::warning, line);
  }
  const auto damaged = std::find_if(holes->begin(), holes->end(), [](const Hole& hole) { return hole.was_synced; });
  if (damaged != holes->end() && !options_.accept_loss) {
    return failure(ErrorKind::invalid,
                   "spool " + options_.directory + ": damaged at octet " + std::to_string(damaged->offset) + " of " + damaged->path + ": up to " +
                       std::to_string(lost) + " changes are gone, acknowledged messages among them, or what came of their deliveries. Restore the directory "
                       "from a copy; or start once with `adieu serve --accept-loss`, which keeps everything else and puts the damaged log aside");
  }
  for (const auto& [path, is_damaged] : logs) {
    if (is_damaged) {
      const std::string aside = options_.directory + "/damaged-" + std::filesystem::path(path).filename().string();
      std::error_code failed;
      std::filesystem::copy_file(path, aside, std::filesystem::copy_options::overwrite_existing, failed);
      if (failed) return tl::unexpected<Error>(error_of_errno("copy " + path + " to " + aside, failed.value()));
    }
    if (auto closed = close_holes(path); !closed) return closed;
  }
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
  options.allow_concurrent_memtable_write = false;   // there is one writer
  options.avoid_flush_during_shutdown = true;
  options.avoid_flush_during_recovery = true;        // a full disk has no room for it
  options.max_open_files = 256;
  options.env = env_.get();
  options.info_log = make_info_log(&log_);
  ::rocksdb::BlockBasedTableOptions table;
  table.block_cache = ::rocksdb::NewLRUCache(options_.cache);
  options.table_factory.reset(::rocksdb::NewBlockBasedTableFactory(table));
  // Mail data has a family of its own, so that its keys rise from table to table: what stays is never merged with what came later and goes.
  ::rocksdb::Options records = options;
  records.write_buffer_size = kMemtable / 8;
  ::rocksdb::DB* db = nullptr;
  const ::rocksdb::Status status = ::rocksdb::DB::Open(
      options, records_directory(), {{::rocksdb::kDefaultColumnFamilyName, records}, {"mail-data", options}}, &families_, &db);
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "spool " + options_.directory));
  db_.reset(db);
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

/// Ids go on behind the greatest one, wherever the clock stands now: of a message that has left, too, for people know it by that.
Result<> Store::find_last_id() {
  const std::unique_ptr<::rocksdb::Iterator> messages(db_->NewIterator({}));
  messages->SeekForPrev(key(kMessage, MessageId{~std::uint64_t{0}}));
  if (!messages->status().ok()) return tl::unexpected<Error>(to_error(messages->status(), "spool"));
  if (messages->Valid() && view(messages->key()).starts_with(kMessage)) last_id_ = id_of(view(messages->key())).value;
  std::string last;
  const ::rocksdb::Status status = db_->Get({}, ::rocksdb::Slice(kLastIdKey), &last);
  if (!status.ok() && !status.IsNotFound()) return tl::unexpected<Error>(to_error(status, "spool"));
  last_id_ = std::max(last_id_.load(), big_endian(last));
  return {};
}

/// Files that no record names: rolled back, or not committed when the relay died.
Result<> Store::sweep() {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(data_directory_.c_str()), ::closedir);
  if (!directory) return tl::unexpected<Error>(error_of_errno("open " + data_directory_, errno));
  std::int64_t swept = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    const auto id = MessageId::parse(entry->d_name);
    if (!id) continue;
    std::string record;
    const auto is_named = [&](char kind) { return !db_->Get({}, key(kind, *id), &record).IsNotFound(); };
    if (is_named(kMessage) || is_named(kInHand)) continue;
    if (options_.accept_loss) {  // its record may be what was lost
      const std::string aside = options_.directory + "/unclaimed-" + id->text();
      if (::rename((data_directory_ + "/" + id->text()).c_str(), aside.c_str()) == 0) continue;
    }
    remove_data_file(data_directory_, *id);
    ++swept;
  }
  if (swept != 0) log_.write(LogLevel::info, LogLine("spool-swept").field("files", swept));
  return {};
}

MessageId Store::next_id() {
  const auto now = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(threads_.wall().time_since_epoch()).count());
  std::uint64_t last = last_id_.load(std::memory_order_relaxed);
  std::uint64_t next = 0;
  do {
    next = std::max(now, last + 1);
  } while (!last_id_.compare_exchange_weak(last, next, std::memory_order_relaxed));
  return MessageId{next};
}

std::int64_t Store::steady_millis() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(threads_.now().time_since_epoch()).count();
}

void Store::check_space() {
  struct statvfs disk {};
  if (::statvfs(options_.directory.c_str(), &disk) != 0) return;
  const std::uint64_t free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  free_ = free;
  // What was set aside and given up is not for new mail.
  const bool is_short = free < options_.free_space + (disk_.has_reserve() ? 0 : options_.reserve);
  if (!is_short) set_aside();
  if (short_of_space_.exchange(is_short) == is_short) return;
  LogLine line(is_short ? "spool-full" : "spool-has-space");
  line.field("directory", options_.directory);
  if (is_short) line.field("hint", "less than `free-space` is free: make room; mail gets 452 4.3.1 until then");
  log_.write(is_short ? LogLevel::error : LogLevel::info, line);
}

/// Without it the spool works as well, until the disk is full.
void Store::set_aside() {
  if (options_.reserve == 0) return;
  const Result<> done = disk_.set_aside(reserve_path(), options_.reserve);
  if (done || std::exchange(told_of_reserve_, true)) return;
  log_.write(LogLevel::warning, LogLine("spool-reserve").field("error", done.error().message).field("hint", "see `reserve` in adieu.conf(5)"));
}

std::optional<Error> Store::trouble() const {
  if (auto why = disk_.trouble()) return why;
  return committer_->trouble();
}

/// What has left the spool stays in tables until they are merged, which new mail brings about; where none is taken, nothing would.
void Store::reclaim_space() {
  const std::int64_t now = steady_millis();
  std::int64_t last = reclaimed_.load(std::memory_order_relaxed);
  if (!short_of_space_ || free_ < kReclaimNeeds || now - last < kReclaimMillis || !reclaimed_.compare_exchange_strong(last, now)) return;
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
  if (now - looked >= kLookMillis && looked_.compare_exchange_strong(looked, now)) {
    workers_->run([this] {
      check_space();
      reclaim_space();
    });
  }
  if (std::optional<Error> why = trouble()) return tl::unexpected<Error>(std::move(*why));
  if (short_of_space_.load(std::memory_order_relaxed)) return failure(ErrorKind::no_space, "spool: less than `free-space` is free");
  return {};
}

void Store::put_mail_data(Batch& batch, MessageId id, const std::string& mail_data) {
  batch.records.Put(families_.back(), key('d', id), mail_data);
}

::rocksdb::Status Store::get_mail_data(MessageId id, ::rocksdb::PinnableSlice& mail_data) {
  return db_->Get({}, families_.back(), key('d', id), &mail_data);
}

}  // namespace adieu::rocksdb
