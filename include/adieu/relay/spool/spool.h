// The port to durable storage. io/rocksdb stands behind it; a shared store (PostgreSQL) could: everything is a completion, and
// whoever delivers a message holds a claim on it that runs out. Rules R9, R10; RFC 5321 sections 4.2.5 and 6.1.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adieu/base/result.h"
#include "adieu/base/task.h"
#include "adieu/relay/spool/message.h"

namespace adieu::spool {

/// Runs once, on the executor that was given to `begin` or to the call; never within the call.
template <class T = void>
using Done = std::function<void(Result<T>)>;

/// A message on its way in. Owned and used by one thread. Destroying it rolls back whatever was stored and, after a commit that
/// succeeded, revokes the message: it is withdrawn before anybody could claim it (R9, R10). Destruction never blocks and may
/// come while an append or commit is under way (its completion is then not called).
class Transaction {
 public:
  virtual ~Transaction() = default;
  virtual MessageId id() const = 0;

  /// Mail data in order. True: stored or buffered, go on. False: `done` will be called when there is room again, or with the
  /// error after which nothing but destruction is left; no other call until then. At most one message's threshold
  /// (config::Spool::large) is buffered, beyond it a file takes the octets.
  virtual bool append(std::string mail_data, Done<> done) = 0;

  /// Makes the message durable: `done` is called with success only once it is synced. `head.id`, `.size` and `.in_file` are
  /// filled in here. Errors: no_space, io.
  virtual void commit(MessageHead head, Done<> done) = 0;

  /// The 2xx was handed over: the message is the relay's now and stays. Returns what the queue needs to deliver it: the head,
  /// and the mail data where it is small enough to have been kept. Only after a commit that succeeded.
  struct Kept {
    std::shared_ptr<const MessageHead> head;
    MailData mail_data;  // null when it stands in a file
  };
  virtual Kept acknowledge() = 0;
};

/// What an attempt changed about a message: written without waiting for a sync of its own where nothing is lost by repeating it.
struct RecipientUpdate {
  std::uint32_t index = 0;  // into MessageHead::recipients
  RecipientState state = RecipientState::pending;
  std::uint32_t attempts = 0;
  WallTime next_attempt{};
  std::string last_reply;
};
struct NewMessage {
  MessageHead head;         // id, size, in_file are filled in
  std::string mail_data;    // small: a delivery status notification
};
struct Settlement {
  MessageId id;
  std::vector<RecipientUpdate> updates;
  bool finished = false;                     // no recipient is pending: the message and its mail data leave the spool
  std::vector<NewMessage> notifications;     // become durable together with the updates, or not at all
};

struct Stored {
  std::shared_ptr<const MessageHead> head;
};

/// May be used from any thread. Outlives its transactions, and is outlived by every executor that it was given: what is under way when it is
/// destroyed is still posted.
class Spool {
 public:
  virtual ~Spool() = default;

  /// A transaction whose completions run on `executor`. Errors: no_space when the free space is below its limit, io when the disk takes nothing:
  /// until it does again.
  virtual Result<std::unique_ptr<Transaction>> begin(Executor& executor) = 0;

  /// Why nothing can be written now, if nothing can: no delivery should begin, since what comes of it could not be recorded, and the
  /// message would be delivered again. Passes by itself where its cause does. From any thread, never waits.
  virtual std::optional<Error> trouble() const = 0;

  /// Messages that nobody holds a claim on, oldest first, from `after` on, at most `limit`; they are claimed by this. For one
  /// relay with its own spool a claim lasts until settled; in a shared one until `lease` runs out and is renewed by claiming again.
  virtual void claim(MessageId after, std::size_t limit, Duration lease, Executor& executor, Done<std::vector<Stored>> done) = 0;

  /// Up to `length` octets of the mail data from `offset` on; fewer only at its end, by `head.size`. Errors: not_found, io; invalid when what is
  /// stored is shorter than that.
  virtual void read(const MessageHead& head, std::uint64_t offset, std::size_t length, Executor& executor,
                    Done<std::string> done) = 0;

  /// R12: messages to be known by their fingerprints after a restart too. Not synced: at worst one is delivered twice.
  virtual void remember(const Unconfirmed& message) = 0;
  virtual void forget(const std::string& fingerprint) = 0;
  static constexpr std::size_t kSecretSize = 16;
  struct Recalled {
    std::vector<Unconfirmed> unconfirmed;
    bool ended_in_order = true;  // false: clients may not have heard the last acknowledgements
    std::string secret;          // kSecretSize random octets of this spool's own, the key of its fingerprints
  };
  /// At the start, before anything else; waits for the disk.
  virtual Result<Recalled> recall() = 0;

  /// `done` gets the heads of the notifications as they were stored, in their order. A settlement of a message that has left the spool changes
  /// nothing, and stores none of them.
  virtual void settle(Settlement settlement, Executor& executor, Done<std::vector<Transaction::Kept>> done) = 0;
};

}  // namespace adieu::spool
