// A spool in memory that obeys the port's contract, for tests of those who use one: completions come through the executor, large mail data
// gives back-pressure, and any operation can be told to fail. Nothing survives it but a `restart` of its own.
#pragma once

#include <array>
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
  void claim(spool::MessageId after, std::size_t limit, Duration lease, Executor& executor,
             spool::Done<std::vector<spool::Stored>> done) override;
  void read(const spool::MessageHead& head, std::uint64_t offset, std::size_t length, Executor& executor,
            spool::Done<std::string> done) override;
  void settle(spool::Settlement settlement, Executor& executor,
              spool::Done<std::vector<spool::Transaction::Kept>> done) override;

  void remember(const spool::Unconfirmed& message) override;
  void forget(const std::string& fingerprint) override;
  Result<Recalled> recall() override;

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
  struct Message {
    spool::MessageHead head;
    spool::MailData mail_data;
    bool claimed = true;  // by the transaction or the relay that brought it
  };
  struct Fault {
    std::size_t left = 0;  // 0: none is set
    Error error;
  };

  Result<> attempt(SpoolOperation operation);
  void put(spool::MessageHead head, spool::MailData mail_data);
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
};

}  // namespace adieu::test
