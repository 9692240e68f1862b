// See ledger_store.h.
#include "io/rocksdb/ledger_store.h"

#include <rocksdb/write_batch.h>

#include "io/rocksdb/committer.h"
#include "io/rocksdb/keys.h"

namespace adieu::rocksdb {
namespace {

constexpr char kRecord = 'l';  // in front of each key, so that the empty one is one

::rocksdb::Options options() {
  ::rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = 4u << 20;
  options.max_total_wal_size = 8u << 20;
  options.compression = ::rocksdb::kNoCompression;
  options.max_open_files = 32;
  options.keep_log_file_num = 2;
  options.info_log_level = ::rocksdb::WARN_LEVEL;
  return options;
}

std::string directory(const std::string& spool) { return spool + "/ledger"; }

}  // namespace

LedgerStore::~LedgerStore() { db_->Close(); }

Result<std::unique_ptr<LedgerStore>> LedgerStore::open(const std::string& spool) {
  ::rocksdb::DB* db = nullptr;
  const ::rocksdb::Status status = ::rocksdb::DB::Open(options(), directory(spool), &db);
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "closure ledger"));
  return std::unique_ptr<LedgerStore>(new LedgerStore(db));
}

Result<std::unique_ptr<LedgerStore>> LedgerStore::open_to_read(const std::string& spool) {
  ::rocksdb::DB* db = nullptr;
  ::rocksdb::Options read = options();
  read.create_if_missing = false;
  const ::rocksdb::Status status = ::rocksdb::DB::OpenForReadOnly(read, directory(spool), &db);
  if (!status.ok()) return failure(ErrorKind::not_found, "closure ledger " + directory(spool) + ": " + status.ToString());
  return std::unique_ptr<LedgerStore>(new LedgerStore(db));
}

Result<std::size_t> LedgerStore::load(observe::Ledger& ledger) const {
  std::size_t damaged = 0;
  const std::unique_ptr<::rocksdb::Iterator> all(db_->NewIterator({}));
  for (all->SeekToFirst(); all->Valid(); all->Next()) {
    if (!ledger.restore(view(all->key()).substr(1), view(all->value()))) ++damaged;
  }
  if (!all->status().ok()) return tl::unexpected<Error>(to_error(all->status(), "closure ledger"));
  return damaged;
}

Result<> LedgerStore::save(const std::vector<observe::Ledger::Change>& changes) {
  ::rocksdb::WriteBatch batch;
  for (const auto& [key, record] : changes) {
    if (record) {
      batch.Put(kRecord + key, *record);
    } else {
      batch.Delete(kRecord + key);
    }
  }
  ::rocksdb::Status status = db_->Write({}, &batch);
  if (!status.ok() && db_->Resume().ok()) status = db_->Write({}, &batch);
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "closure ledger"));
  return {};
}

}  // namespace adieu::rocksdb
