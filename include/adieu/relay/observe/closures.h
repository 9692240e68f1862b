// Where the end of every layer is told: the log, the closure ledger, and an alarm where one is due. R18, R19.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "adieu/base/log.h"
#include "adieu/base/result.h"
#include "adieu/base/workers.h"
#include "adieu/relay/observe/connection_ids.h"
#include "adieu/relay/observe/ledger.h"

namespace adieu::observe {

/// Where the ledger is kept over a restart. The port behind which io/rocksdb stands; used by one thread at a time.
class LedgerStore {
 public:
  virtual ~LedgerStore() = default;
  /// Gives every record to the ledger. Returns how many were damaged, and left out. Errors: io.
  virtual Result<std::size_t> load(Ledger& ledger) = 0;
  /// Waits for the disk. Errors: io, no_space; a later call may succeed.
  virtual Result<> save(const std::vector<Ledger::Change>& changes) = 0;
};

/// From any thread.
class Closures {
 public:
  /// `wall`: the time, from any thread.
  Closures(Log& log, std::size_t peers, std::function<WallTime()> wall);
  /// Saves what is not saved.
  ~Closures();

  /// Takes up the ledger of earlier runs and keeps it in `store` from now on. Where there is none, or it cannot be read, a line says so, and the
  /// ledger lasts as long as this run.
  void keep_in(Result<std::unique_ptr<LedgerStore>> store);
  /// Every minute or so. Tells what is to be told once an hour, too.
  void save();

  /// The id of a new connection, which its record and the lines of its messages are to have.
  std::string next_connection() { return connections_.next(); }
  void record(const ClosureRecord& record, config::Alarm policy);
  /// The relay goes down: what peers leave unanswered now is not held against them.
  void stopping() { stopping_ = true; }

  const Ledger& ledger() const { return ledger_; }

 private:
  void save_now();
  void tell_strangers(bool all);

  Log& log_;
  const std::function<WallTime()> wall_;
  Ledger ledger_;
  ConnectionIds connections_;
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<LedgerStore> store_;
  std::unique_ptr<Workers> worker_;
  bool in_trouble_ = false;  // of the worker
};

}  // namespace adieu::observe
