// The durable spool in a simulated world: RocksDB's, with its threads and its disk in the world's hands. What a process has heard from it is kept in mind, and
// held against what the next one finds. Its completions reach nobody but the process that asked.
#include <rocksdb/db.h>

#include <cerrno>
#include <map>
#include <set>
#include <utility>

#include "disk.h"
#include "io/rocksdb/file_system.h"
#include "io/rocksdb/rocksdb_spool.h"
#include "storage.h"
#include "threads.h"

namespace adieu::world {
namespace {

using spool::MessageId;

/// What is known of a message that was promised to somebody.
struct Promised {
  std::set<std::uint32_t> done;  // recipients
  int settling = 0;              // settlements that may be written, and were not heard of
  bool is_finished = false;
  bool is_there = true;  // as far as this process knows
};

class DurableSpool final : public Storage, public spool::Spool, public Executor {
 public:
  DurableSpool(Clock& clock, Log& log, std::function<void()> crash);
  ~DurableSpool() override { bury(); }

  spool::Spool& port() override { return *this; }
  void start(std::function<void()> ready) override;
  bool started() const override { return threads_ != nullptr; }
  void kill() override;
  void bury() override;
  std::size_t stored() const override { return stored_ + !taken_up_; }
  bool was_in_trouble() const override { return was_in_trouble_; }
  void judge_running(std::vector<std::string>& faults) override;
  void judge(bool at_rest, std::vector<std::string>& faults) override;

  Result<std::unique_ptr<spool::Transaction>> begin(Executor& executor) override;
  std::optional<Error> trouble() const override { return real_->trouble(); }
  void destinations(const route::Destination& after, std::size_t limit, Executor&, spool::Done<std::vector<spool::QueuedAt>> done) override {
    real_->destinations(after, limit, *this, while_alive(std::move(done)));
  }
  void claim_due(const route::Destination& destination, WallTime now, std::size_t limit, Duration lease, Executor&, spool::Done<spool::Due> done) override {
    real_->claim_due(destination, now, limit, lease, *this, while_alive(std::move(done)));
  }
  void renew(const std::vector<spool::Claim>& claims, Duration lease) override { real_->renew(claims, lease); }
  void list(MessageId after, std::size_t messages, Executor&, spool::Done<std::vector<spool::Listed>> done) override {
    real_->list(after, messages, *this, while_alive(std::move(done)));
  }
  void advance(const std::vector<spool::JobId>& jobs, WallTime now, Executor&, spool::Done<std::size_t> done) override {
    real_->advance(jobs, now, *this, while_alive(std::move(done)));
  }
  void read(const spool::MessageHead& head, std::uint64_t offset, std::size_t length, Executor& executor,
            spool::Done<std::string> done) override;
  void settle(spool::Settlements settlements, Executor& executor, spool::Done<spool::Settled> done) override;
  void remember(const spool::Unconfirmed& message) override { real_->remember(message); }
  void forget(const std::string& fingerprint) override { real_->forget(fingerprint); }
  Result<Recalled> recall(Duration window, std::size_t limit) override { return real_->recall(window, limit); }

  /// For the spool's threads: the process' loop, as long as there is one.
  void post(Task task) override;

 private:
  class Incoming;

  void opened(const std::function<void()>& ready);
  void plan(Task trouble);
  void suffer(const std::string& what, const std::function<void()>& begin);
  void look(MessageId after, const std::function<void()>& ready);
  void found(MessageId id, const std::set<std::uint32_t>& pending);
  void taken_up();
  void promise(const spool::MessageHead& head);
  void count_word();
  void fault(MessageId id, const std::string& what) { faults_.push_back(id.text() + " " + what); }
  void tell(const std::string& what) { log_.write(LogLevel::info, LogLine("world").field("what", what)); }

  /// `done` is let go of when the process dies, whoever still holds what this returns.
  template <class T>
  spool::Done<T> while_alive(spool::Done<T> done) {
    const std::uint64_t number = ++last_call_;
    const auto call = std::make_shared<spool::Done<T>>(std::move(done));
    calls_[number] = call;
    return [this, number, weak = std::weak_ptr(call)](Result<T> result) {
      const auto alive = weak.lock();
      if (!alive) return;
      calls_.erase(number);
      (*alive)(std::move(result));
    };
  }

  Clock& clock_;
  Log& log_;
  const std::function<void()> crash_;
  Disk disk_;
  config::Spool options_;
  std::int64_t words_ = 0;                   // how often something was promised or settled
  std::multimap<std::int64_t, Task> plans_;  // what comes when that is so
  bool was_in_trouble_ = false;
  int troubles_ = 0;  // of the disk, now
  std::vector<std::string> faults_;

  // of a process
  std::shared_ptr<int> alive_;
  std::unique_ptr<SpoolThreads> threads_;
  std::unique_ptr<Threads::Thread> starter_;
  Result<std::unique_ptr<spool::Spool>> opening_;
  std::unique_ptr<spool::Spool> real_;
  std::map<std::uint64_t, std::shared_ptr<void>> calls_;
  std::uint64_t last_call_ = 0;

  // of all of them
  std::map<MessageId, Promised> promised_;
  std::size_t stored_ = 0;
  bool taken_up_ = false;
  bool had_trouble_ = false;        // the disk, since this process began to start
  bool was_without_power_ = false;  // since a process knew all that is stored
};

/// Tells of what is acknowledged.
class DurableSpool::Incoming final : public spool::Transaction {
 public:
  Incoming(DurableSpool& spool, std::unique_ptr<spool::Transaction> real) : spool_(spool), real_(std::move(real)) {}
  MessageId id() const override { return real_->id(); }
  bool append(std::string mail_data, spool::Done<> done) override { return real_->append(std::move(mail_data), std::move(done)); }
  void commit(spool::MessageHead head, std::vector<spool::Job> jobs, spool::Done<> done) override {
    real_->commit(std::move(head), std::move(jobs), std::move(done));
  }
  std::vector<spool::Claimed> acknowledge() override {
    auto claimed = real_->acknowledge();
    spool_.promise(*claimed.front().head);
    return claimed;
  }

 private:
  DurableSpool& spool_;
  const std::unique_ptr<spool::Transaction> real_;
};

DurableSpool::DurableSpool(Clock& clock, Log& log, std::function<void()> crash)
    : clock_(clock), log_(log), crash_(std::move(crash)), disk_(clock) {
  options_.directory = disk_.directory();
  options_.sync = true;
  options_.cache = 1 << 20;
  options_.large = clock.happens(0.5) ? 4096 : 256;
  options_.free_space = 1 << 20;
  options_.reserve = clock.happens(0.5) ? 65'536 : 0;
  options_.disk_timeout = std::chrono::seconds(5);
  disk_.set_slowest(clock.happens(0.2) ? std::chrono::seconds(20) : Duration(20));
  if (clock.happens(0.3)) {
    plan([this] { suffer("full", [this] { disk_.set_room(clock_.between(0, clock_.happens(0.5) ? 20'000 : 2 << 20)); }); });
  }
  if (clock.happens(0.3)) plan([this] { suffer("broken", [this] { disk_.set_error(EIO); }); });
  for (std::int64_t crashes = clock.happens(0.5) ? clock.between(1, 3) : 0; crashes > 0; --crashes) plan(crash_);
}

/// `trouble` comes shortly after one of the first times that something is promised or settled, when much depends on the disk; or at any time.
void DurableSpool::plan(Task trouble) {
  if (clock_.happens(0.8)) {
    plans_.emplace(clock_.between(1, 30), std::move(trouble));
  } else {
    clock_.after(clock_.between(Duration(0), std::chrono::hours(1)), std::move(trouble));
  }
}

void DurableSpool::count_word() {
  ++words_;
  while (!plans_.empty() && plans_.begin()->first <= words_) {
    clock_.after(clock_.between(Duration(0), Duration(clock_.happens(0.5) ? 10 : 1000)),
                 std::move(plans_.extract(plans_.begin()).mapped()));
  }
}

/// For a while. Whoever looks after the relay may think that it hangs, and kill it.
void DurableSpool::suffer(const std::string& what, const std::function<void()>& begin) {
  tell("the disk is " + what);
  was_in_trouble_ = true;
  ++troubles_;
  had_trouble_ = true;
  begin();
  if (clock_.happens(0.4)) clock_.after(clock_.between(Duration(0), std::chrono::minutes(1)), crash_);
  clock_.after(clock_.between(Duration(0), std::chrono::minutes(20)), [this] {
    if (--troubles_ != 0) return;
    tell("the disk is well again");
    disk_.set_error(0);
    disk_.set_room(Disk::kPlenty);
  });
}

void DurableSpool::start(std::function<void()> ready) {
  if (started()) return;  // after a start that failed
  alive_ = std::make_shared<int>();
  had_trouble_ = troubles_ != 0;
  threads_ = std::make_unique<SpoolThreads>(clock_);
  starter_ = threads_->start("start", [this, ready = std::move(ready)] {
    opening_ = rocksdb::open_spool(options_, log_, *threads_);
    post([this, ready] { opened(ready); });
  });
}

void DurableSpool::opened(const std::function<void()>& ready) {
  starter_.reset();
  if (opening_) {
    real_ = std::move(*opening_);
    look({}, ready);
    return;
  }
  const std::string why = "the relay does not start: " + opening_.error().message;
  tell(why);
  bury();
  was_without_power_ = true;  // a sync that failed has lost what the process before had written
  if (!had_trouble_) {
    faults_.push_back(why);
    return;  // a world that stands still
  }
  clock_.after(std::chrono::seconds(10), [this, ready] { start(ready); });
}

void DurableSpool::kill() {
  alive_.reset();
  calls_.clear();
  disk_.unplug();
  if (real_) return;
  tell("it was killed while it started");
}

/// Also of a process that came to its end in order, or not even as far as to be ready.
void DurableSpool::bury() {
  if (!threads_) return;
  threads_->hurry();
  starter_.reset();
  opening_ = {};
  real_.reset();
  threads_.reset();
  alive_.reset();
  calls_.clear();
  if (disk_.is_unplugged() && clock_.happens(0.5)) {
    tell("the machine's power has failed");
    was_without_power_ = true;
    disk_.lose_power();
  }
  disk_.plug_in();
  taken_up_ = false;
  stored_ = 0;
  for (auto& [id, promised] : promised_) promised.is_there = false;
}

void DurableSpool::post(Task task) {
  const auto kept = std::make_shared<Task>(std::move(task));
  clock_.after(Duration(0), [alive = std::weak_ptr(alive_), kept] {
    if (!alive.expired()) (*kept)();
  });
}

Result<std::unique_ptr<spool::Transaction>> DurableSpool::begin(Executor&) {
  auto begun = real_->begin(*this);
  if (!begun) return tl::unexpected<Error>(std::move(begun.error()));
  return std::make_unique<Incoming>(*this, std::move(*begun));
}

void DurableSpool::promise(const spool::MessageHead& head) {
  promised_[head.id] = {};
  ++stored_;
  count_word();
}

/// Before the process that is ready begins: what the one before has left.
void DurableSpool::look(MessageId after, const std::function<void()>& ready) {
  constexpr std::size_t kAtOnce = 3;
  real_->list(after, kAtOnce, *this, while_alive<std::vector<spool::Listed>>([this, ready](Result<std::vector<spool::Listed>> listed) {
    if (!listed || listed->empty()) {
      if (!listed) fault({}, "cannot be listed: " + listed.error().message);
      taken_up();
      ready();
      return;
    }
    std::map<MessageId, std::set<std::uint32_t>> pending;
    for (const spool::Listed& each : *listed) {
      for (const std::uint32_t index : each.job.recipients) {
        if (!pending[each.head->id].insert(index).second) fault(each.head->id, "has a recipient twice");
      }
    }
    for (const auto& [id, recipients] : pending) found(id, recipients);
    look(listed->back().head->id, ready);
  }));
}

void DurableSpool::found(MessageId id, const std::set<std::uint32_t>& pending) {
  ++stored_;
  Promised& promised = promised_[id];  // or it was committed, and its process died before it could acknowledge it (R10)
  if (!was_without_power_) {
    if (promised.is_finished) fault(id, "is back, and was finished before its process was killed");
    for (const std::uint32_t index : promised.done) {
      if (pending.contains(index)) fault(id, "has forgotten what came of a recipient, and its process was only killed");
    }
  }
  promised = {};
}

void DurableSpool::taken_up() {
  taken_up_ = true;
  for (const auto& [id, promised] : promised_) {
    if (!promised.is_there && !promised.is_finished && promised.settling == 0) fault(id, "was acknowledged, and is not there after a restart");
  }
  was_without_power_ = false;
  std::erase_if(promised_, [](const auto& each) { return !each.second.is_there && !each.second.is_finished; });
}

void DurableSpool::read(const spool::MessageHead& head, std::uint64_t offset, std::size_t length, Executor&,
                        spool::Done<std::string> done) {
  real_->read(head, offset, length, *this, while_alive(std::move(done)));
}

void DurableSpool::settle(spool::Settlements settlements, Executor&, spool::Done<spool::Settled> done) {
  std::map<MessageId, std::set<std::uint32_t>> settled;
  for (const spool::Settlement& job : settlements.jobs) {
    const MessageId id = job.claim.job.message;
    settled[id].insert(job.done.begin(), job.done.end());
  }
  for (const auto& [id, recipients] : settled) ++promised_[id].settling;
  real_->settle(std::move(settlements), *this, while_alive<spool::Settled>([this, settled = std::move(settled), done = std::move(done)](Result<spool::Settled> result) {
    if (result) {
      if (result->late) faults_.push_back("a settlement came too late, and nobody else was there");
      for (const auto& [id, recipients] : settled) {
        Promised& promised = promised_[id];
        promised.done.insert(recipients.begin(), recipients.end());
        --promised.settling;
      }
      for (const MessageId id : result->finished) {
        if (!std::exchange(promised_[id].is_finished, true)) --stored_;
      }
      for (const spool::Claimed& notification : result->notifications) promise(*notification.head);
      count_word();
    }
    done(std::move(result));
  }));
}

/// It looks once a second whether there is room again, and only when it is asked for something.
void DurableSpool::judge_running(std::vector<std::string>& faults) {
  bool takes = begin(*this).has_value();
  for (int seconds = 1; seconds <= 3 && !takes; ++seconds) {
    bool passed = false;
    clock_.after(std::chrono::milliseconds(1100), [&passed] { passed = true; });
    while (!passed) clock_.turn();
    takes = begin(*this).has_value();
  }
  if (!takes && troubles_ == 0) faults.push_back("no mail is taken, and the disk is well");
}

void DurableSpool::judge(bool at_rest, std::vector<std::string>& faults) {
  bury();
  if (at_rest) {
    for (const std::string& name : disk_.names("data")) faults_.push_back("a file that no record names: " + name);
    std::vector<::rocksdb::ColumnFamilyHandle*> families;
    ::rocksdb::DB* db = nullptr;
    ::rocksdb::Options options;
    options.info_log = rocksdb::make_info_log(nullptr);
    const auto status = ::rocksdb::DB::OpenForReadOnly(options, disk_.directory() + "/records",
                                                       {{::rocksdb::kDefaultColumnFamilyName, {}}, {"mail-data", {}}}, &families, &db);
    check(status.ok(), "what the relay has left opens");
    for (::rocksdb::ColumnFamilyHandle* family : families) {
      const std::unique_ptr<::rocksdb::Iterator> key(db->NewIterator({}, family));
      for (key->SeekToFirst(); key->Valid(); key->Next()) {
        const char kind = key->key()[0];
        if (kind == 'a' || kind == 'm' || kind == 'j' || kind == 'q' || kind == 'd') faults_.push_back(std::string("left in the spool: a record of kind ") + kind);
      }
    }
    for (::rocksdb::ColumnFamilyHandle* family : families) db->DestroyColumnFamilyHandle(family);
    delete db;
  }
  faults.insert(faults.end(), faults_.begin(), faults_.end());
}

}  // namespace

std::unique_ptr<Storage> durable_storage(Clock& clock, Log& log, std::function<void()> crash) {
  return std::make_unique<DurableSpool>(clock, log, std::move(crash));
}

}  // namespace adieu::world
