// Where the end of every layer is told: the log, the closure ledger, and an alarm where one is due. R18, R19.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "adieu/base/log.h"
#include "adieu/relay/observe/connection_ids.h"
#include "adieu/relay/observe/ledger.h"
#include "io/rocksdb/ledger_store.h"
#include "io/rocksdb/workers.h"

namespace adieu::daemon {

/// From any thread.
class Closures {
 public:
  /// `wall`: the time, from any thread.
  Closures(Log& log, std::size_t peers, std::function<WallTime()> wall);
  /// Saves what is not saved.
  ~Closures();

  /// Takes up the ledger of earlier runs and keeps it in the spool's directory from now on. Where that fails a line says so, and the ledger lasts
  /// as long as this run.
  void keep_in(const std::string& spool);
  /// Every minute or so. Tells what is to be told once an hour, too.
  void save();

  /// The id of a new connection, which its record and the lines of its messages are to have.
  std::string next_connection() { return connections_.next(); }
  void record(const observe::ClosureRecord& record, config::Alarm policy);
  /// The relay goes down: what peers leave unanswered now is not held against them.
  void stopping() { stopping_ = true; }

  const observe::Ledger& ledger() const { return ledger_; }

 private:
  void save_now();
  void tell_strangers(bool all);

  Log& log_;
  const std::function<WallTime()> wall_;
  observe::Ledger ledger_;
  observe::ConnectionIds connections_;
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<rocksdb::LedgerStore> store_;
  std::unique_ptr<rocksdb::Workers> worker_;
  bool in_trouble_ = false;  // of the worker
};

}  // namespace adieu::daemon
