// See jobs.h: what is due, who claims it, and what people are shown of it.
#include <algorithm>
#include <utility>

#include "io/rocksdb/jobs.h"
#include "io/rocksdb/keys.h"
#include "io/rocksdb/record.h"

namespace adieu::rocksdb {

using spool::Job;
using spool::JobId;
using spool::MessageId;

/// Once it is written, and nobody's: whoever looks before that passes it over.
void Jobs::announce(Batch& batch, std::string key, const route::Destination& destination) {
  batch.afterwards.push_back([this, key = std::move(key), prefix = queue_prefix(destination)] {
    const std::lock_guard lock(mutex_);
    step_back(prefix, key);
  });
}

void Jobs::step_back(const std::string& prefix, const std::string& key) {
  const auto place = places_.find(prefix);
  if (place == places_.end()) return;
  ++place->second.changes;
  place->second.key = std::min(place->second.key, key);
}

Result<std::vector<spool::QueuedAt>> Jobs::destinations(const route::Destination& after, std::size_t limit) {
  constexpr std::size_t kBehindAll = 24;
  std::vector<spool::QueuedAt> all;
  const std::unique_ptr<::rocksdb::Iterator> queue(db_.NewIterator({}));
  std::string from = after == route::Destination{} ? std::string("q") : queue_prefix(after) + std::string(kBehindAll, '\xff');
  while (all.size() < limit) {
    queue->Seek(from);
    if (!queue->Valid()) break;
    auto queued = parse_queue_key(view(queue->key()));
    if (!queued) break;
    from = queue_prefix(queued->destination) + std::string(kBehindAll, '\xff');
    all.push_back({std::move(queued->destination), queued->due});
  }
  if (!queue->status().ok()) return tl::unexpected<Error>(to_error(queue->status(), "queued messages"));
  return all;
}

bool Jobs::is_held(const JobId& id) const {
  const std::lock_guard lock(mutex_);
  return held_.contains(id);
}

/// Those in hand and the others, in one order. What cannot be read is left out: who claims it tells of it.
Result<std::vector<spool::Listed>> Jobs::list(MessageId after, std::size_t messages) {
  std::vector<spool::Listed> all;
  const std::unique_ptr<::rocksdb::Iterator> in_hand(db_.NewIterator({}));
  const std::unique_ptr<::rocksdb::Iterator> others(db_.NewIterator({}));
  const auto begin = [&](::rocksdb::Iterator& at, char kind) {
    at.Seek(key(kind, after));
    if (at.Valid() && view(at.key()) == key(kind, after)) at.Next();
  };
  const auto id_at = [](const ::rocksdb::Iterator& at, char kind) -> std::optional<MessageId> {
    if (!at.Valid() || !view(at.key()).starts_with(kind)) return std::nullopt;
    return id_of(view(at.key()));
  };
  begin(*in_hand, kInHand);
  begin(*others, kMessage);
  const std::unique_ptr<::rocksdb::Iterator> jobs(db_.NewIterator({}));  // of the others, in their order
  jobs->Seek(key('j', after));
  while (messages > 0) {
    const auto held = id_at(*in_hand, kInHand);
    const auto queued = id_at(*others, kMessage);
    if (!held && !queued) break;
    if (held && (!queued || *held < *queued)) {
      const auto parts = parse_in_hand(view(in_hand->value()));
      auto head = decode_head(*held, parts ? parts->head : Octets());
      auto job = decode_job(0, parts ? parts->job : Octets());
      if (head && job) {
        all.push_back({std::make_shared<const spool::MessageHead>(std::move(*head)), std::move(*job), true});
        --messages;
      }
      in_hand->Next();
      continue;
    }
    auto head = decode_head(*queued, view(others->value()));
    const auto shared = head ? std::make_shared<const spool::MessageHead>(std::move(*head)) : nullptr;
    const std::size_t before = all.size();
    for (; jobs->Valid() && jobs->key().starts_with("j") && id_of(view(jobs->key())) <= *queued; jobs->Next()) {
      if (!shared || id_of(view(jobs->key())) != *queued) continue;
      auto job = decode_job(number_of(view(jobs->key())), view(jobs->value()));
      if (!job) continue;
      const bool with_somebody = is_held({*queued, job->number});
      all.push_back({shared, std::move(*job), with_somebody});
    }
    if (all.size() != before) --messages;
    others->Next();
  }
  for (const auto* each : {&in_hand, &others, &jobs}) {
    if (!(*each)->status().ok()) return tl::unexpected<Error>(to_error((*each)->status(), "queued messages"));
  }
  return all;
}

/// A claim that has run out may be anywhere in a queue.
void Jobs::look_again_behind_lost_claims(Threads::Time now) {
  if (now < first_lost_) return;
  first_lost_ = Threads::Time::max();
  for (const auto& [id, held] : held_) {
    if (held.token != 0) first_lost_ = std::min(first_lost_, held.is_written ? std::max(held.until, now) : now);
  }
  for (auto& [prefix, place] : places_) {
    place.key = prefix;
    ++place.changes;
  }
}

std::string Jobs::begin_to_look(const std::string& prefix, std::uint64_t& changes) {
  const std::lock_guard lock(mutex_);
  look_again_behind_lost_claims(threads_.now());
  Place& place = places_[prefix];
  if (place.key.empty()) place.key = prefix;
  ++place.looking;
  changes = place.changes;
  return place.key;
}

/// `next`: the first key that was left; none: nothing was.
void Jobs::end_to_look(const std::string& prefix, std::uint64_t changes, std::optional<std::string> next) {
  const std::lock_guard lock(mutex_);
  const auto place = places_.find(prefix);
  --place->second.looking;
  if (place->second.changes == changes && next) place->second.key = std::move(*next);
  if (place->second.looking == 0 && !next && place->second.changes == changes) places_.erase(place);
}

bool Jobs::take(const JobId& id, std::uint64_t token, Threads::Time now, Threads::Time until) {
  const std::lock_guard lock(mutex_);
  const auto [held, is_new] = held_.try_emplace(id);
  if (!is_new && (held->second.token == 0 || !held->second.is_written || held->second.until > now)) return false;
  held->second.token = token;
  held->second.until = until;
  first_lost_ = std::min(first_lost_, until);
  return true;
}

/// None: it is not what the queue's key said, which was older.
Result<std::optional<Jobs::Stored>> Jobs::load(const Queued& queued) {
  std::string record;
  ::rocksdb::Status status = db_.Get({}, job_key(queued.job), &record);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "job of " + queued.job.message.text()));
  auto job = decode_job(queued.job.number, record);
  if (!job) return tl::unexpected<Error>(std::move(job.error()));
  if (job->due != queued.due || job->destination != queued.destination) return std::nullopt;
  status = db_.Get({}, key(kMessage, queued.job.message), &record);
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "message " + queued.job.message.text()));
  auto head = decode_head(queued.job.message, record);
  if (!head) return tl::unexpected<Error>(std::move(head.error()));
  if (job->recipients.empty() || job->recipients.back() >= head->recipients.size()) {
    return failure(ErrorKind::invalid, "job record: it has recipients that its message has not");
  }
  return Stored{std::make_shared<const spool::MessageHead>(std::move(*head)), std::move(*job)};
}

Result<spool::Due> Jobs::claim_due(const route::Destination& destination, WallTime now, std::size_t limit, Duration lease) {
  const std::string prefix = queue_prefix(destination);
  const Threads::Time instant = threads_.now();
  const Threads::Time until = lease == Duration::max() ? Threads::Time::max() : instant + lease;
  std::uint64_t changes = 0;
  const std::string from = begin_to_look(prefix, changes);
  const std::unique_ptr<::rocksdb::Iterator> queue(db_.NewIterator({}));
  spool::Due due;
  std::optional<std::string> next;
  for (queue->Seek(from); queue->Valid() && queue->key().starts_with(prefix); queue->Next()) {
    const auto queued = parse_queue_key(view(queue->key()));
    if (!queued) continue;
    if (queued->due > now || due.jobs.size() == limit) {
      // Held by somebody, most likely: then it is looked at again, and no harm is done.
      next = view(queue->key());
      due.next = queued->due;
      break;
    }
    const std::uint64_t token = ++last_token_;
    if (!take(queued->job, token, instant, until)) continue;
    auto stored = load(*queued);
    const std::lock_guard lock(mutex_);
    const auto held = held_.find(queued->job);
    if (stored && !*stored) {
      held_.erase(held);
    } else if (!stored) {
      held->second.token = 0;  // and stays so, for as long as this run lasts
      log_.write(LogLevel::error, LogLine("spool-record")
                                      .field("queue-id", queued->job.message.text())
                                      .field("error", stored.error().message)
                                      .field("hint", "the message is kept in the spool and not delivered; keep a copy of the directory and report it"));
    } else {
      held->second.in_file = (*stored)->head->in_file;
      held->second.job = (*stored)->job;
      due.jobs.push_back({{queued->job, token}, std::move((*stored)->head), std::move((*stored)->job), nullptr});
    }
  }
  const ::rocksdb::Status status = queue->status();
  if (!status.ok() && !next) next = from;
  end_to_look(prefix, changes, std::move(next));
  // What was claimed before the failure is handed over; whoever asks for more meets it again.
  if (!status.ok() && due.jobs.empty()) return tl::unexpected<Error>(to_error(status, "queued messages"));
  return due;
}

void Jobs::renew(const std::vector<spool::Claim>& claims, Duration lease) {
  const Threads::Time until = threads_.now() + lease;
  const std::lock_guard lock(mutex_);
  for (const spool::Claim& claim : claims) {
    const auto held = held_by(claim);
    if (held != held_.end() && !held->second.in_hand) held->second.until = until;
  }
}

}  // namespace adieu::rocksdb
