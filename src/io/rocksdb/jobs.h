// The spool's jobs: who holds which, what is due, and what a settlement changes. Records are written by the commit thread alone, one change after another,
// so that what a message still has to do is known there from the records themselves. Rules R10 and R11; keys.h has the records.
//
// Most messages are delivered at once by the run that took them in. Such a message has one record, and leaves without having touched the queue.
#pragma once

#include <rocksdb/db.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "adieu/base/log.h"
#include "adieu/base/threads.h"
#include "adieu/relay/spool/spool.h"
#include "io/rocksdb/committer.h"

namespace adieu::rocksdb {

struct Queued;

/// From any thread, but where it says otherwise.
class Jobs {
 public:
  /// `remove_mail_data`: with what else the batch writes. `remove_file`: what was written is synced.
  struct Owner {
    std::function<void(Batch&, spool::MessageId)> remove_mail_data;
    std::function<void(spool::MessageId)> remove_file;
  };
  Jobs(::rocksdb::DB& db, Threads& threads, Log& log, Owner owner) : db_(db), threads_(threads), log_(log), owner_(std::move(owner)) {}

  /// What an earlier run had in hand is queued. At the start, alone. Errors: io, no_space.
  Result<> queue_what_was_in_hand();

  /// The jobs of a message that is about to be stored, held by whoever has it taken in.
  std::vector<spool::Claimed> begin(const std::shared_ptr<const spool::MessageHead>& head, std::vector<spool::Job> jobs);

  // Within Change::write.
  void put(Batch& batch, const std::vector<spool::Claimed>& jobs);
  /// The message goes, with its jobs: nobody was told that it was there.
  void withdraw(Batch& batch, const std::vector<spool::Claimed>& jobs);
  enum class Effect { late, changed, finished };
  /// Errors: what is stored cannot be read; then nothing is changed.
  Result<Effect> settle(Batch& batch, const spool::Settlement& settlement);
  /// Whether it was there, and nobody held it.
  Result<bool> advance(Batch& batch, const spool::JobId& id, WallTime now);

  // Waits for the disk.
  Result<std::vector<spool::QueuedAt>> destinations(const route::Destination& after, std::size_t limit);
  Result<std::vector<spool::Listed>> list(spool::MessageId after, std::size_t messages);
  Result<spool::Due> claim_due(const route::Destination& destination, WallTime now, std::size_t limit, Duration lease);

  void renew(const std::vector<spool::Claim>& claims, Duration lease);

 private:
  /// A job that is held, as it is stored.
  struct Held {
    std::uint64_t token = 0;          // 0: nobody's any more, and nobody's yet: what is written about it is under way, or cannot be read
    Threads::Time until = Threads::Time::max();
    bool in_hand = false;
    bool in_file = false;
    bool is_written = true;           // what the last settlement changed
    spool::Job job;
  };
  struct Hash {
    std::size_t operator()(const spool::JobId& id) const {
      return static_cast<std::size_t>(id.message.value * 0x9E3779B97F4A7C15u ^ id.number * 0xC2B2AE3D27D4EB4Fu);
    }
  };
  using AllHeld = std::unordered_map<spool::JobId, Held, Hash>;
  /// How far a destination's queue was looked through: what stands before is held by somebody, or gone, and left as such by RocksDB until tables are merged.
  struct Place {
    std::string key;
    std::uint64_t changes = 0;        // something was put in front: whoever looks through it meanwhile may not have seen that
    int looking = 0;
  };
  struct Stored {
    std::shared_ptr<const spool::MessageHead> head;
    spool::Job job;
  };

  AllHeld::iterator held_by(const spool::Claim& claim);
  void remember(Batch& batch, const spool::JobId& id, const Held& before);
  void let_go(Batch& batch, AllHeld::iterator held);
  Result<> take_out_of_hand(Batch& batch, spool::MessageId id, Held& held);
  void put_job(Batch& batch, spool::MessageId id, const spool::Job& job);
  void remove_job(Batch& batch, const spool::JobId& id, const Held& held);
  void remove_message(Batch& batch, spool::MessageId id, const Held& held);
  std::optional<std::uint32_t> last_number(const Batch& batch, spool::MessageId id) const;
  void announce(Batch& batch, std::string key, const route::Destination& destination);
  void step_back(const std::string& prefix, const std::string& key);
  Result<std::optional<Stored>> load(const Queued& queued);
  bool is_held(const spool::JobId& id) const;
  bool take(const spool::JobId& id, std::uint64_t token, Threads::Time now, Threads::Time until);
  void look_again_behind_lost_claims(Threads::Time now);
  std::string begin_to_look(const std::string& prefix, std::uint64_t& changes);
  void end_to_look(const std::string& prefix, std::uint64_t changes, std::optional<std::string> next);

  ::rocksdb::DB& db_;
  Threads& threads_;
  Log& log_;
  const Owner owner_;
  std::atomic<std::uint64_t> last_token_ = 0;
  mutable std::mutex mutex_;
  AllHeld held_;                                       // guarded by mutex_, as is what follows
  std::unordered_map<std::string, Place> places_;      // by queue_prefix
  Threads::Time first_lost_ = Threads::Time::max();    // no claim runs out before then
};

}  // namespace adieu::rocksdb
