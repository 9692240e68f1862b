// The closure ledger on disk: a small database of its own beside the spool's, so that trouble with it is never trouble with mail. Not synced: what a
// crash of the machine takes is a minute of history.
#pragma once

#include <rocksdb/db.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "adieu/base/bytes.h"
#include "adieu/base/result.h"
#include "adieu/relay/observe/ledger.h"

namespace adieu::rocksdb {

class LedgerStore {
 public:
  /// `spool`: the spool's directory, which exists. Errors: refused when another process writes there, io.
  static Result<std::unique_ptr<LedgerStore>> open(const std::string& spool);
  /// Reads alone, beside a relay that may be running. Errors: not_found, io.
  static Result<std::unique_ptr<LedgerStore>> open_to_read(const std::string& spool);
  ~LedgerStore();
  LedgerStore(const LedgerStore&) = delete;
  LedgerStore& operator=(const LedgerStore&) = delete;

  /// Gives every record to the ledger. Returns how many were damaged, and left out.
  Result<std::size_t> load(observe::Ledger& ledger) const;
  /// Waits for the disk. Errors: io, no_space.
  Result<> save(const std::vector<observe::Ledger::Change>& changes);

 private:
  explicit LedgerStore(::rocksdb::DB* db) : db_(db) {}
  std::unique_ptr<::rocksdb::DB> db_;
};

}  // namespace adieu::rocksdb
