// The durable spool: RocksDB for records and small mail data, a file of its own for each large message. One thread commits for all who wait,
// with one synced write.
#pragma once

#include <memory>

#include "adieu/base/log.h"
#include "adieu/base/threads.h"
#include "adieu/relay/config/config.h"
#include "adieu/relay/spool/spool.h"

namespace adieu::rocksdb {

/// Opens the spool in `options.directory`, which is made if it is missing; sweeps what no record names. Errors say what to do: refused when another
/// process has it open, invalid when it is of another version. The log and the threads outlive the spool. Its destructor ends what waits, and syncs.
Result<std::unique_ptr<spool::Spool>> open_spool(const config::Spool& options, Log& log, Threads& threads = Threads::of_machine());

}  // namespace adieu::rocksdb
