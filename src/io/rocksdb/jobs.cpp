// See jobs.h.
#include "io/rocksdb/jobs.h"

#include <algorithm>
#include <utility>

#include "io/rocksdb/keys.h"
#include "io/rocksdb/record.h"

namespace adieu::rocksdb {
namespace {

using spool::Claimed;
using spool::Job;
using spool::JobId;
using spool::MessageId;

constexpr std::size_t kMovedAtOnce = 4u << 20;
/// Takes those of `which` out of `from`, and says which these were; both rise.
std::vector<std::uint32_t> take_out(std::vector<std::uint32_t>& from, std::vector<std::uint32_t> which) {
  std::sort(which.begin(), which.end());
  std::vector<std::uint32_t> taken;
  std::erase_if(from, [&](std::uint32_t each) {
    if (!std::binary_search(which.begin(), which.end(), each)) return false;
    taken.push_back(each);
    return true;
  });
  return taken;
}

}  // namespace

Result<> Jobs::queue_what_was_in_hand() {
  ::rocksdb::WriteBatch batch;
  ::rocksdb::Status status;
  const std::unique_ptr<::rocksdb::Iterator> all(db_.NewIterator({}));
  for (all->Seek(std::string(1, kInHand)); status.ok() && all->Valid() && view(all->key()).starts_with(kInHand); all->Next()) {
    const MessageId id = id_of(view(all->key()));
    const auto parts = parse_in_hand(view(all->value()));
    const auto job = parts ? decode_job(0, parts->job) : Result<Job>(tl::unexpected<Error>(parts.error()));
    if (!job) {
      log_.write(LogLevel::error, LogLine("spool-record")
                                      .field("queue-id", id.text())
                                      .field("error", job.error().message)
                                      .field("hint", "the message is kept in the spool and not delivered; keep a copy of the directory and report it"));
      continue;
    }
    batch.Put(key(kMessage, id), ::rocksdb::Slice(parts->head.data(), parts->head.size()));
    batch.Put(job_key({id, 0}), ::rocksdb::Slice(parts->job.data(), parts->job.size()));
    batch.Put(queue_key(job->destination, job->due, {id, 0}), ::rocksdb::Slice());
    batch.Delete(all->key());
    if (batch.GetDataSize() < kMovedAtOnce) continue;
    status = db_.Write({}, &batch);
    batch.Clear();
  }
  if (status.ok()) status = all->status();
  if (status.ok() && batch.Count() != 0) status = db_.Write({}, &batch);
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "messages that were in hand"));
  return {};
}

std::vector<Claimed> Jobs::begin(const std::shared_ptr<const spool::MessageHead>& head, std::vector<Job> jobs) {
  std::vector<Claimed> claimed;
  claimed.reserve(jobs.size());
  for (Job& job : jobs) {
    job.number = static_cast<std::uint32_t>(claimed.size());
    claimed.push_back({{{head->id, job.number}, ++last_token_}, head, std::move(job), nullptr});
  }
  return claimed;
}

void Jobs::put(Batch& batch, const std::vector<Claimed>& jobs) {
  const spool::MessageHead& head = *jobs.front().head;
  batch.last_id = std::max(batch.last_id, head.id);
  const bool in_hand = jobs.size() == 1 && jobs.front().job.recipients.size() == head.recipients.size();
  if (in_hand) {
    batch.records.Put(key(kInHand, head.id), in_hand_record(head, jobs.front().job));
  } else {
    batch.records.Put(key(kMessage, head.id), encode(head));
    for (const Claimed& each : jobs) put_job(batch, head.id, each.job);
  }
  const std::lock_guard lock(mutex_);
  for (const Claimed& each : jobs) {
    Held& held = held_[each.claim.job];
    held.token = each.claim.token;
    held.in_hand = in_hand;
    held.in_file = head.in_file;
    held.job = each.job;
    batch.when_not.push_back([this, id = each.claim.job] {
      const std::lock_guard again(mutex_);
      held_.erase(id);
    });
  }
}

void Jobs::withdraw(Batch& batch, const std::vector<Claimed>& jobs) {
  const spool::MessageHead& head = *jobs.front().head;
  const std::lock_guard lock(mutex_);
  // Where its own batch failed nothing is held, and what that would have written may be there all the same.
  Held stored;
  stored.in_file = head.in_file;
  for (const Claimed& each : jobs) {
    stored.job = each.job;
    remove_job(batch, each.claim.job, stored);
    if (const auto held = held_.find(each.claim.job); held != held_.end()) let_go(batch, held);
  }
  batch.records.Delete(key(kInHand, head.id));
  remove_message(batch, head.id, stored);
}

Jobs::AllHeld::iterator Jobs::held_by(const spool::Claim& claim) {
  const auto held = held_.find(claim.job);
  return held != held_.end() && held->second.token == claim.token ? held : held_.end();
}

void Jobs::remember(Batch& batch, const JobId& id, const Held& before) {
  batch.when_not.push_back([this, id, before] {
    const std::lock_guard lock(mutex_);
    held_[id] = before;
  });
}

/// It is nobody's from now on, and somebody else's to claim once that is written: before, he would see it as it was.
void Jobs::let_go(Batch& batch, AllHeld::iterator held) {
  held->second.token = 0;
  batch.when_written.push_back([this, id = held->first] {
    const std::lock_guard lock(mutex_);
    held_.erase(id);
  });
}

/// From now on it has records as any other.
Result<> Jobs::take_out_of_hand(Batch& batch, MessageId id, Held& held) {
  if (!held.in_hand) return {};
  ::rocksdb::PinnableSlice record;
  const ::rocksdb::Status status = db_.Get({}, db_.DefaultColumnFamily(), key(kInHand, id), &record);
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "message " + id.text()));
  const auto parts = parse_in_hand(view(record));
  if (!parts) return tl::unexpected<Error>(parts.error());
  batch.records.Put(key(kMessage, id), ::rocksdb::Slice(parts->head.data(), parts->head.size()));
  batch.records.Delete(key(kInHand, id));
  held.in_hand = false;
  return {};
}

void Jobs::put_job(Batch& batch, MessageId id, const Job& job) {
  const JobId job_id{id, job.number};
  batch.records.Put(job_key(job_id), encode(job));
  batch.jobs[job_id] = true;
  std::string queued = queue_key(job.destination, job.due, job_id);
  batch.records.Put(queued, ::rocksdb::Slice());
  announce(batch, std::move(queued), job.destination);
}

void Jobs::remove_job(Batch& batch, const JobId& id, const Held& held) {
  if (held.in_hand) return;
  batch.records.Delete(job_key(id));
  batch.records.Delete(queue_key(held.job.destination, held.job.due, id));
  batch.jobs[id] = false;
}

void Jobs::remove_message(Batch& batch, MessageId id, const Held& held) {
  batch.records.Delete(key(held.in_hand ? kInHand : kMessage, id));
  if (!held.in_file) {
    owner_.remove_mail_data(batch, id);
    return;
  }
  // Synced before the file goes: the machine may die in between, and no record may ever name a file that is gone.
  batch.sync = true;
  batch.when_written.push_back([this, id] { owner_.remove_file(id); });
}

/// The greatest number of those jobs that the message has once the batch is written; none: it has none.
std::optional<std::uint32_t> Jobs::last_number(const Batch& batch, MessageId id) const {
  std::optional<std::uint32_t> last;
  const auto first = batch.jobs.lower_bound(JobId{id, 0});
  for (auto known = first; known != batch.jobs.end() && known->first.message == id; ++known) {
    if (known->second) last = known->first.number;
  }
  const std::string prefix = key('j', id);
  const std::unique_ptr<::rocksdb::Iterator> stored(db_.NewIterator({}));
  for (stored->Seek(prefix); stored->Valid() && stored->key().starts_with(prefix); stored->Next()) {
    const std::uint32_t number = number_of(view(stored->key()));
    const auto known = batch.jobs.find(JobId{id, number});
    if ((known == batch.jobs.end() || known->second) && (!last || number > *last)) last = number;
  }
  if (!stored->status().ok()) return last.value_or(0);  // who knows: rather a message that stays than one that goes too early
  return last;
}

Result<Jobs::Effect> Jobs::settle(Batch& batch, const spool::Settlement& settlement) {
  const std::lock_guard lock(mutex_);
  const auto found = held_by(settlement.claim);
  if (found == held_.end()) return Effect::late;
  const JobId id = found->first;
  Held& held = found->second;
  Job rest = held.job;
  take_out(rest.recipients, settlement.done);
  std::vector<std::uint32_t> deferred;
  if (settlement.deferred) deferred = take_out(rest.recipients, settlement.deferred->recipients);
  const bool ends = rest.recipients.empty();
  const bool leaves_hand = held.in_hand && (!ends || !deferred.empty());
  const Held before = held;
  if (leaves_hand) {
    if (auto done = take_out_of_hand(batch, id.message, held); !done) return tl::unexpected<Error>(std::move(done.error()));
  }
  remember(batch, id, before);
  const bool defers = !deferred.empty();
  if (defers) {
    const spool::Settlement::Deferred& how = *settlement.deferred;
    Job again{id.number, how.destination, std::move(deferred), how.attempts, how.due, how.promised, how.last_reply};
    if (!ends) again.number = std::max(last_number(batch, id.message).value_or(0), id.number) + 1;
    if (!leaves_hand && again == held.job) {  // it is given back as it was
      announce(batch, queue_key(again.destination, again.due, id), again.destination);
    } else {
      if (ends && !leaves_hand) batch.records.Delete(queue_key(held.job.destination, held.job.due, id));
      put_job(batch, id.message, again);
    }
  }
  if (!ends) {
    if (leaves_hand) {
      put_job(batch, id.message, rest);
    } else if (rest != held.job) {  // its place in the queue stays what it was
      batch.records.Put(job_key(id), encode(rest));
      batch.jobs[id] = true;
    }
    held.job = std::move(rest);
    held.is_written = false;
    batch.when_written.push_back([this, id] {
      const std::lock_guard again(mutex_);
      held_.at(id).is_written = true;
    });
    return Effect::changed;
  }
  const bool in_hand = held.in_hand;
  if (!defers) remove_job(batch, id, held);
  const bool finished = !defers && (in_hand || !last_number(batch, id.message));
  if (finished) remove_message(batch, id.message, held);
  let_go(batch, found);
  return finished ? Effect::finished : Effect::changed;
}

Result<bool> Jobs::advance(Batch& batch, const JobId& id, WallTime now) {
  std::string record;
  const std::lock_guard lock(mutex_);
  // What is held, be it only until what this batch has changed about it is written, is not looked at.
  if (held_.contains(id)) return false;
  const ::rocksdb::Status status = db_.Get({}, job_key(id), &record);
  if (status.IsNotFound()) return false;
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "job of " + id.message.text()));
  auto job = decode_job(id.number, record);
  if (!job) return tl::unexpected<Error>(std::move(job.error()));
  if (job->due <= now) return true;
  batch.records.Delete(queue_key(job->destination, job->due, id));
  if (!job->promised) job->promised = job->due;
  job->due = now;
  put_job(batch, id.message, *job);
  let_go(batch, held_.try_emplace(id).first);
  batch.when_not.push_back([this, id] {
    const std::lock_guard again(mutex_);
    held_.erase(id);
  });
  return true;
}

}  // namespace adieu::rocksdb
