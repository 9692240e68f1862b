// The port to durable storage. io/rocksdb stands behind it; a store that several relays share (PostgreSQL) could: everything is a completion, it is the
// spool that knows what is due and what is pending, and whoever delivers has a claim that runs out. Rules R9 to R12; RFC 5321 sections 4.2.5 and 6.1.
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

  /// Makes the message durable: `done` is called with success only once it is synced. `head.id`, `.size` and `.in_file` are filled in here, and the
  /// numbers of `jobs`, which are one at least; each recipient is in one of them. Errors: no_space, io.
  virtual void commit(MessageHead head, std::vector<Job> jobs, Done<> done) = 0;

  /// The 2xx was handed over: the message is the relay's now and stays. Only after a commit that succeeded. Its jobs are claimed by whoever took it in
  /// from the commit on, so that nobody else can deliver what was not acknowledged (R10); a store that others share records the acknowledgement before it
  /// lets these claims run out.
  virtual std::vector<Claimed> acknowledge() = 0;
};

/// What came of a claimed job, or of some of its recipients. The claim is over when all of them are done with or deferred.
struct Settlement {
  Claim claim;
  std::vector<std::uint32_t> done;  // delivered, or failed for good: nothing is left to be done for them

  /// To be tried again by whoever claims them when that is due; or not tried, and given back. They are a job of their own where others of the claimed job
  /// are still under way.
  struct Deferred {
    std::vector<std::uint32_t> recipients;
    route::Destination destination;
    std::uint32_t attempts = 0;
    WallTime due{};
    std::optional<WallTime> promised{};
    std::string last_reply;
  };
  std::optional<Deferred> deferred{};
};

struct NewMessage {
  MessageHead head;         // id, size, in_file are filled in
  Job job;                  // all its recipients
  std::string mail_data;    // small: a delivery status notification
};

/// Made together or not at all, in their order: settlements of jobs, and the notifications about their message.
struct Settlements {
  std::vector<Settlement> jobs;
  std::vector<NewMessage> notifications;
};

struct Settled {
  bool late = false;                   // of no job was the claim good any more: nothing was changed, no notification stored
  std::vector<MessageId> finished;     // that have no job any more: they have left the spool
  std::vector<Claimed> notifications;  // in their order, to be delivered
};

/// Jobs that are due at one destination.
struct Due {
  std::vector<Claimed> jobs;           // the earliest first
  std::optional<WallTime> next;        // when the first of the others is due that nobody holds; none: there is none
};

struct QueuedAt {
  route::Destination destination;
  WallTime due{};                      // the first of its jobs
};

/// A job as it is stored.
struct Listed {
  std::shared_ptr<const MessageHead> head;
  Job job;
  bool is_held = false;                // somebody delivers it, or is about to
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

  /// Destinations for which something is queued, behind `after` in an order of the spool's own, at most `limit`. Jobs that are held by somebody may count.
  virtual void destinations(const route::Destination& after, std::size_t limit, Executor& executor, Done<std::vector<QueuedAt>> done) = 0;

  /// Claims, for `lease`, at most `limit` jobs that are due at `now` and that nobody holds.
  virtual void claim_due(const route::Destination& destination, WallTime now, std::size_t limit, Duration lease, Executor& executor, Done<Due> done) = 0;

  /// Holds on to claims for another `lease`. Those that are lost already stay so: their settlements will come too late.
  virtual void renew(const std::vector<Claim>& claims, Duration lease) = 0;

  /// Up to `length` octets of the mail data from `offset` on; fewer only at its end, by `head.size`. Errors: not_found, io; invalid when what is
  /// stored is shorter than that.
  virtual void read(const MessageHead& head, std::uint64_t offset, std::size_t length, Executor& executor,
                    Done<std::string> done) = 0;

  /// What is pending is decided where it is stored. Not synced by itself where nothing is lost by repeating it; notifications are.
  virtual void settle(Settlements settlements, Executor& executor, Done<Settled> done) = 0;

  /// Jobs of messages behind `after`, all of those of a message, of so many messages: for people. What is changed meanwhile may be shown as it was.
  virtual void list(MessageId after, std::size_t messages, Executor& executor, Done<std::vector<Listed>> done) = 0;

  /// Jobs that nobody holds are due now; what they were due before is promised to them. `done`: how many these were.
  virtual void advance(const std::vector<JobId>& jobs, WallTime now, Executor& executor, Done<std::size_t> done) = 0;

  /// R12: messages to be known by their fingerprints after a restart too. Not synced: at worst one is delivered twice.
  virtual void remember(const Unconfirmed& message) = 0;
  virtual void forget(const std::string& fingerprint) = 0;
  static constexpr std::size_t kSecretSize = 16;
  struct Recalled {
    std::vector<Unconfirmed> unconfirmed;
    bool ended_in_order = true;      // false: clients may not have heard the last acknowledgements
    std::vector<MessageHead> recent; // then: those that are queued and have arrived within the window, the oldest first
    std::string secret;              // kSecretSize random octets of this spool's own, the key of its fingerprints
  };
  /// At the start, before anything else; waits for the disk. `recent`: of the last `window`, and of so many messages at most.
  virtual Result<Recalled> recall(Duration window, std::size_t limit) = 0;
};

}  // namespace adieu::spool
