// A directory of its own for a durable spool, gone with the test.
#pragma once

#include <rocksdb/db.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "io/rocksdb/keys.h"
#include "io/rocksdb/rocksdb_spool.h"
#include "support/recording_log.h"
#include "support/spool_session.h"

namespace adieu::rocksdb {

/// A spool's database, as it stands on the disk.
struct Database {
  explicit Database(const std::string& directory) {
    const std::vector<::rocksdb::ColumnFamilyDescriptor> all = {{::rocksdb::kDefaultColumnFamilyName, {}}, {"mail-data", {}}};
    const ::rocksdb::Status status = ::rocksdb::DB::Open({}, directory, all, &families, &db);
    check(status.ok(), "the spool's database opens");
  }
  ~Database() {
    for (::rocksdb::ColumnFamilyHandle* family : families) db->DestroyColumnFamilyHandle(family);
    delete db;
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  std::unique_ptr<::rocksdb::Iterator> all(::rocksdb::ColumnFamilyHandle* family) const {
    std::unique_ptr<::rocksdb::Iterator> keys(db->NewIterator({}, family));
    keys->SeekToFirst();
    return keys;
  }

  ::rocksdb::DB* db = nullptr;
  std::vector<::rocksdb::ColumnFamilyHandle*> families;  // records, mail data
};

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
    options.disk_timeout = std::chrono::milliseconds(20);
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
  /// While no spool has it open.
  Database database() const { return Database(options.directory + "/records"); }
  /// Octets in its tables.
  std::uintmax_t tables() const {
    std::uintmax_t octets = 0;
    for (const auto& entry : std::filesystem::directory_iterator(options.directory + "/records")) {
      std::error_code gone;  // a table may be removed under our eyes
      const std::uintmax_t size = entry.path().extension() == ".sst" ? entry.file_size(gone) : 0;
      if (!gone) octets += size;
    }
    return octets;
  }
  /// Of messages and of fingerprints.
  std::size_t keys() const {
    const Database database = this->database();
    const std::set<std::string_view> own = {kVersionKey, kInOrderKey, kSecretKey, kLastIdKey};
    std::size_t count = 0;
    for (::rocksdb::ColumnFamilyHandle* family : database.families) {
      for (const auto key = database.all(family); key->Valid(); key->Next()) count += 1 - own.count(view(key->key()));
    }
    return count;
  }

  config::Spool options;
  test::RecordingLog log;

 private:
  std::filesystem::path top_;
};

}  // namespace adieu::rocksdb
