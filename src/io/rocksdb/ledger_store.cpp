// See ledger_store.h.
#include "io/rocksdb/ledger_store.h"

#include <rocksdb/write_batch.h>
#include <sys/stat.h>

#include "io/rocksdb/committer.h"
#include "io/rocksdb/file_system.h"
#include "io/rocksdb/keys.h"

namespace adieu::rocksdb {
namespace {

constexpr char kRecord = 'l';  // in front of each key: that of the totals is empty

::rocksdb::Options options() {
  ::rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = 4u << 20;
  options.max_total_wal_size = 8u << 20;
  options.compression = ::rocksdb::kNoCompression;
  options.max_open_files = 32;
  return options;
}

std::string directory(const std::string& spool) { return spool + "/ledger"; }

}  // namespace

LedgerStore::~LedgerStore() { close(); }

void LedgerStore::close() {
  if (db_) db_->Close();
  db_.reset();
  env_.reset();
  disk_.reset();
}

Result<> LedgerStore::open(bool to_read) {
  close();
  if (!to_read) ::mkdir(directory_.c_str(), 0700);  // where it is not to be made, opening it tells why
  disk_ = std::make_unique<Disk>("closure-ledger", Disk::OnFailure::freeze, log_);
  if (to_read) disk_->freeze();
  env_ = make_env(*disk_, false);
  ::rocksdb::Options ours = options();
  ours.create_if_missing = !to_read;
  ours.env = env_.get();
  ours.info_log = make_info_log(log_);
  ::rocksdb::DB* db = nullptr;
  const ::rocksdb::Status status = to_read ? ::rocksdb::DB::OpenForReadOnly(ours, directory_, &db) : ::rocksdb::DB::Open(ours, directory_, &db);
  db_.reset(db);
  if (!to_read && disk_->frozen()) {
    Error why = disk_->trouble().value_or(Error{ErrorKind::io, directory_});
    close();
    return tl::unexpected<Error>(std::move(why).within("closure ledger"));
  }
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "closure ledger " + directory_));
  disk_->begin_use();
  return {};
}

Result<std::unique_ptr<LedgerStore>> LedgerStore::open(const std::string& spool, Log& log) {
  std::unique_ptr<LedgerStore> store(new LedgerStore(directory(spool), &log));
  if (auto opened = store->open(false); !opened) return tl::unexpected<Error>(std::move(opened.error()));
  return store;
}

Result<std::unique_ptr<LedgerStore>> LedgerStore::open_to_read(const std::string& spool) {
  std::unique_ptr<LedgerStore> store(new LedgerStore(directory(spool), nullptr));
  if (auto opened = store->open(true); !opened) return failure(ErrorKind::not_found, opened.error().message);
  return store;
}

Result<std::size_t> LedgerStore::load(observe::Ledger& ledger) {
  std::size_t damaged = 0;
  const std::unique_ptr<::rocksdb::Iterator> all(db_->NewIterator({}));
  for (all->SeekToFirst(); all->Valid(); all->Next()) {
    if (!ledger.restore(view(all->key()).substr(1), view(all->value()))) ++damaged;
  }
  if (!all->status().ok()) return tl::unexpected<Error>(to_error(all->status(), "closure ledger"));
  return damaged;
}

Result<> LedgerStore::save(const std::vector<observe::Ledger::Change>& changes) {
  if (!db_) {
    if (auto opened = open(false); !opened) return opened;
  }
  ::rocksdb::WriteBatch batch;
  for (const auto& [key, record] : changes) {
    if (record) {
      batch.Put(kRecord + key, *record);
    } else {
      batch.Delete(kRecord + key);
    }
  }
  const ::rocksdb::Status status = db_->Write({}, &batch);
  if (disk_->frozen()) {
    Error why = disk_->trouble().value_or(Error{ErrorKind::io, directory_});
    close();
    return tl::unexpected<Error>(std::move(why).within("closure ledger"));
  }
  if (!status.ok()) {
    close();
    return tl::unexpected<Error>(to_error(status, "closure ledger"));
  }
  return {};
}

}  // namespace adieu::rocksdb
