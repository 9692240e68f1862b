// See rocksdb_spool.h.
#include "io/rocksdb/rocksdb_spool.h"

#include <algorithm>
#include <utility>

#include "io/rocksdb/data_file.h"
#include "io/rocksdb/incoming.h"
#include "io/rocksdb/keys.h"
#include "io/rocksdb/record.h"
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
  void destinations(const route::Destination& after, std::size_t limit, Executor& executor, spool::Done<std::vector<spool::QueuedAt>> done) override {
    ask<std::vector<spool::QueuedAt>>(executor, std::move(done), [this, after, limit] { return store_.jobs().destinations(after, limit); });
  }
  void claim_due(const route::Destination& destination, WallTime now, std::size_t limit, Duration lease, Executor& executor,
                 spool::Done<spool::Due> done) override {
    ask<spool::Due>(executor, std::move(done),
                    [this, destination, now, limit, lease] { return store_.jobs().claim_due(destination, now, limit, lease); });
  }
  void renew(const std::vector<spool::Claim>& claims, Duration lease) override { store_.jobs().renew(claims, lease); }
  void read(const MessageHead& head, std::uint64_t offset, std::size_t length, Executor& executor,
            spool::Done<std::string> done) override;
  void settle(spool::Settlements settlements, Executor& executor, spool::Done<spool::Settled> done) override;
  void list(MessageId after, std::size_t messages, Executor& executor, spool::Done<std::vector<spool::Listed>> done) override {
    ask<std::vector<spool::Listed>>(executor, std::move(done), [this, after, messages] { return store_.jobs().list(after, messages); });
  }
  void advance(const std::vector<spool::JobId>& jobs, WallTime now, Executor& executor, spool::Done<std::size_t> done) override;
  void remember(const spool::Unconfirmed& message) override;
  void forget(const std::string& fingerprint) override;
  Result<Recalled> recall(Duration window, std::size_t limit) override;

 private:
  /// A worker finds the answer.
  template <class T>
  void ask(Executor& executor, spool::Done<T> done, std::function<Result<T>()> question) {
    store_.workers().run([&executor, done = std::move(done), question = std::move(question)]() mutable {
      executor.post([answer = question(), done = std::move(done)]() mutable { done(std::move(answer)); });
    });
  }
  Result<std::string> read_now(MessageId id, bool in_file, std::uint64_t offset, std::size_t length);
  Result<std::vector<MessageHead>> recent(Duration window, std::size_t limit);

  Store store_;
};

void RocksSpool::remember(const spool::Unconfirmed& message) {
  Change change;
  change.write = [key = kFingerprint + message.fingerprint, value = encode(message)](Batch& batch) { batch.records.Put(key, value); };
  store_.committer().submit(std::move(change));
}

void RocksSpool::forget(const std::string& fingerprint) {
  Change change;
  change.write = [key = kFingerprint + fingerprint](Batch& batch) { batch.records.Delete(key); };
  store_.committer().submit(std::move(change));
}

Result<spool::Spool::Recalled> RocksSpool::recall(Duration window, std::size_t limit) {
  Recalled recalled;
  recalled.ended_in_order = store_.ended_in_order();
  recalled.secret = store_.secret();
  const std::unique_ptr<::rocksdb::Iterator> all(store_.db().NewIterator({}));
  for (all->Seek(std::string(1, kFingerprint)); all->Valid() && view(all->key()).starts_with(kFingerprint); all->Next()) {
    const Octets fingerprint = view(all->key()).substr(1);
    if (auto message = decode_unconfirmed(fingerprint, view(all->value()))) {
      recalled.unconfirmed.push_back(std::move(*message));
    } else {
      forget(std::string(fingerprint));
    }
  }
  if (!all->status().ok()) return tl::unexpected<Error>(to_error(all->status(), "fingerprints"));
  if (!recalled.ended_in_order) {
    auto found = recent(window, limit);
    if (!found) return tl::unexpected<Error>(std::move(found.error()));
    recalled.recent = std::move(*found);
  }
  std::sort(recalled.unconfirmed.begin(), recalled.unconfirmed.end(), [](const auto& left, const auto& right) { return left.until < right.until; });
  return recalled;
}

/// From the newest back: ids rise with time.
Result<std::vector<MessageHead>> RocksSpool::recent(Duration window, std::size_t limit) {
  std::vector<MessageHead> all;
  const std::unique_ptr<::rocksdb::Iterator> messages(store_.db().NewIterator({}));
  messages->SeekForPrev(key(kMessage, MessageId{~std::uint64_t{0}}));
  for (; all.size() < limit && messages->Valid() && view(messages->key()).starts_with(kMessage); messages->Prev()) {
    auto head = decode_head(id_of(view(messages->key())), view(messages->value()));
    if (!head) continue;  // told when it is due
    if (!all.empty() && head->arrived + window < all.front().arrived) break;
    all.push_back(std::move(*head));
  }
  if (!messages->status().ok()) return tl::unexpected<Error>(to_error(messages->status(), "queued messages"));
  std::reverse(all.begin(), all.end());
  return all;
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

void RocksSpool::settle(spool::Settlements settlements, Executor& executor, spool::Done<spool::Settled> done) {
  struct Course {
    std::vector<spool::Settlement> jobs;
    std::vector<std::shared_ptr<const std::string>> mail_data;  // of the notifications
    spool::Settled settled;
    Result<> found;
  };
  const auto course = std::make_shared<Course>();
  course->jobs = std::move(settlements.jobs);
  for (spool::NewMessage& message : settlements.notifications) {
    message.head.id = store_.next_id();
    message.head.size = message.mail_data.size();
    message.head.in_file = false;
    course->mail_data.push_back(std::make_shared<const std::string>(std::move(message.mail_data)));
    auto claimed = store_.jobs().begin(std::make_shared<const MessageHead>(std::move(message.head)), {std::move(message.job)});
    claimed.front().mail_data = course->mail_data.back();
    course->settled.notifications.push_back(std::move(claimed.front()));
  }
  Change change;
  change.durable = !course->settled.notifications.empty();
  change.executor = &executor;
  change.write = [this, course](Batch& batch) {
    course->found = batch.attempt([&]() -> Result<> {
      course->settled.late = true;
      course->settled.finished.clear();
      for (const spool::Settlement& job : course->jobs) {
        const auto effect = store_.jobs().settle(batch, job);
        if (!effect) return tl::unexpected<Error>(effect.error());
        course->settled.late &= *effect == Jobs::Effect::late;
        if (*effect == Jobs::Effect::finished) course->settled.finished.push_back(job.claim.job.message);
      }
      if (course->settled.late) return {};
      for (const spool::Claimed& notification : course->settled.notifications) {
        store_.jobs().put(batch, {notification});
        store_.put_mail_data(batch, notification.head->id, *notification.mail_data);
      }
      return {};
    });
  };
  change.done = [course, done = std::move(done)](const Result<>& result) {
    if (course->settled.late) course->settled.notifications.clear();
    if (!result) {
      done(tl::unexpected<Error>(result.error()));
    } else if (!course->found) {
      done(tl::unexpected<Error>(course->found.error()));
    } else {
      done(std::move(course->settled));
    }
  };
  store_.committer().submit(std::move(change));
}

void RocksSpool::advance(const std::vector<spool::JobId>& jobs, WallTime now, Executor& executor, spool::Done<std::size_t> done) {
  const auto count = std::make_shared<std::size_t>(0);
  const auto found = std::make_shared<Result<>>();
  Change change;
  change.executor = &executor;
  change.write = [this, jobs, now, count, found](Batch& batch) {
    *count = 0;
    *found = batch.attempt([&]() -> Result<> {
      for (const spool::JobId& job : jobs) {
        const auto advanced = store_.jobs().advance(batch, job, now);
        if (!advanced) return tl::unexpected<Error>(advanced.error());
        *count += *advanced;
      }
      return {};
    });
  };
  change.done = [count, found, done = std::move(done)](const Result<>& result) {
    if (result && *found) {
      done(*count);
    } else {
      done(tl::unexpected<Error>(result ? found->error() : result.error()));
    }
  };
  store_.committer().submit(std::move(change));
}

}  // namespace

Result<std::unique_ptr<spool::Spool>> open_spool(const config::Spool& options, Log& log, Threads& threads) {
  auto spool = std::make_unique<RocksSpool>(options, log, threads);
  if (auto opened = spool->open(); !opened) return tl::unexpected<Error>(opened.error());
  return spool;
}

}  // namespace adieu::rocksdb
