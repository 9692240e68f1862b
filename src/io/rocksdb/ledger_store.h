// The closure ledger on disk: a small database of its own beside the spool's, so that trouble with it is never trouble with mail. Not synced: what a
// crash of the machine takes is a minute of history.
#pragma once

#include <rocksdb/db.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "adieu/base/bytes.h"
#include "adieu/base/log.h"
#include "adieu/base/result.h"
#include "adieu/relay/observe/closures.h"
#include "io/rocksdb/disk.h"

namespace adieu::rocksdb {

class LedgerStore final : public observe::LedgerStore {
 public:
  /// `spool`: the spool's directory, which exists. Errors: refused when another process writes there, io, no_space. The log outlives the store.
  static Result<std::unique_ptr<LedgerStore>> open(const std::string& spool, Log& log);
  /// Only reads, beside a relay that may be running. Errors: not_found, io.
  static Result<std::unique_ptr<LedgerStore>> open_to_read(const std::string& spool);
  ~LedgerStore() override;
  LedgerStore(const LedgerStore&) = delete;
  LedgerStore& operator=(const LedgerStore&) = delete;

  Result<std::size_t> load(observe::Ledger& ledger) override;
  /// After a failure the next call opens the store anew.
  Result<> save(const std::vector<observe::Ledger::Change>& changes) override;

 private:
  LedgerStore(std::string directory, Log* log) : directory_(std::move(directory)), log_(log) {}
  Result<> open(bool to_read);
  void close();

  const std::string directory_;
  Log* const log_;                // null where it is only read
  std::unique_ptr<Disk> disk_;    // frozen by the first failure: then what stands on it is read again
  std::unique_ptr<::rocksdb::Env> env_;
  std::unique_ptr<::rocksdb::DB> db_;
};

}  // namespace adieu::rocksdb
