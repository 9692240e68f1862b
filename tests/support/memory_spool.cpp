// See memory_spool.h.
#include "support/memory_spool.h"

#include <algorithm>
#include <utility>


namespace adieu::test {

using spool::MessageHead;
using spool::MessageId;

class MemorySpool::Incoming final : public spool::Transaction {
 public:
  Incoming(MemorySpool& spool, Executor& executor) : spool_(spool), executor_(executor), id_(spool.next_id()) {}
  ~Incoming() override {
    *done_ = nullptr;
    if (!kept_) spool_.remove(id_);
  }
  MessageId id() const override { return id_; }

  bool append(std::string mail_data, spool::Done<> done) override {
    check(!*done_, "one question at a time");
    unwritten_ += mail_data.size();
    mail_data_ += mail_data;
    if (mail_data_.size() <= spool_.large_ || unwritten_ <= spool_.large_) return true;
    unwritten_ = 0;
    complete(spool_.attempt(SpoolOperation::append), std::move(done));
    return false;
  }

  void commit(MessageHead head, std::vector<spool::Job> jobs, spool::Done<> done) override {
    check(!*done_, "one question at a time");
    head.id = id_;
    head.size = mail_data_.size();
    head.in_file = mail_data_.size() > spool_.large_;
    Result<> result = spool_.attempt(SpoolOperation::commit);
    if (result) {
      const bool in_file = head.in_file;
      const auto stored = std::make_shared<const std::string>(std::move(mail_data_));
      claimed_ = spool_.put(std::make_shared<const MessageHead>(std::move(head)), std::move(jobs), stored);
      for (spool::Claimed& each : claimed_) each.mail_data = in_file ? nullptr : stored;
    }
    complete(std::move(result), std::move(done));
  }

  std::vector<spool::Claimed> acknowledge() override {
    check(!claimed_.empty() && !*done_ && !kept_, "only what is durable is acknowledged, and once");
    kept_ = true;
    return std::move(claimed_);
  }

 private:
  void complete(Result<> result, spool::Done<> done) {
    *done_ = std::move(done);
    executor_.post([waiting = done_, result = std::move(result)] {
      if (auto call = std::exchange(*waiting, nullptr)) call(result);
    });
  }

  MemorySpool& spool_;
  Executor& executor_;
  const MessageId id_;
  const std::shared_ptr<spool::Done<>> done_ = std::make_shared<spool::Done<>>();
  std::string mail_data_;
  std::size_t unwritten_ = 0;
  std::vector<spool::Claimed> claimed_;
  bool kept_ = false;
};

Result<std::unique_ptr<spool::Transaction>> MemorySpool::begin(Executor& executor) {
  if (auto result = attempt(SpoolOperation::begin); !result) return tl::unexpected<Error>(result.error());
  return std::make_unique<Incoming>(*this, executor);
}

void MemorySpool::destinations(const route::Destination& after, std::size_t limit, Executor& executor, spool::Done<std::vector<spool::QueuedAt>> done) {
  std::map<route::Destination, WallTime> found;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, message] : messages_) {
      for (const auto& [number, stored] : message.jobs) {
        if (stored.job.destination <= after) continue;
        const auto [place, is_new] = found.try_emplace(stored.job.destination, stored.job.due);
        place->second = std::min(place->second, stored.job.due);
      }
    }
  }
  std::vector<spool::QueuedAt> all;
  for (const auto& [destination, due] : found) {
    if (all.size() < limit) all.push_back({destination, due});
  }
  executor.post([all = std::move(all), done = std::move(done)]() mutable { done(std::move(all)); });
}

void MemorySpool::claim_due(const route::Destination& destination, WallTime now, std::size_t limit, Duration lease, Executor& executor,
                            spool::Done<spool::Due> done) {
  const Result<> result = attempt(SpoolOperation::claim);
  Result<spool::Due> due;
  if (!result) {
    due = tl::unexpected<Error>(result.error());
  } else {
    const std::lock_guard lock(mutex_);
    const auto instant = Time::clock::now();
    std::map<std::pair<WallTime, spool::JobId>, std::pair<Message*, Stored*>> free;
    for (auto& [id, message] : messages_) {
      for (auto& [number, stored] : message.jobs) {
        const bool is_free = stored.token == 0 || stored.until <= instant;
        if (is_free && stored.job.destination == destination) free[{stored.job.due, {id, number}}] = {&message, &stored};
      }
    }
    for (const auto& [place, job] : free) {
      if (place.first > now || due->jobs.size() == limit) {
        due->next = place.first;
        break;
      }
      job.second->token = ++last_token_;
      job.second->until = lease == Duration::max() ? Time::max() : instant + lease;
      due->jobs.push_back({{place.second, last_token_}, job.first->head, job.second->job, nullptr});
    }
  }
  executor.post([due = std::move(due), done = std::move(done)]() mutable { done(std::move(due)); });
}

void MemorySpool::renew(const std::vector<spool::Claim>& claims, Duration lease) {
  const std::lock_guard lock(mutex_);
  for (const spool::Claim& claim : claims) {
    if (Stored* const stored = held_by(claim)) stored->until = Time::clock::now() + lease;
  }
}

MemorySpool::Stored* MemorySpool::held_by(const spool::Claim& claim) {
  const auto message = messages_.find(claim.job.message);
  if (message == messages_.end()) return nullptr;
  const auto stored = message->second.jobs.find(claim.job.number);
  return stored != message->second.jobs.end() && stored->second.token == claim.token ? &stored->second : nullptr;
}

void MemorySpool::read(const MessageHead& head, std::uint64_t offset, std::size_t length, Executor& executor,
                       spool::Done<std::string> done) {
  const Result<> result = attempt(SpoolOperation::read);
  Result<std::string> part;
  if (!result) {
    part = tl::unexpected<Error>(result.error());
  } else {
    const std::lock_guard lock(mutex_);
    if (const auto found = messages_.find(head.id); found != messages_.end()) {
      const std::string& whole = *found->second.mail_data;
      part = whole.substr(std::min<std::uint64_t>(offset, whole.size()), length);
    } else {
      part = failure(ErrorKind::not_found, "mail data of " + head.id.text() + ": not in the spool");
    }
  }
  executor.post([part = std::move(part), done = std::move(done)]() mutable { done(std::move(part)); });
}

void MemorySpool::settle(spool::Settlements settlements, Executor& executor, spool::Done<spool::Settled> done) {
  const Result<> result = attempt(SpoolOperation::settle);
  Result<spool::Settled> settled;
  if (!result) {
    settled = tl::unexpected<Error>(result.error());
  } else {
    settled->late = true;
    for (const spool::Settlement& each : settlements.jobs) settle(each, *settled);
    if (!settled->late) {
      for (spool::NewMessage& message : settlements.notifications) {
        message.head.id = next_id();
        message.head.size = message.mail_data.size();
        message.head.in_file = false;
        const auto mail_data = std::make_shared<const std::string>(std::move(message.mail_data));
        auto claimed = put(std::make_shared<const MessageHead>(std::move(message.head)), {std::move(message.job)}, mail_data);
        claimed.front().mail_data = mail_data;
        settled->notifications.push_back(std::move(claimed.front()));
      }
    }
  }
  executor.post([settled = std::move(settled), done = std::move(done)]() mutable { done(std::move(settled)); });
}

void MemorySpool::settle(const spool::Settlement& settlement, spool::Settled& settled) {
  const std::lock_guard lock(mutex_);
  Stored* const stored = held_by(settlement.claim);
  if (stored == nullptr || frozen_) return;
  settled.late = false;
  const spool::JobId id = settlement.claim.job;
  auto& jobs = messages_.at(id.message).jobs;
  const auto take_out = [&](const std::vector<std::uint32_t>& which) {
    std::vector<std::uint32_t> taken;
    std::erase_if(stored->job.recipients, [&](std::uint32_t index) {
      if (std::find(which.begin(), which.end(), index) == which.end()) return false;
      taken.push_back(index);
      return true;
    });
    return taken;
  };
  take_out(settlement.done);
  if (settlement.deferred) {
    const spool::Settlement::Deferred& how = *settlement.deferred;
    spool::Job again{id.number, how.destination, take_out(how.recipients), how.attempts, how.due, how.promised, how.last_reply};
    if (!again.recipients.empty()) {
      if (!stored->job.recipients.empty()) again.number = jobs.rbegin()->first + 1;
      const std::uint32_t number = again.number;
      jobs[number] = {std::move(again), 0, {}};
      if (number == id.number) return;
    }
  }
  if (!stored->job.recipients.empty()) return;
  jobs.erase(id.number);
  if (!jobs.empty()) return;
  messages_.erase(id.message);
  settled.finished.push_back(id.message);
}

void MemorySpool::list(MessageId after, std::size_t messages, Executor& executor, spool::Done<std::vector<spool::Listed>> done) {
  std::vector<spool::Listed> all;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = messages_.upper_bound(after); at != messages_.end() && messages > 0; ++at, --messages) {
      for (const auto& [number, stored] : at->second.jobs) all.push_back({at->second.head, stored.job, stored.token != 0});
    }
  }
  executor.post([all = std::move(all), done = std::move(done)]() mutable { done(std::move(all)); });
}

void MemorySpool::advance(const std::vector<spool::JobId>& jobs, WallTime now, Executor& executor, spool::Done<std::size_t> done) {
  std::size_t count = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const spool::JobId& id : jobs) {
      const auto message = messages_.find(id.message);
      if (message == messages_.end()) continue;
      const auto stored = message->second.jobs.find(id.number);
      if (stored == message->second.jobs.end() || stored->second.token != 0) continue;
      ++count;
      spool::Job& job = stored->second.job;
      if (job.due <= now) continue;
      if (!job.promised) job.promised = job.due;
      job.due = now;
    }
  }
  executor.post([count, done = std::move(done)] { done(count); });
}

void MemorySpool::remember(const spool::Unconfirmed& message) {
  const std::lock_guard lock(mutex_);
  if (!frozen_) unconfirmed_[message.fingerprint] = message;
}

void MemorySpool::forget(const std::string& fingerprint) {
  const std::lock_guard lock(mutex_);
  if (!frozen_) unconfirmed_.erase(fingerprint);
}

Result<spool::Spool::Recalled> MemorySpool::recall(Duration window, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  Recalled recalled;
  recalled.secret.assign(kSecretSize, 'k');
  recalled.ended_in_order = ended_in_order_;
  for (auto at = messages_.rbegin(); !ended_in_order_ && at != messages_.rend() && recalled.recent.size() < limit; ++at) {
    if (at->second.head->arrived + window >= messages_.rbegin()->second.head->arrived) recalled.recent.push_back(*at->second.head);
  }
  std::reverse(recalled.recent.begin(), recalled.recent.end());
  for (const auto& [fingerprint, message] : unconfirmed_) recalled.unconfirmed.push_back(message);
  std::sort(recalled.unconfirmed.begin(), recalled.unconfirmed.end(), [](const auto& left, const auto& right) { return left.until < right.until; });
  return recalled;
}

std::optional<Error> MemorySpool::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void MemorySpool::set_trouble(std::optional<Error> why) {
  const std::lock_guard lock(mutex_);
  trouble_ = std::move(why);
}

void MemorySpool::fail(SpoolOperation operation, std::size_t nth, Error error) {
  const std::lock_guard lock(mutex_);
  faults_[static_cast<std::size_t>(operation)] = {nth, std::move(error)};
}

void MemorySpool::restart() {
  const std::lock_guard lock(mutex_);
  for (auto& [id, message] : messages_) {
    for (auto& [number, stored] : message.jobs) stored.token = 0;
  }
  ended_in_order_ = !std::exchange(frozen_, false);
}

void MemorySpool::freeze() {
  const std::lock_guard lock(mutex_);
  frozen_ = true;
}

bool MemorySpool::holds(MessageId id) const {
  const std::lock_guard lock(mutex_);
  return messages_.contains(id);
}

std::size_t MemorySpool::stored() const {
  const std::lock_guard lock(mutex_);
  return messages_.size();
}

Result<> MemorySpool::attempt(SpoolOperation operation) {
  const std::lock_guard lock(mutex_);
  Fault& fault = faults_[static_cast<std::size_t>(operation)];
  if (fault.left == 0 || --fault.left != 0) return {};
  return tl::unexpected<Error>(fault.error);
}

std::vector<spool::Claimed> MemorySpool::put(std::shared_ptr<const MessageHead> head, std::vector<spool::Job> jobs, spool::MailData mail_data) {
  const std::lock_guard lock(mutex_);
  std::vector<spool::Claimed> claimed;
  Message& message = messages_[head->id];
  for (spool::Job& job : jobs) {
    job.number = static_cast<std::uint32_t>(claimed.size());
    claimed.push_back({{{head->id, job.number}, ++last_token_}, head, job, nullptr});
    message.jobs[job.number] = {std::move(job), last_token_, Time::max()};
  }
  message.head = std::move(head);
  message.mail_data = std::move(mail_data);
  return claimed;
}

void MemorySpool::remove(MessageId id) {
  const std::lock_guard lock(mutex_);
  if (!frozen_) messages_.erase(id);
}

MessageId MemorySpool::next_id() {
  const std::lock_guard lock(mutex_);
  return MessageId{++last_id_};
}

}  // namespace adieu::test
