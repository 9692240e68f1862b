// See reception.h.
#include "adieu/relay/receive/reception.h"

#include <chrono>
#include <utility>

#include "adieu/base/bytes.h"
#include "adieu/base/result.h"
#include "adieu/protocol/mail/message_id.h"
#include "adieu/protocol/mail/seven_bit.h"
#include "adieu/protocol/mail/trace.h"
#include "adieu/protocol/smtp/reply_catalog.h"
#include "adieu/relay/observe/events.h"
#include "adieu/relay/queue/jobs.h"

namespace adieu::receive {
namespace {

constexpr std::size_t kHeloOctets = 64;  // of a client's name, that are kept with a message

observe::ClientFacts facts_of(const Client& client) {
  return {client.endpoint, client.name.name, client.listener.name, client.connection, client.tls};
}

/// The session's mail transaction, in the spool. Destroying it destroys the spool's, which rolls back or revokes.
class SpooledTransaction final : public smtp::Transaction {
 public:
  SpooledTransaction(Reception::Shared& shared, const Loop& loop, std::unique_ptr<spool::Transaction> stored, Duration window, std::string connection)
      : shared_(shared), loop_(loop), stored_(std::move(stored)), window_(window), connection_(std::move(connection)) {
    if (window != Duration(0)) hash_ = shared.keyed_hash(shared.secret);
  }
  ~SpooledTransaction() override {
    release_memory();
    if (again_ && !was_acknowledged_) shared_.note_unconfirmed(std::move(*again_), loop_.wall());
    if (durable && !was_acknowledged_) shared_.log.write(LogLevel::info, observe::revoked(committed_, connection_));
  }

  void acknowledge() noexcept override {
    was_acknowledged_ = true;
    if (again_) {  // nothing was stored this time
      shared_.spool.forget(again_->fingerprint);
      ++shared_.metrics.duplicates;
      return;
    }
    shared_.metrics.count_queued(committed_.recipients);
    std::vector<spool::Claimed> claimed = stored_->acknowledge();
    const spool::MessageHead& kept = *claimed.front().head;
    acknowledged_ = {kept.fingerprint, kept.id, kept.arrived + window_};
    shared_.accept(std::move(claimed));
  }
  mail::MessageSummary summary() const override { return committing_ ? committed_ : observe::summary(head); }
  void unconfirmed() noexcept override {
    if (again_) {
      shared_.note_unconfirmed(*again_, loop_.wall());
    } else if (!acknowledged_.fingerprint.empty()) {
      shared_.note_unconfirmed(acknowledged_, loop_.wall());
    }
  }

  bool take_memory(std::size_t octets) {
    const std::uint64_t limit = shared_.config.limits.transaction_memory;
    if (shared_.memory.fetch_add(octets, std::memory_order_relaxed) + octets > limit) {
      shared_.memory.fetch_sub(octets, std::memory_order_relaxed);
      return false;
    }
    memory_ += octets;
    return true;
  }
  void release_memory() {
    shared_.memory.fetch_sub(memory_, std::memory_order_relaxed);
    memory_ = 0;
  }

  /// R12. The fingerprint of what was said since MAIL; ends the hash.
  std::string fingerprint(const IpAddress& client) {
    const std::string mail_data = hash_->finish();
    hash_->update(mail_data).update(client.text()).update("\n").update(head.reverse_path.text());
    for (const spool::Recipient& recipient : head.recipients) hash_->update("\n").update(recipient.forward_path.text());
    return hash_->finish();
  }
  void look_at(Octets mail_data) {
    if (hash_) hash_->update(mail_data);
    message_id_.feed(mail_data);
    look_for_eight_bit(mail_data);
  }
  void look_for_eight_bit(Octets octets) { eight_bit_ = eight_bit_ || mail::has_eight_bit(octets); }
  /// What the octets are: a client may have said something else, or nothing.
  mail::BodyType body() const { return eight_bit_ ? mail::BodyType::eight_bit_mime : mail::BodyType::seven_bit; }
  const std::string& message_id() const { return message_id_.value(); }
  /// `head` has its recipients and its size, and is about to be given away.
  void begin_commit(spool::MessageId id) {
    committing_ = true;
    committed_ = observe::summary(head);
    committed_.queue_id = id.text();
  }
  /// It came before: nothing is stored, and its 2xx is said again. Should that one be lost too, the message is noted again.
  void say_again(spool::Unconfirmed message) { again_ = std::move(message); }
  /// False: it is never taken for one that came before, so it needs no fingerprint (R12).
  bool can_be_a_duplicate() const { return window_ != Duration(0) && message_id_.found(); }

  spool::Transaction& stored() { return *stored_; }
  spool::MessageHead head;
  bool durable = false;

 private:
  Reception::Shared& shared_;
  const Loop& loop_;
  std::unique_ptr<spool::Transaction> stored_;
  std::uint64_t memory_ = 0;
  Duration window_;
  std::unique_ptr<KeyedHash> hash_;  // null where there is no window
  mail::MessageIdFinder message_id_;
  spool::Unconfirmed acknowledged_;
  std::optional<spool::Unconfirmed> again_;
  bool eight_bit_ = false;
  bool was_acknowledged_ = false;
  const std::string connection_;
  mail::MessageSummary committed_;       // set with `committing_`, when `head` goes to the spool
  bool committing_ = false;
};

/// The sessions of the relay are given SpooledTransactions and nothing else.
SpooledTransaction& spooled(smtp::Transaction* transaction) { return static_cast<SpooledTransaction&>(*transaction); }

}  // namespace

smtp::Reply reply_of(const Error& error) {
  return error.kind == ErrorKind::no_space ? smtp::reply::insufficient_storage() : smtp::reply::local_error();
}

void Reception::Shared::note_unconfirmed(spool::Unconfirmed message, WallTime now) {
  spool.remember(message);
  for (const std::string& fingerprint : duplicates.note(std::move(message), now)) spool.forget(fingerprint);
}

Result<> Reception::Shared::recall(WallTime now) {
  const Duration window = config.closure.duplicate_window;
  auto recalled = spool.recall(window, spool::DuplicateWindow::kLimit);
  if (!recalled) return tl::unexpected<Error>(std::move(recalled.error()));
  secret = std::move(recalled->secret);
  for (spool::Unconfirmed& message : recalled->unconfirmed) {
    for (const std::string& fingerprint : duplicates.note(std::move(message), now)) spool.forget(fingerprint);
  }
  // Where the last run did not end in order, their clients may not have their 250.
  for (const spool::MessageHead& head : recalled->recent) {
    if (!head.fingerprint.empty()) note_unconfirmed({head.fingerprint, head.id, head.arrived + window}, now);
  }
  return {};
}

std::optional<smtp::Answer> Reception::ask(const Client& client, smtp::Question question, std::function<void(smtp::Answer)> later) {
  if (auto* mail = std::get_if<smtp::MailQuestion>(&question)) return begin(client, std::move(*mail));
  if (auto* to = std::get_if<smtp::RecipientQuestion>(&question)) return smtp::RecipientAnswer{recipient(client, std::move(*to))};
  if (auto* data = std::get_if<smtp::AppendQuestion>(&question)) return append(std::move(*data), std::move(later));
  return commit(client, std::get<smtp::CommitQuestion>(question), std::move(later));
}

smtp::MailAnswer Reception::begin(const Client& client, smtp::MailQuestion question) {
  auto stored = shared_.spool.begin(loop_);
  if (!stored) return reply_of(stored.error());
  auto transaction = std::make_unique<SpooledTransaction>(shared_, loop_, std::move(*stored), client.listener.duplicate_window, std::string(client.connection));
  transaction->head.reverse_path = std::move(question.reverse_path);
  return transaction;
}

smtp::Reply Reception::recipient(const Client& client, smtp::RecipientQuestion question) {
  access::Decision decision = shared_.rules.decide(client.endpoint.address, question.forward_path);
  if (const auto* refusal = std::get_if<smtp::Reply>(&decision)) return *refusal;
  spool::Recipient recipient;
  auto& relay = std::get<access::Accepted>(decision);
  recipient.forward_path = relay.instead ? std::move(*relay.instead) : std::move(question.forward_path);
  recipient.next_hop = std::move(relay.next_hop);
  spooled(question.transaction).head.recipients.push_back(std::move(recipient));
  return smtp::reply::recipient_ok();
}

std::optional<smtp::Answer> Reception::append(smtp::AppendQuestion question, std::function<void(smtp::Answer)> later) {
  SpooledTransaction& transaction = spooled(question.transaction);
  if (!transaction.take_memory(question.mail_data.size())) return smtp::AppendAnswer{smtp::reply::insufficient_storage()};
  transaction.look_at(question.mail_data);
  const bool stored = transaction.stored().append(
      std::move(question.mail_data), [this, later = std::move(later), &transaction](Result<> done) {
        transaction.release_memory();
        if (done) {
          later(smtp::AppendAnswer{});
          return;
        }
        shared_.log.write(LogLevel::error, LogLine("spool-write").field("error", done.error().message));
        later(smtp::AppendAnswer{reply_of(done.error())});
      });
  if (!stored) return std::nullopt;
  return smtp::AppendAnswer{};
}

std::optional<smtp::Answer> Reception::commit(const Client& client, smtp::CommitQuestion question, std::function<void(smtp::Answer)> later) {
  SpooledTransaction& transaction = spooled(question.transaction);
  spool::MessageHead& head = transaction.head;
  head.arrived = loop_.wall();
  if (transaction.can_be_a_duplicate()) {
    head.fingerprint = transaction.fingerprint(client.endpoint.address);
    if (auto before = shared_.duplicates.take(head.fingerprint, head.arrived)) {
      head.size = question.size;
      const spool::MessageId id = before->id;
      transaction.begin_commit(id);
      shared_.log.write(LogLevel::info, observe::duplicate(transaction.summary(), facts_of(client), transaction.message_id()));
      transaction.say_again(std::move(*before));
      return smtp::CommitAnswer{smtp::reply::queued(id.text())};
    }
  }
  head.client = observe::client_text(client.endpoint) + (client.name.name.empty() ? "" : " helo=" + printable(client.name.name, kHeloOctets));
  head.size = question.size;
  const spool::MessageId id = transaction.stored().id();
  mail::Arrival trace;
  const std::string queue_id = id.text();
  trace.client_name = client.name.name;
  trace.client_address = client.endpoint.address;
  trace.hostname = shared_.config.hostname;
  trace.protocol = client.name.extended ? mail::WithProtocol::esmtp : mail::WithProtocol::smtp;
  if (client.tls != nullptr) trace.tls = mail::ReceivedTls{client.tls->version, client.tls->cipher};
  trace.queue_id = queue_id;
  if (head.recipients.size() == 1) trace.only_recipient = &head.recipients.front().forward_path;
  trace.time = head.arrived;
  head.trace = mail::received_field(trace);
  transaction.look_for_eight_bit(head.trace);
  head.body = transaction.body();
  const std::string_view with = client.name.extended ? (client.tls != nullptr ? "ESMTPS" : "ESMTP") : "SMTP";
  const LogLine queued = observe::queued(id, head, facts_of(client), with, transaction.message_id());
  transaction.begin_commit(id);
  std::vector<spool::Job> jobs = queue::jobs_of(head, shared_.config);
  transaction.stored().commit(std::move(head), std::move(jobs), [this, later = std::move(later), &transaction, id, queued](Result<> done) {
    transaction.release_memory();
    if (!done) {
      shared_.log.write(LogLevel::error, LogLine("spool-commit").field("queue-id", id.text()).field("error", done.error().message));
      later(smtp::CommitAnswer{reply_of(done.error())});
      return;
    }
    transaction.durable = true;
    shared_.log.write(LogLevel::info, queued);
    later(smtp::CommitAnswer{smtp::reply::queued(id.text())});
  });
  return std::nullopt;
}

void Reception::refused(const Client& client, const smtp::Refusal& refusal) {
  const bool syntax = refusal.about_syntax();
  shared_.metrics.count(refusal);
  shared_.log.write(syntax ? shared_.config.log_syntax_errors : LogLevel::info, observe::rejected(refusal, facts_of(client)));
}

}  // namespace adieu::receive
