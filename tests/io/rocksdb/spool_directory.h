// A directory of its own for a durable spool, gone with the test.
#pragma once

#include <rocksdb/db.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "io/rocksdb/rocksdb_spool.h"
#include "support/recording_log.h"
#include "support/spool_session.h"

namespace adieu::rocksdb {

class SpoolDirectory {
 public:
  SpoolDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "adieu-spool-XXXXXX").string();
    check(::mkdtemp(name.data()) != nullptr, "no temporary directory");
    top_ = name;
    options.directory = (top_ / "spool").string();
    options.sync = true;
    options.cache = 1 << 20;
    options.large = 4096;
  }
  ~SpoolDirectory() { std::filesystem::remove_all(top_); }
  SpoolDirectory(const SpoolDirectory&) = delete;
  SpoolDirectory& operator=(const SpoolDirectory&) = delete;

  std::unique_ptr<spool::Spool> open() {
    auto spool = open_spool(options, log);
    EXPECT_TRUE(spool.has_value()) << (spool ? "" : spool.error().message);
    return spool ? std::move(*spool) : nullptr;
  }
  /// Names of the files of large messages.
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(data())) names.insert(entry.path().filename().string());
    return names;
  }
  std::filesystem::path data() const { return std::filesystem::path(options.directory) / "data"; }
  /// The database, while no spool has it open.
  std::unique_ptr<::rocksdb::DB> database() const {
    ::rocksdb::DB* db = nullptr;
    const ::rocksdb::Status status = ::rocksdb::DB::Open({}, options.directory + "/records", &db);
    EXPECT_TRUE(status.ok()) << status.ToString();
    return std::unique_ptr<::rocksdb::DB>(db);
  }
  std::size_t keys() const {
    const auto db = database();
    const std::unique_ptr<::rocksdb::Iterator> all(db->NewIterator({}));
    std::size_t count = 0;
    for (all->SeekToFirst(); all->Valid(); all->Next()) count += all->key() != ::rocksdb::Slice("v") && all->key() != ::rocksdb::Slice("o") && all->key() != ::rocksdb::Slice("k");
    return count;
  }

  config::Spool options;
  test::RecordingLog log;

 private:
  std::filesystem::path top_;
};

}  // namespace adieu::rocksdb
