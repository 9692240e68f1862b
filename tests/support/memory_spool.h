// A spool in memory that obeys the port's contract, for tests of those who use one: completions come through the executor, large mail data
// gives back-pressure, and any operation can be told to fail. Nothing survives it but a `restart` of its own.
#pragma once

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>

#include "adieu/relay/spool/spool.h"

namespace adieu::test {

enum class SpoolOperation : std::uint8_t { begin, append, commit, claim, read, settle };

class MemorySpool final : public spool::Spool {
 public:
  static constexpr std::size_t kLarge = 4096;

  /// Mail data beyond `large` octets counts as standing in a file. What fails at append is the part that goes to that file.
  explicit MemorySpool(std::size_t large = kLarge) : large_(large) {}

  Result<std::unique_ptr<spool::Transaction>> begin(Executor& executor) override;
  std::optional<Error> trouble() const override;
  void destinations(const route::Destination& after, std::size_t limit, Executor& executor, spool::Done<std::vector<spool::QueuedAt>> done) override;
  void claim_due(const route::Destination& destination, WallTime now, std::size_t limit, Duration lease, Executor& executor,
                 spool::Done<spool::Due> done) override;
  void renew(const std::vector<spool::Claim>& claims, Duration lease) override;
  void read(const spool::MessageHead& head, std::uint64_t offset, std::size_t length, Executor& executor,
            spool::Done<std::string> done) override;
  void settle(spool::Settlements settlements, Executor& executor, spool::Done<spool::Settled> done) override;
  void list(spool::MessageId after, std::size_t messages, Executor& executor, spool::Done<std::vector<spool::Listed>> done) override;
  void advance(const std::vector<spool::JobId>& jobs, WallTime now, Executor& executor, spool::Done<std::size_t> done) override;

  void remember(const spool::Unconfirmed& message) override;
  void forget(const std::string& fingerprint) override;
  Result<Recalled> recall(Duration window, std::size_t limit) override;

  /// Nothing can be written from now on, for that reason; none: it can again.
  void set_trouble(std::optional<Error> why);
  /// The `nth` operation of that kind from now on (1: the next) fails with `error`, once.
  void fail(SpoolOperation operation, std::size_t nth, Error error);
  /// The relay's process is killed: what it still does on its way out changes nothing. Until `restart`.
  void freeze();
  /// As if the relay had ended and begun again: nobody holds a claim. Transactions must be gone.
  void restart();
  /// Messages that are stored, acknowledged or not.
  std::size_t stored() const;
  bool holds(spool::MessageId id) const;

 private:
  class Incoming;
  using Time = std::chrono::steady_clock::time_point;
  struct Stored {
    spool::Job job;
    std::uint64_t token = 0;  // 0: nobody holds it
    Time until{};
  };
  struct Message {
    std::shared_ptr<const spool::MessageHead> head;
    spool::MailData mail_data;
    std::map<std::uint32_t, Stored> jobs;
  };
  struct Fault {
    std::size_t left = 0;  // 0: none is set
    Error error;
  };

  Result<> attempt(SpoolOperation operation);
  std::vector<spool::Claimed> put(std::shared_ptr<const spool::MessageHead> head, std::vector<spool::Job> jobs, spool::MailData mail_data);
  Stored* held_by(const spool::Claim& claim);
  void settle(const spool::Settlement& settlement, spool::Settled& settled);
  void remove(spool::MessageId id);
  spool::MessageId next_id();

  const std::size_t large_;
  mutable std::mutex mutex_;
  std::map<spool::MessageId, Message> messages_;  // guarded by mutex_, as are those below
  std::array<Fault, 6> faults_;
  std::optional<Error> trouble_;
  bool frozen_ = false;
  bool ended_in_order_ = true;
  std::map<std::string, spool::Unconfirmed> unconfirmed_;
  std::uint64_t last_id_ = 0;
  std::uint64_t last_token_ = 0;
};

}  // namespace adieu::test
