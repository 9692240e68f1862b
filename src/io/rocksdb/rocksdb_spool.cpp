// See rocksdb_spool.h.
#include "io/rocksdb/rocksdb_spool.h"

#include <rocksdb/write_batch.h>

#include <algorithm>
#include <utility>

#include "adieu/relay/spool/record.h"
#include "io/rocksdb/data_file.h"
#include "io/rocksdb/incoming.h"
#include "io/rocksdb/keys.h"
#include "io/rocksdb/store.h"

namespace adieu::rocksdb {
namespace {

using spool::MessageHead;
using spool::MessageId;

class RocksSpool final : public spool::Spool {
 public:
  RocksSpool(const config::Spool& options, Log& log, Threads& threads) : store_(options, log, threads) {}
  Result<> open() { return store_.open(); }

  Result<std::unique_ptr<spool::Transaction>> begin(Executor& executor) override {
    if (auto taking = store_.taking(); !taking) return tl::unexpected<Error>(std::move(taking.error()));
    return begin_incoming(store_, executor);
  }
  std::optional<Error> trouble() const override { return store_.trouble(); }
  void claim(MessageId after, std::size_t limit, Duration lease, Executor& executor,
             spool::Done<std::vector<spool::Stored>> done) override;
  void read(const MessageHead& head, std::uint64_t offset, std::size_t length, Executor& executor,
            spool::Done<std::string> done) override;
  void settle(spool::Settlement settlement, Executor& executor,
              spool::Done<std::vector<spool::Transaction::Kept>> done) override;
  void remember(const spool::Unconfirmed& message) override;
  void forget(const std::string& fingerprint) override;
  Result<Recalled> recall() override;

 private:
  Result<std::vector<spool::Stored>> claim_now(MessageId after, std::size_t limit);
  Result<MessageHead> load(MessageId id, Octets record);
  Result<std::string> read_now(MessageId id, bool in_file, std::uint64_t offset, std::size_t length);

  Store store_;
};

void RocksSpool::claim(MessageId after, std::size_t limit, Duration, Executor& executor,
                       spool::Done<std::vector<spool::Stored>> done) {
  store_.workers().run([this, after, limit, &executor, done = std::move(done)]() mutable {
    executor.post([stored = claim_now(after, limit), done = std::move(done)]() mutable { done(std::move(stored)); });
  });
}

Result<std::vector<spool::Stored>> RocksSpool::claim_now(MessageId after, std::size_t limit) {
  std::vector<spool::Stored> all;
  const std::unique_ptr<::rocksdb::Iterator> messages(store_.db().NewIterator({}));
  for (messages->Seek(key('m', after)); all.size() < limit && messages->Valid(); messages->Next()) {
    if (!view(messages->key()).starts_with('m')) break;
    const MessageId id = id_of(view(messages->key()));
    if (id > store_.last_old_id()) break;
    if (id == after || !store_.claim(id)) continue;
    auto head = load(id, view(messages->value()));
    if (head) {
      all.push_back({std::make_shared<const MessageHead>(std::move(*head))});
      continue;
    }
    store_.log().write(LogLevel::error,
                       LogLine("spool-record")
                           .field("queue-id", id.text())
                           .field("error", head.error().message)
                           .field("hint", "the message is kept in the spool and not delivered; keep a copy of the directory and report it"));
  }
  // What was claimed before the failure is handed over; whoever asks for more meets it again.
  if (!messages->status().ok() && all.empty()) return tl::unexpected<Error>(to_error(messages->status(), "stored messages"));
  return all;
}

void RocksSpool::remember(const spool::Unconfirmed& message) {
  Change change;
  change.write = [key = kFingerprint + message.fingerprint, value = spool::encode(message)](::rocksdb::WriteBatch& batch) { batch.Put(key, value); };
  store_.committer().submit(std::move(change));
}

void RocksSpool::forget(const std::string& fingerprint) {
  Change change;
  change.write = [key = kFingerprint + fingerprint](::rocksdb::WriteBatch& batch) { batch.Delete(key); };
  store_.committer().submit(std::move(change));
}

Result<spool::Spool::Recalled> RocksSpool::recall() {
  Recalled recalled;
  recalled.ended_in_order = store_.ended_in_order();
  recalled.secret = store_.secret();
  const std::unique_ptr<::rocksdb::Iterator> all(store_.db().NewIterator({}));
  for (all->Seek(std::string(1, kFingerprint)); all->Valid() && view(all->key()).starts_with(kFingerprint); all->Next()) {
    const Octets fingerprint = view(all->key()).substr(1);
    if (auto message = spool::decode_unconfirmed(fingerprint, view(all->value()))) {
      recalled.unconfirmed.push_back(std::move(*message));
    } else {
      forget(std::string(fingerprint));
    }
  }
  if (!all->status().ok()) return tl::unexpected<Error>(to_error(all->status(), "fingerprints"));
  std::sort(recalled.unconfirmed.begin(), recalled.unconfirmed.end(), [](const auto& left, const auto& right) { return left.until < right.until; });
  return recalled;
}

/// The head with what attempts have changed since.
Result<MessageHead> RocksSpool::load(MessageId id, Octets record) {
  auto head = spool::decode_head(id, record);
  const std::string prefix = key('u', id);
  const std::unique_ptr<::rocksdb::Iterator> updates(store_.db().NewIterator({}));
  for (updates->Seek(prefix); head && updates->Valid() && view(updates->key()).starts_with(prefix); updates->Next()) {
    const auto index = static_cast<std::uint32_t>(big_endian(view(updates->key()).substr(prefix.size())));
    store_.note_update(id, index);
    const auto update = spool::decode_update(index, view(updates->value()));
    const Result<> merged = update ? spool::apply(*update, *head) : tl::unexpected<Error>(update.error());
    if (!merged) return tl::unexpected<Error>(merged.error());
  }
  if (!updates->status().ok()) return tl::unexpected<Error>(to_error(updates->status(), "recipients of " + id.text()));
  return head;
}

void RocksSpool::read(const MessageHead& head, std::uint64_t offset, std::size_t length, Executor& executor,
                      spool::Done<std::string> done) {
  const std::size_t there = static_cast<std::size_t>(std::min<std::uint64_t>(length, head.size - std::min(head.size, offset)));
  store_.workers().run([this, id = head.id, in_file = head.in_file, offset, there, &executor, done = std::move(done)]() mutable {
    auto part = read_now(id, in_file, offset, there);
    // A part of a message is never delivered as the whole.
    if (part && part->size() != there) part = failure(ErrorKind::invalid, "mail data of " + id.text() + " is shorter than its record says");
    executor.post([part = std::move(part), done = std::move(done)]() mutable { done(std::move(part)); });
  });
}

Result<std::string> RocksSpool::read_now(MessageId id, bool in_file, std::uint64_t offset, std::size_t length) {
  if (in_file) return read_data_file(store_.data_directory(), id, offset, length);
  ::rocksdb::PinnableSlice mail_data;
  const ::rocksdb::Status status = store_.get_mail_data(id, mail_data);
  if (status.IsNotFound()) return failure(ErrorKind::not_found, "mail data of " + id.text() + ": not in the spool");
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "mail data of " + id.text()));
  const Octets whole = view(mail_data);
  return std::string(whole.substr(std::min<std::uint64_t>(offset, whole.size()), length));
}

void RocksSpool::settle(spool::Settlement settlement, Executor& executor,
                        spool::Done<std::vector<spool::Transaction::Kept>> done) {
  std::vector<spool::Transaction::Kept> notifications;
  for (spool::NewMessage& message : settlement.notifications) {
    message.head.id = store_.next_id();
    message.head.size = message.mail_data.size();
    message.head.in_file = false;
    notifications.push_back({std::make_shared<const MessageHead>(std::move(message.head)),
                             std::make_shared<const std::string>(std::move(message.mail_data))});
  }
  const MessageId id = settlement.id;
  if (settlement.finished) settlement.updates.clear();
  Change change;
  change.durable = !notifications.empty();
  change.executor = &executor;
  // Only here is it certain whether the message is still there: on the commit thread, which makes one change after another.
  const auto late = std::make_shared<bool>(false);
  change.write = [this, id, late, updates = std::move(settlement.updates), notifications](::rocksdb::WriteBatch& batch) {
    *late = !store_.holds(id);
    if (*late) return;
    for (const auto& [head, mail_data] : notifications) {
      batch.Put(key('m', head->id), spool::encode(*head));
      store_.put_mail_data(batch, head->id, *mail_data);
    }
    for (const spool::RecipientUpdate& update : updates) {
      store_.note_update(id, update.index);
      batch.Put(update_key(id, update.index), spool::encode(update));
    }
  };
  change.done = [late, done = std::move(done), notifications = std::move(notifications)](const Result<>& result) mutable {
    if (result) {
      if (*late) notifications.clear();
      done(std::move(notifications));
    } else {
      done(tl::unexpected<Error>(result.error()));
    }
  };
  if (settlement.finished) {
    store_.remove(id, std::move(change));
  } else {
    store_.committer().submit(std::move(change));
  }
}

}  // namespace

Result<std::unique_ptr<spool::Spool>> open_spool(const config::Spool& options, Log& log, Threads& threads) {
  auto spool = std::make_unique<RocksSpool>(options, log, threads);
  if (auto opened = spool->open(); !opened) return tl::unexpected<Error>(opened.error());
  return spool;
}

}  // namespace adieu::rocksdb
