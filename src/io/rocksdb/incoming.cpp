// See incoming.h.
#include "io/rocksdb/incoming.h"

#include <atomic>
#include <utility>

#include "io/rocksdb/data_file.h"

namespace adieu::rocksdb {
namespace {

using spool::MessageHead;
using spool::MessageId;

constexpr std::size_t kFilePart = 262'144;  // octets handed to a worker at once

/// The callback that the transaction's owner waits for; only the owner's thread touches it. A completion that is posted to that thread holds
/// this and never the message, so that the message can end even where that thread's executor has stopped.
struct Waiter {
  spool::Done<> done;  // empty once the transaction is gone

  void tell(const Result<>& result) {
    if (auto waiting = std::exchange(done, nullptr)) waiting(result);
  }
};

/// What is under way (a part to be written, a commit) holds it alive; when the last holder lets go of it and it was not kept, it rolls
/// back: that is the destructor, whatever the reason (R9, R10).
struct Incoming {
  Incoming(Store& its_store, Executor& its_executor) : store(its_store), id(its_store.next_id()), executor(its_executor) { store.committer().open(); }
  ~Incoming() {
    if (!written) store.committer().close();
    if (kept) return;
    if (written) {
      Change change;
      change.owed = true;
      change.write = [&jobs = store.jobs(), claimed = std::move(claimed)](Batch& batch) { jobs.withdraw(batch, claimed); };
      store.committer().submit(std::move(change));
    } else if (file.is_created()) {
      // Freeing the blocks of a large file takes its time, and this may be a loop.
      store.workers().run([gone = std::make_shared<DataFile>(std::move(file))] { gone->remove(); });
    }
  }
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;

  Store& store;
  const MessageId id;
  Executor& executor;
  const std::shared_ptr<Waiter> waiter = std::make_shared<Waiter>();
  std::string buffer;                     // what is not in the file
  DataFile file;
  bool in_file = false;
  std::uint64_t size = 0;
  std::vector<spool::Claimed> claimed;    // its jobs
  std::atomic<bool> written = false;      // a batch with its record was handed to the database, whatever came of it
  std::atomic<bool> durable = false;
  bool kept = false;
};

/// Lets go of the message before its owner can act on the news.
void post(std::shared_ptr<Incoming> incoming, Result<> result) {
  Executor& executor = incoming->executor;
  const std::shared_ptr<Waiter> waiter = incoming->waiter;
  incoming.reset();
  executor.post([waiter, result = std::move(result)] { waiter->tell(result); });
}

class RocksTransaction final : public spool::Transaction {
 public:
  explicit RocksTransaction(std::shared_ptr<Incoming> incoming) : incoming_(std::move(incoming)) {}
  ~RocksTransaction() override { incoming_->waiter->done = nullptr; }
  MessageId id() const override { return incoming_->id; }
  bool append(std::string mail_data, spool::Done<> done) override;
  void commit(MessageHead head, std::vector<spool::Job> jobs, spool::Done<> done) override;
  std::vector<spool::Claimed> acknowledge() override;

 private:
  std::shared_ptr<Incoming> incoming_;
};

bool RocksTransaction::append(std::string mail_data, spool::Done<> done) {
  Incoming& incoming = *incoming_;
  incoming.size += mail_data.size();
  if (incoming.buffer.empty() && !incoming.in_file) {
    incoming.buffer = std::move(mail_data);
  } else {
    if (incoming.in_file) incoming.buffer.reserve(kFilePart + kFilePart / 4);  // its last piece included: not grown, so not copied
    incoming.buffer += mail_data;
  }
  if (incoming.buffer.size() <= (incoming.in_file ? kFilePart : incoming.store.large())) return true;
  incoming.in_file = true;
  incoming.waiter->done = std::move(done);
  incoming.store.workers().run([incoming = incoming_, part = std::exchange(incoming.buffer, {})]() mutable {
    Result<> result;
    if (!incoming->file.is_created()) result = incoming->file.create(incoming->store.data_directory(), incoming->id);
    if (result) result = incoming->file.append(part);
    std::string().swap(part);
    post(std::move(incoming), std::move(result));
  });
  return false;
}

void RocksTransaction::commit(MessageHead head, std::vector<spool::Job> jobs, spool::Done<> done) {
  head.id = incoming_->id;
  head.size = incoming_->size;
  head.in_file = incoming_->in_file;
  incoming_->claimed = incoming_->store.jobs().begin(std::make_shared<const MessageHead>(std::move(head)), std::move(jobs));
  incoming_->waiter->done = std::move(done);
  Change change;
  change.durable = true;
  change.executor = &incoming_->executor;
  change.write = [incoming = incoming_](Batch& batch) {
    if (!incoming->written.exchange(true)) incoming->store.committer().close();
    incoming->store.jobs().put(batch, incoming->claimed);
    if (!incoming->in_file) incoming->store.put_mail_data(batch, incoming->id, incoming->buffer);
  };
  change.committed = [incoming = incoming_](const Result<>& result) { incoming->durable = result.has_value(); };
  change.done = [waiter = incoming_->waiter](const Result<>& result) { waiter->tell(result); };
  change.impatient = [waiter = incoming_->waiter, executor = &incoming_->executor](const Error& why) {
    executor->post([waiter, why] { waiter->tell(tl::unexpected<Error>(why)); });
  };
  if (!incoming_->in_file) {
    incoming_->store.committer().submit(std::move(change));
    return;
  }
  // The record makes the file exist, so the file is on the disk before it.
  incoming_->store.workers().run([incoming = incoming_, change = std::move(change)]() mutable {
    Result<> result = incoming->file.append(incoming->buffer);
    if (result) result = incoming->file.sync_and_close();
    std::string().swap(incoming->buffer);
    if (result) {
      incoming->store.committer().submit(std::move(change));
      return;
    }
    change = {};
    post(std::move(incoming), std::move(result));
  });
}

std::vector<spool::Claimed> RocksTransaction::acknowledge() {
  check(incoming_->durable, "only what is durable is acknowledged");
  incoming_->kept = true;
  std::vector<spool::Claimed> claimed = std::move(incoming_->claimed);
  if (!incoming_->in_file) {
    const auto mail_data = std::make_shared<const std::string>(std::move(incoming_->buffer));
    for (spool::Claimed& each : claimed) each.mail_data = mail_data;
  }
  return claimed;
}

}  // namespace

std::unique_ptr<spool::Transaction> begin_incoming(Store& store, Executor& executor) {
  return std::make_unique<RocksTransaction>(std::make_shared<Incoming>(store, executor));
}

}  // namespace adieu::rocksdb
