// See rocksdb_spool.h. Keys: 'm' id: a message's record; 'd' id: its mail data, when small; 'u' id index: what an attempt changed about one recipient;
// 'v': the version of this layout. Ids are 8 octets, indices 4, big-endian, so that keys stand in the order of arrival.
#include "io/rocksdb/rocksdb_spool.h"

#include <dirent.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <unordered_set>

#include "adieu/relay/spool/record.h"
#include "io/rocksdb/committer.h"
#include "io/rocksdb/data_file.h"
#include "io/rocksdb/workers.h"

namespace adieu::rocksdb {
namespace {

using spool::MessageHead;
using spool::MessageId;

constexpr std::string_view kVersionKey = "v";
constexpr std::string_view kVersion = "adieu-spool 1";
constexpr std::size_t kFilePart = 262'144;      // octets handed to a worker at once
constexpr std::size_t kMemtable = 64u << 20;
constexpr std::size_t kWorkers = 2;
constexpr std::int64_t kSpaceCheckMillis = 1000;

std::string key(char kind, MessageId id) {
  std::string text(1, kind);
  for (int shift = 56; shift >= 0; shift -= 8) text += static_cast<char>(id.value >> shift & 255);
  return text;
}
std::string update_key(MessageId id, std::uint32_t index) {
  std::string text = key('u', id);
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(index >> shift & 255);
  return text;
}
std::uint64_t big_endian(Octets octets) {
  std::uint64_t value = 0;
  for (const char c : octets) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}
Octets view(const ::rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

std::int64_t steady_millis() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class RocksSpool;

/// One message on its way in. What is under way (a part to be written, a commit) holds it alive; when the last holder lets go of it and it was not
/// kept, it rolls back: that is the destructor, whatever the reason (R9, R10).
struct Incoming {
  Incoming(RocksSpool& its_spool, MessageId its_id, Executor& its_executor) : spool(its_spool), id(its_id), executor(its_executor) {}
  ~Incoming();
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;

  RocksSpool& spool;
  const MessageId id;
  Executor& executor;
  std::string buffer;                     // what is not in the file
  DataFile file;
  bool in_file = false;
  bool file_created = false;
  std::uint64_t size = 0;
  std::shared_ptr<MessageHead> head;
  spool::Done<> done;                     // of the owner's thread; empty once the transaction is gone
  std::atomic<bool> written = false;      // a batch with its record was handed to the database, whatever came of it
  std::atomic<bool> durable = false;
  bool kept = false;
};

class RocksTransaction final : public spool::Transaction {
 public:
  explicit RocksTransaction(std::shared_ptr<Incoming> incoming) : incoming_(std::move(incoming)) {}
  ~RocksTransaction() override { incoming_->done = nullptr; }
  MessageId id() const override { return incoming_->id; }
  bool append(std::string mail_data, spool::Done<> done) override;
  void commit(MessageHead head, spool::Done<> done) override;
  Kept acknowledge() override;

 private:
  std::shared_ptr<Incoming> incoming_;
};

/// Calls what the owner waits for, unless the owner has gone. On the owner's thread.
void finish(const std::shared_ptr<Incoming>& incoming, Result<> result) {
  if (auto done = std::exchange(incoming->done, nullptr)) done(std::move(result));
}

class RocksSpool final : public spool::Spool {
 public:
  RocksSpool(const config::Spool& options, Log& log) : options_(options), log_(log), data_directory_(options.directory + "/data") {}
  ~RocksSpool() override {
    if (workers_) workers_->finish();
    if (committer_) committer_->finish();
    if (db_) {
      db_->SyncWAL();
      db_->Close();
    }
  }

  Result<> open();

  Result<std::unique_ptr<spool::Transaction>> begin(Executor& executor) override;
  void claim(MessageId after, std::size_t limit, Duration lease, Executor& executor,
             spool::Done<std::vector<spool::Stored>> done) override;
  void read(const MessageHead& head, std::uint64_t offset, std::size_t length, Executor& executor,
            spool::Done<std::string> done) override;
  void settle(spool::Settlement settlement, Executor& executor,
              spool::Done<std::vector<spool::Transaction::Kept>> done) override;

  Committer& committer() { return *committer_; }
  Workers& workers() { return *workers_; }
  const std::string& data_directory() const { return data_directory_; }
  std::size_t large() const { return options_.large; }
  void note_file(MessageId id) {
    const std::lock_guard lock(mutex_);
    files_.insert(id.value);
  }
  /// The message leaves the spool; `and_then` is put into the same batch.
  void remove(MessageId id, Change change);

 private:
  Result<> make_directory(const std::string& path);
  Result<> check_version();
  Result<> sweep();
  MessageId next_id();
  bool short_of_space();
  std::vector<spool::Stored> stored_after(MessageId after, std::size_t limit);
  Result<std::string> read_now(MessageId id, bool in_file, std::uint64_t offset, std::size_t length);

  const config::Spool options_;
  Log& log_;
  const std::string data_directory_;
  std::unique_ptr<::rocksdb::DB> db_;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<Workers> workers_;
  std::atomic<std::uint64_t> last_id_ = 0;
  std::uint64_t last_old_id_ = 0;                 // of what earlier runs left; newer ones are claimed by being acknowledged
  std::atomic<std::int64_t> space_checked_ = 0;   // steady milliseconds
  std::atomic<bool> short_of_space_ = false;
  std::mutex mutex_;
  std::unordered_set<std::uint64_t> files_;       // guarded by mutex_: messages whose mail data stands in a file
  std::unordered_set<std::uint64_t> updated_;     // guarded by mutex_: messages that 'u' records are about
};

Incoming::~Incoming() {
  if (kept) return;
  if (written) {
    spool.remove(id, {});
  } else if (file_created) {
    remove_data_file(spool.data_directory(), id);
  }
}

// --- a transaction

bool RocksTransaction::append(std::string mail_data, spool::Done<> done) {
  Incoming& incoming = *incoming_;
  incoming.size += mail_data.size();
  if (incoming.buffer.empty()) {
    incoming.buffer = std::move(mail_data);
  } else {
    incoming.buffer += mail_data;
  }
  if (incoming.buffer.size() <= (incoming.in_file ? kFilePart : incoming.spool.large())) return true;
  incoming.in_file = true;
  incoming.done = std::move(done);
  incoming.spool.workers().run([incoming = incoming_, part = std::exchange(incoming.buffer, {})]() mutable {
    Result<> result;
    if (!incoming->file_created) {
      result = incoming->file.create(incoming->spool.data_directory(), incoming->id);
      incoming->file_created = result.has_value();
    }
    if (result) result = incoming->file.append(part);
    Executor& executor = incoming->executor;
    executor.post([incoming = std::move(incoming), result = std::move(result)]() mutable { finish(incoming, std::move(result)); });
  });
  return false;
}

void RocksTransaction::commit(MessageHead head, spool::Done<> done) {
  head.id = incoming_->id;
  head.size = incoming_->size;
  head.in_file = incoming_->in_file;
  incoming_->head = std::make_shared<MessageHead>(std::move(head));
  incoming_->done = std::move(done);
  Change change;
  change.durable = true;
  change.executor = &incoming_->executor;
  change.write = [incoming = incoming_](::rocksdb::WriteBatch& batch) {
    incoming->written = true;
    batch.Put(key('m', incoming->id), spool::encode(*incoming->head));
    if (!incoming->in_file) batch.Put(key('d', incoming->id), incoming->buffer);
  };
  change.committed = [incoming = incoming_](const Result<>& result) { incoming->durable = result.has_value(); };
  change.done = [incoming = incoming_](Result<> result) { finish(incoming, std::move(result)); };
  if (!incoming_->in_file) {
    incoming_->spool.committer().submit(std::move(change));
    return;
  }
  // The record makes the file exist, so the file is on the disk before it.
  incoming_->spool.workers().run([incoming = incoming_, change = std::move(change)]() mutable {
    Result<> result = incoming->file.append(incoming->buffer);
    if (result) result = incoming->file.sync_and_close();
    std::string().swap(incoming->buffer);
    if (result) {
      incoming->spool.note_file(incoming->id);
      incoming->spool.committer().submit(std::move(change));
      return;
    }
    Executor& executor = incoming->executor;
    executor.post([incoming = std::move(incoming), result = std::move(result)]() mutable { finish(incoming, std::move(result)); });
  });
}

spool::Transaction::Kept RocksTransaction::acknowledge() {
  check(incoming_->durable, "only what is durable is acknowledged");
  incoming_->kept = true;
  Kept kept{std::move(incoming_->head), nullptr};
  if (!incoming_->in_file) kept.mail_data = std::make_shared<const std::string>(std::move(incoming_->buffer));
  return kept;
}

// --- the spool

Result<> RocksSpool::make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return tl::unexpected<Error>(error_of_errno("make " + path, errno));
}

Result<> RocksSpool::open() {
  for (const std::string& directory : {options_.directory, data_directory_}) {
    if (auto made = make_directory(directory); !made) return made;
  }
  ::rocksdb::Options options;
  options.create_if_missing = true;
  options.compression = ::rocksdb::kNoCompression;   // most of what is written is deleted before it would reach a table
  options.write_buffer_size = kMemtable;
  options.max_write_buffer_number = 4;
  options.recycle_log_file_num = 4;
  options.allow_concurrent_memtable_write = false;   // there is one writer
  options.avoid_flush_during_shutdown = true;
  options.max_open_files = 256;
  options.keep_log_file_num = 2;
  options.info_log_level = ::rocksdb::WARN_LEVEL;
  ::rocksdb::BlockBasedTableOptions table;
  table.block_cache = ::rocksdb::NewLRUCache(options_.cache);
  options.table_factory.reset(::rocksdb::NewBlockBasedTableFactory(table));
  ::rocksdb::DB* db = nullptr;
  const ::rocksdb::Status status = ::rocksdb::DB::Open(options, options_.directory + "/records", &db);
  if (!status.ok()) {
    if (status.IsIOError() && status.ToString().find("lock") != std::string::npos) {
      return failure(ErrorKind::refused, "spool " + options_.directory + ": another process has it open (" + status.ToString() + ")");
    }
    return tl::unexpected<Error>(to_error(status, "spool " + options_.directory));
  }
  db_.reset(db);
  if (auto done = check_version(); !done) return done;
  if (auto done = sweep(); !done) return done;
  committer_ = std::make_unique<Committer>(*db_, options_.sync, log_);
  workers_ = std::make_unique<Workers>(kWorkers);
  return {};
}

Result<> RocksSpool::check_version() {
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
  if (version == kVersion) return {};
  return failure(ErrorKind::invalid, "spool " + options_.directory + " is of another version (" + printable(version) +
                                         "); run the adieu that wrote it until its queue is empty");
}

/// Files that no record names: rolled back, or not committed when the relay died.
Result<> RocksSpool::sweep() {
  const std::unique_ptr<::rocksdb::Iterator> messages(db_->NewIterator({}));
  messages->SeekForPrev(key('m', MessageId{~std::uint64_t{0}}));
  if (messages->Valid() && view(messages->key()).starts_with('m')) last_old_id_ = big_endian(view(messages->key()).substr(1));
  last_id_ = last_old_id_;
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
      files_.insert(id->value);
    }
  }
  if (swept != 0) log_.write(LogLevel::info, LogLine("spool-swept").field("files", swept));
  return {};
}

MessageId RocksSpool::next_id() {
  const auto now = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
  std::uint64_t last = last_id_.load(std::memory_order_relaxed);
  std::uint64_t next = 0;
  do {
    next = std::max(now, last + 1);
  } while (!last_id_.compare_exchange_weak(last, next, std::memory_order_relaxed));
  return MessageId{next};
}

/// Asks the file system at most once a second.
bool RocksSpool::short_of_space() {
  const std::int64_t now = steady_millis();
  std::int64_t checked = space_checked_.load(std::memory_order_relaxed);
  if (now - checked >= kSpaceCheckMillis && space_checked_.compare_exchange_strong(checked, now)) {
    struct statvfs disk {};
    const bool known = ::statvfs(options_.directory.c_str(), &disk) == 0;
    const bool is_short = known && static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize < options_.free_space;
    if (short_of_space_.exchange(is_short) != is_short) {
      LogLine line(is_short ? "spool-full" : "spool-has-space");
      line.field("directory", options_.directory);
      if (is_short) line.field("hint", "less than `free-space` is free: make room; mail gets 452 4.3.1 until then");
      log_.write(is_short ? LogLevel::error : LogLevel::info, line);
    }
  }
  return short_of_space_.load(std::memory_order_relaxed);
}

Result<std::unique_ptr<spool::Transaction>> RocksSpool::begin(Executor& executor) {
  if (short_of_space()) return failure(ErrorKind::no_space, "spool: less than `free-space` is free");
  return std::make_unique<RocksTransaction>(std::make_shared<Incoming>(*this, next_id(), executor));
}

void RocksSpool::claim(MessageId after, std::size_t limit, Duration, Executor& executor,
                       spool::Done<std::vector<spool::Stored>> done) {
  workers_->run([this, after, limit, &executor, done = std::move(done)]() mutable {
    executor.post([stored = stored_after(after, limit), done = std::move(done)]() mutable { done(std::move(stored)); });
  });
}

std::vector<spool::Stored> RocksSpool::stored_after(MessageId after, std::size_t limit) {
  std::vector<spool::Stored> all;
  const std::unique_ptr<::rocksdb::Iterator> messages(db_->NewIterator({}));
  const std::unique_ptr<::rocksdb::Iterator> updates(db_->NewIterator({}));
  messages->Seek(key('m', MessageId{after.value + 1}));
  for (; messages->Valid() && view(messages->key()).starts_with('m') && all.size() < limit; messages->Next()) {
    const MessageId id{big_endian(view(messages->key()).substr(1))};
    if (id.value > last_old_id_) break;
    const auto set_aside = [&](const Error& error) {
      log_.write(LogLevel::error, LogLine("spool-record")
                                      .field("queue-id", id.text())
                                      .field("error", error.message)
                                      .field("hint", "the message is kept in the spool and not delivered; keep a copy of the directory and report it"));
    };
    auto head = spool::decode_head(id, view(messages->value()));
    if (!head) {
      set_aside(head.error());
      continue;
    }
    Result<> merged;
    const std::string prefix = key('u', id);
    for (updates->Seek(prefix); merged && updates->Valid() && view(updates->key()).starts_with(prefix); updates->Next()) {
      const auto index = static_cast<std::uint32_t>(big_endian(view(updates->key()).substr(prefix.size())));
      const auto update = spool::decode_update(index, view(updates->value()));
      merged = update ? spool::apply(*update, *head) : Result<>(tl::unexpected<Error>(update.error()));
      const std::lock_guard lock(mutex_);
      updated_.insert(id.value);
    }
    if (!merged) {
      set_aside(merged.error());
      continue;
    }
    all.push_back({std::make_shared<const MessageHead>(std::move(*head))});
  }
  return all;
}

void RocksSpool::read(const MessageHead& head, std::uint64_t offset, std::size_t length, Executor& executor,
                      spool::Done<std::string> done) {
  workers_->run([this, id = head.id, in_file = head.in_file, offset, length, &executor, done = std::move(done)]() mutable {
    executor.post([part = read_now(id, in_file, offset, length), done = std::move(done)]() mutable { done(std::move(part)); });
  });
}

Result<std::string> RocksSpool::read_now(MessageId id, bool in_file, std::uint64_t offset, std::size_t length) {
  if (in_file) return read_data_file(data_directory_, id, offset, length);
  ::rocksdb::PinnableSlice mail_data;
  const ::rocksdb::Status status = db_->Get({}, db_->DefaultColumnFamily(), key('d', id), &mail_data);
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "mail data of " + id.text()));
  const Octets whole = view(mail_data);
  return std::string(whole.substr(std::min<std::uint64_t>(offset, whole.size()), length));
}

void RocksSpool::remove(MessageId id, Change change) {
  bool in_file = false;
  bool updated = false;
  {
    const std::lock_guard lock(mutex_);
    in_file = files_.erase(id.value) != 0;
    updated = updated_.erase(id.value) != 0;
  }
  change.write = [this, id, in_file, updated, before = std::move(change.write)](::rocksdb::WriteBatch& batch) {
    if (before) before(batch);
    batch.Delete(key('m', id));
    if (!in_file) batch.Delete(key('d', id));
    if (updated) {
      const std::unique_ptr<::rocksdb::Iterator> updates(db_->NewIterator({}));
      const std::string prefix = key('u', id);
      for (updates->Seek(prefix); updates->Valid() && view(updates->key()).starts_with(prefix); updates->Next()) {
        batch.Delete(updates->key());
      }
    }
  };
  if (in_file) {
    change.committed = [this, id](const Result<>& result) {
      // A record that is gone before its file: if the machine dies in between, the sweep at the next start takes the file.
      if (result) remove_data_file(data_directory_, id);
    };
  }
  committer_->submit(std::move(change));
}

void RocksSpool::settle(spool::Settlement settlement, Executor& executor,
                        spool::Done<std::vector<spool::Transaction::Kept>> done) {
  std::vector<spool::Transaction::Kept> notifications;
  for (spool::NewMessage& message : settlement.notifications) {
    message.head.id = next_id();
    message.head.size = message.mail_data.size();
    message.head.in_file = false;
    notifications.push_back({std::make_shared<const MessageHead>(std::move(message.head)),
                             std::make_shared<const std::string>(std::move(message.mail_data))});
  }
  const MessageId id = settlement.id;
  const bool finished = settlement.finished;
  if (finished) settlement.updates.clear();
  if (!settlement.updates.empty()) {
    const std::lock_guard lock(mutex_);
    updated_.insert(id.value);
  }
  Change change;
  change.durable = !notifications.empty();
  change.executor = &executor;
  change.write = [id, updates = std::move(settlement.updates), notifications](::rocksdb::WriteBatch& batch) {
    for (const auto& [head, mail_data] : notifications) {
      batch.Put(key('m', head->id), spool::encode(*head));
      batch.Put(key('d', head->id), *mail_data);
    }
    for (const spool::RecipientUpdate& update : updates) batch.Put(update_key(id, update.index), spool::encode(update));
  };
  change.done = [done = std::move(done), notifications](const Result<>& result) mutable {
    if (result) {
      done(std::move(notifications));
    } else {
      done(tl::unexpected<Error>(result.error()));
    }
  };
  if (finished) {
    remove(id, std::move(change));
  } else {
    committer_->submit(std::move(change));
  }
}

}  // namespace

Result<std::unique_ptr<spool::Spool>> open_spool(const config::Spool& options, Log& log) {
  auto spool = std::make_unique<RocksSpool>(options, log);
  if (auto opened = spool->open(); !opened) return tl::unexpected<Error>(opened.error());
  return spool;
}

}  // namespace adieu::rocksdb
