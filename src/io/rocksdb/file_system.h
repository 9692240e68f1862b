// The file system that a database writes through: what it writes meets a Disk, which never lets a failure through. Files are its user's alone
// (0600, directories 0700), whatever the umask.
#pragma once

#include <rocksdb/env.h>

#include <memory>

#include "io/rocksdb/disk.h"

namespace adieu::rocksdb {

/// For rocksdb::Options::env. `disk` outlives it. `keeps_unsynced`: what a file has not yet synced is kept in memory (at most 8 MiB of each file, which
/// is then synced), so that it can be written once more when a sync fails: after that the kernel may have dropped it and say of the next
/// sync that it succeeded.
std::unique_ptr<::rocksdb::Env> make_env(Disk& disk, bool keeps_unsynced);

/// RocksDB's own log, as lines of ours: its warnings at debug, its errors as warnings. Null: nobody reads it.
std::shared_ptr<::rocksdb::Logger> make_info_log(Log* log);

}  // namespace adieu::rocksdb
