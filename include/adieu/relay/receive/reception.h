// What the relay does with mail that comes in: asks the rules, stores it in the spool, and hands it to delivery once its 250 has been
// handed over. One for each shard.
#pragma once

#include <atomic>
#include <functional>

#include "adieu/base/keyed_hash.h"
#include "adieu/relay/access/rules.h"
#include "adieu/relay/config/config.h"
#include "adieu/relay/observe/metrics.h"
#include "adieu/relay/receive/inbound.h"
#include "adieu/relay/spool/duplicate_window.h"
#include "adieu/relay/spool/spool.h"

namespace adieu::receive {

/// A failure of this machine as the reply a peer gets: 452 4.3.1 when there is no room, else 451 4.3.0.
smtp::Reply reply_of(const Error& error);

class Reception final : public MailHandler {
 public:
  /// What all shards share. `accept` takes a message whose 2xx has been handed over; from any shard's thread, never fails.
  struct Shared {
    const config::Config& config;
    const access::Rules& rules;
    spool::Spool& spool;
    Log& log;
    observe::Closures& closures;
    observe::Metrics& metrics;
    std::function<void(std::vector<spool::Claimed>)> accept;
    MakeKeyedHash keyed_hash;
    std::atomic<std::uint64_t> memory = 0;  // octets of mail data in transactions that are not durable yet
    spool::DuplicateWindow duplicates = spool::DuplicateWindow();

    /// R12: the message's 2xx may not have arrived.
    void note_unconfirmed(spool::Unconfirmed message, WallTime now);
    /// What the spool remembers of the time before this run.
    Result<> recall(WallTime now);
    std::string secret = std::string();  // the key of fingerprints, once recalled
  };

  Reception(Shared& shared, Loop& loop) : shared_(shared), loop_(loop) {}

  void refused(const Client& client, const smtp::Refusal& refusal) override;
  void turned_away() override { ++shared_.metrics.refused_connections; }
  std::optional<smtp::Answer> ask(const Client& client, smtp::Question question, std::function<void(smtp::Answer)> later) override;

 private:
  smtp::MailAnswer begin(const Client& client, smtp::MailQuestion question);
  smtp::Reply recipient(const Client& client, smtp::RecipientQuestion question);
  std::optional<smtp::Answer> append(smtp::AppendQuestion question, std::function<void(smtp::Answer)> later);
  std::optional<smtp::Answer> commit(const Client& client, smtp::CommitQuestion question, std::function<void(smtp::Answer)> later);

  Shared& shared_;
  Loop& loop_;
};

}  // namespace adieu::receive
