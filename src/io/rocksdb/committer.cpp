// See committer.h.
#include "io/rocksdb/committer.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "io/rocksdb/keys.h"
#include "io/rocksdb/wal.h"

namespace adieu::rocksdb {

Error to_error(const ::rocksdb::Status& status, const std::string& what) {
  const std::string words = what + ": " + status.ToString();
  if (status.IsNoSpace()) return {ErrorKind::no_space, words + " (make room on the spool's disk; mail is taken again as soon as there is some)"};
  if (status.IsCorruption()) return {ErrorKind::invalid, words + " (keep a copy of the spool's directory, then restore it or start with an empty one)"};
  return {ErrorKind::io, words + " (check the spool's disk and its permissions)"};
}

Result<> Batch::attempt(const std::function<Result<>()>& fill) {
  records.SetSavePoint();
  const auto jobs_before = jobs;
  const std::size_t written_before = when_written.size();
  const std::size_t afterwards_before = afterwards.size();
  const std::size_t not_before = when_not.size();
  Result<> done = fill();
  if (done) {
    records.PopSavePoint();
    return done;
  }
  records.RollbackToSavePoint();
  jobs = jobs_before;
  when_written.resize(written_before);
  afterwards.resize(afterwards_before);
  for (; when_not.size() > not_before; when_not.pop_back()) when_not.back()();
  return done;
}

Committer::Committer(::rocksdb::DB& db, Disk& disk, Threads& threads, bool sync, Log& log)
    : db_(db),
      disk_(disk),
      threads_(threads),
      sync_(sync),
      log_(log),
      wake_(threads.signal()),
      synced_(db.GetLatestSequenceNumber()),
      thread_(threads.start("commit", [this] { work(); })) {}

void Committer::finish() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_->notify_one();
  thread_.reset();
}

void Committer::submit(Change change) {
  bool wanted = false;
  {
    const std::lock_guard lock(mutex_);
    wanted = waiting_.empty();
    durable_waiting_ += change.durable;
    wanted |= change.durable && enough();
    waiting_.push_back(std::move(change));
  }
  if (wanted) wake_->notify_one();
}

void Committer::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_->wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    if (!enough()) wake_->wait_until(threads_, lock, threads_.now() + Gathering::kLongest, [this] { return enough(); });
    gathering_.came(std::exchange(durable_waiting_, 0), open_.load(std::memory_order_relaxed));
    std::vector<Change> changes = std::exchange(waiting_, {});
    for (Change& change : changes) {
      if (change.impatient) under_way_.push_back(std::move(change.impatient));
    }
    lock.unlock();
    std::move(owed_.begin(), owed_.end(), std::back_inserter(changes));
    owed_.clear();
    const Result<> result = write(changes);
    note(result);
    tell(std::move(changes), result);
    lock.lock();
    under_way_.clear();
  }
}

void Committer::keeps_waiting(const Error& why) {
  std::vector<std::function<void(const Error&)>> impatient;
  {
    const std::lock_guard lock(mutex_);
    impatient = std::exchange(under_way_, {});
    for (Change& change : waiting_) {
      if (change.impatient) impatient.push_back(std::exchange(change.impatient, nullptr));
    }
  }
  for (const auto& tell_why : impatient) tell_why(why);
}

/// One line when it begins, one when it is over.
void Committer::note(const Result<>& result) {
  if (in_trouble_ == !result) return;
  {
    const std::lock_guard lock(mutex_);
    trouble_ = result ? std::nullopt : std::optional(result.error());
  }
  in_trouble_ = !result;
  if (result) log_.write(LogLevel::info, LogLine("spool-recovered"));
  if (!result) log_.write(LogLevel::error, LogLine("spool-trouble").field("error", result.error().message));
}

std::optional<Error> Committer::trouble() const {
  if (!in_trouble_) return std::nullopt;
  const std::lock_guard lock(mutex_);
  return trouble_;
}

Result<> Committer::write(std::vector<Change>& changes) {
  Batch batch;
  batch.records.PutLogData(synced_mark(synced_));
  for (const Change& change : changes) {
    change.write(batch);
    batch.sync |= change.durable;
  }
  if (batch.last_id > last_id_) {
    last_id_ = batch.last_id;
    batch.records.Put(::rocksdb::Slice(kLastIdKey), big_endian(last_id_));
  }
  Result<> written = write(batch);
  if (written) {
    for (const auto* all : {&batch.when_written, &batch.afterwards}) {
      for (const auto& run : *all) run();
    }
  } else {
    std::for_each(batch.when_not.rbegin(), batch.when_not.rend(), [](const auto& run) { run(); });
  }
  return written;
}

Result<> Committer::write(Batch& batch) {
  ::rocksdb::WriteOptions options;
  options.sync = sync_ && batch.sync;
  ::rocksdb::Status status = db_.Write(options, &batch.records);
  // The disk lets no failure through; what fails here failed to be read. After that RocksDB takes nothing until it has been told to go on.
  if (!status.ok() && db_.Resume().ok()) status = db_.Write(options, &batch.records);
  if (disk_.frozen()) return failure(ErrorKind::io, "spool: the disk takes nothing, and the relay ends");
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "spool"));
  if (options.sync) synced_ = db_.GetLatestSequenceNumber();
  return {};
}

/// One task for each executor, not one for each change.
void Committer::tell(std::vector<Change> changes, const Result<>& result) {
  std::map<Executor*, std::vector<std::function<void(Result<>)>>> waiters;
  for (Change& change : changes) {
    if (change.committed) change.committed(result);
    if (change.executor != nullptr) waiters[change.executor].push_back(std::move(change.done));
    if (!result && change.owed) owed_.push_back(std::move(change));
  }
  changes.clear();  // what they hold is let go before anybody can act on the news
  for (auto& [executor, all] : waiters) {
    executor->post([all = std::move(all), result] {
      for (const auto& done : all) done(result);
    });
  }
}

}  // namespace adieu::rocksdb
