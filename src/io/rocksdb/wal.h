// The database's write-ahead logs, looked at before RocksDB replays them. RocksDB reads a log up to the first octet that makes no sense and says nothing
// of what stands behind. That is right for an end that a power cut tore off, which was never promised to anybody, and wrong for damage in the middle, which
// loses acknowledged mail. A mark in each batch tells them apart: it says up to where the logs had been synced when the batch was written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adieu/base/bytes.h"
#include "adieu/base/result.h"

namespace adieu::rocksdb {

/// For WriteBatch::PutLogData, as the first thing in a batch. `synced`: the sequence number of the last change that is known to be synced.
std::string synced_mark(std::uint64_t synced);

/// Octets of a log that make no sense.
struct Hole {
  std::string path;
  std::uint64_t offset = 0;   // where the first record that is not whole begins
  std::uint64_t octets = 0;   // up to the next record that is whole, or the end of the file
  std::uint64_t changes = 0;  // that are missing: counted up to the next whole record, in whichever log; 0 where none follows
  bool was_synced = false;    // some of them had been synced: this is damage, not the torn end of what was being written
};

/// Every hole in the logs of `directory`, in their order; none where there is no such directory. What is whole has been synced when this returns, so that
/// a later mark may count on it. Errors: io.
Result<std::vector<Hole>> find_holes(const std::string& directory);

/// Takes the holes out of the log at `path`: what is whole stays, before and behind them. The new log is on the disk when this returns. Errors: io,
/// no_space; the old one is there then.
Result<> close_holes(const std::string& path);

}  // namespace adieu::rocksdb
