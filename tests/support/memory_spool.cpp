// See memory_spool.h.
#include "support/memory_spool.h"

#include <algorithm>
#include <utility>

#include "adieu/relay/spool/record.h"

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

  void commit(MessageHead head, spool::Done<> done) override {
    check(!*done_, "one question at a time");
    head.id = id_;
    head.size = mail_data_.size();
    head.in_file = mail_data_.size() > spool_.large_;
    Result<> result = spool_.attempt(SpoolOperation::commit);
    if (result) {
      head_ = std::make_shared<const MessageHead>(head);
      stored_ = std::make_shared<const std::string>(std::move(mail_data_));
      spool_.put(std::move(head), stored_);
    }
    complete(std::move(result), std::move(done));
  }

  Kept acknowledge() override {
    check(head_ && !*done_ && !kept_, "only what is durable is acknowledged, and once");
    kept_ = true;
    return {head_, head_->in_file ? nullptr : stored_};
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
  std::shared_ptr<const MessageHead> head_;
  spool::MailData stored_;
  bool kept_ = false;
};

Result<std::unique_ptr<spool::Transaction>> MemorySpool::begin(Executor& executor) {
  if (auto result = attempt(SpoolOperation::begin); !result) return tl::unexpected<Error>(result.error());
  return std::make_unique<Incoming>(*this, executor);
}

void MemorySpool::claim(MessageId after, std::size_t limit, Duration, Executor& executor, spool::Done<std::vector<spool::Stored>> done) {
  const Result<> result = attempt(SpoolOperation::claim);
  Result<std::vector<spool::Stored>> claimed;
  if (!result) {
    claimed = tl::unexpected<Error>(result.error());
  } else {
    const std::lock_guard lock(mutex_);
    for (auto at = messages_.upper_bound(after); at != messages_.end() && claimed->size() < limit; ++at) {
      if (!std::exchange(at->second.claimed, true)) claimed->push_back({std::make_shared<const MessageHead>(at->second.head)});
    }
  }
  executor.post([claimed = std::move(claimed), done = std::move(done)]() mutable { done(std::move(claimed)); });
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

void MemorySpool::settle(spool::Settlement settlement, Executor& executor, spool::Done<std::vector<spool::Transaction::Kept>> done) {
  const Result<> result = attempt(SpoolOperation::settle);
  Result<std::vector<spool::Transaction::Kept>> stored;
  if (!result) {
    stored = tl::unexpected<Error>(result.error());
  } else if (holds(settlement.id)) {
    for (spool::NewMessage& message : settlement.notifications) {
      message.head.id = next_id();
      message.head.size = message.mail_data.size();
      message.head.in_file = false;
      const auto mail_data = std::make_shared<const std::string>(std::move(message.mail_data));
      put(message.head, mail_data);
      stored->push_back({std::make_shared<const MessageHead>(std::move(message.head)), mail_data});
    }
    const std::lock_guard lock(mutex_);
    if (settlement.finished) {
      messages_.erase(settlement.id);
    } else {
      spool::MessageHead& head = messages_.at(settlement.id).head;
      for (const spool::RecipientUpdate& update : settlement.updates) check(spool::apply(update, head).has_value(), "no such recipient");
    }
  }
  executor.post([stored = std::move(stored), done = std::move(done)]() mutable { done(std::move(stored)); });
}

void MemorySpool::remember(const spool::Unconfirmed& message) {
  const std::lock_guard lock(mutex_);
  if (!frozen_) unconfirmed_[message.fingerprint] = message;
}

void MemorySpool::forget(const std::string& fingerprint) {
  const std::lock_guard lock(mutex_);
  if (!frozen_) unconfirmed_.erase(fingerprint);
}

Result<spool::Spool::Recalled> MemorySpool::recall() {
  const std::lock_guard lock(mutex_);
  Recalled recalled;
  recalled.secret.assign(kSecretSize, 'k');
  recalled.ended_in_order = ended_in_order_;
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
  for (auto& [id, message] : messages_) message.claimed = false;
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

void MemorySpool::put(MessageHead head, spool::MailData mail_data) {
  const std::lock_guard lock(mutex_);
  const MessageId id = head.id;
  messages_[id] = {std::move(head), std::move(mail_data), true};
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
