// See store.h: spools that an earlier version has written are taken over in place.
#include <rocksdb/write_batch.h>

#include <utility>

#include "io/rocksdb/keys.h"
#include "io/rocksdb/old_records.h"
#include "io/rocksdb/record.h"
#include "io/rocksdb/store.h"

namespace adieu::rocksdb {
namespace {

using spool::MessageId;

constexpr std::string_view kVersion = "adieu-spool 3";
constexpr std::string_view kVersion2 = "adieu-spool 2";
constexpr std::string_view kVersion1 = "adieu-spool 1";
constexpr std::size_t kMovedAtOnce = 4u << 20;

}  // namespace

Result<> Store::check_version() {
  std::string version;
  const ::rocksdb::Status status = db_->Get({}, ::rocksdb::Slice(kVersionKey), &version);
  if (status.IsNotFound()) {
    ::rocksdb::WriteOptions synced;
    synced.sync = true;
    const ::rocksdb::Status written = db_->Put(synced, ::rocksdb::Slice(kVersionKey), ::rocksdb::Slice(kVersion));
    if (!written.ok()) return tl::unexpected<Error>(to_error(written, "spool"));
    return {};
  }
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "spool"));
  if (version == kVersion1) {
    if (auto taken = take_over_version_1(); !taken) return taken;
    version = kVersion2;
  }
  if (version == kVersion2) {
    if (auto taken = take_over_version_2(); !taken) return taken;
    version = kVersion;
  }
  if (version == kVersion) {
    std::string mark;
    ended_in_order_ = db_->Get({}, ::rocksdb::Slice(kInOrderKey), &mark).ok();
    // The next sync takes this along, before anything is acknowledged.
    if (const ::rocksdb::Status begun = db_->Delete({}, ::rocksdb::Slice(kInOrderKey)); !begun.ok()) {
      return tl::unexpected<Error>(to_error(begun, "spool"));
    }
    return {};
  }
  return failure(ErrorKind::invalid, "spool " + options_.directory + " is of another version (" + printable(version) +
                                         "); run the adieu that wrote it until its queue is empty");
}

/// Version 1 kept mail data among the records. Where the conversion was interrupted it is begun again.
Result<> Store::take_over_version_1() {
  ::rocksdb::WriteBatch batch;
  ::rocksdb::Status status;
  const std::unique_ptr<::rocksdb::Iterator> old(db_->NewIterator({}));
  for (old->Seek("d"); status.ok() && old->Valid() && old->key().starts_with("d"); old->Next()) {
    batch.Put(families_.back(), old->key(), old->value());
    batch.Delete(old->key());
    if (batch.GetDataSize() < kMovedAtOnce) continue;
    status = db_->Write({}, &batch);
    batch.Clear();
  }
  if (status.ok()) status = old->status();
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "spool of version 1"));
  return set_version(batch, kVersion1, kVersion2);
}

/// Versions 1 and 2 kept what had become of recipients in messages' own records and beside them, and knew no queue. Where the conversion was interrupted
/// it is begun again, and what was converted is left as it is.
Result<> Store::take_over_version_2() {
  ::rocksdb::WriteBatch batch;
  ::rocksdb::Status status;
  const std::unique_ptr<::rocksdb::Iterator> old(db_->NewIterator({}));
  for (old->SeekToFirst(); status.ok() && old->Valid(); old->Next()) {
    const Octets name = view(old->key());
    if (name.starts_with(kFingerprint)) {
      if (const auto message = decode_old_unconfirmed(name.substr(1), view(old->value()))) batch.Put(old->key(), encode(*message));
    } else if (name.starts_with(kMessage) && !is_current(view(old->value()))) {
      const MessageId id = id_of(name);
      auto message = decode_old_message(id, view(old->value()));
      const Result<> taken = message ? take_over(*message, batch) : tl::unexpected<Error>(message.error());
      if (!taken) {
        log_.write(LogLevel::error, LogLine("spool-record")
                                        .field("queue-id", id.text())
                                        .field("error", taken.error().message)
                                        .field("hint", "the message is kept in the spool and not delivered; keep a copy of the directory and report it"));
      }
    }
    if (batch.GetDataSize() < kMovedAtOnce) continue;
    status = db_->Write({}, &batch);
    batch.Clear();
  }
  if (status.ok()) status = old->status();
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "spool of version 2"));
  return set_version(batch, kVersion2, kVersion);
}

Result<> Store::take_over(OldMessage& message, ::rocksdb::WriteBatch& batch) {
  const MessageId id = message.head.id;
  const std::string prefix = key('u', id);
  std::vector<std::string> updates;
  const std::unique_ptr<::rocksdb::Iterator> update(db_->NewIterator({}));
  for (update->Seek(prefix); update->Valid() && view(update->key()).starts_with(prefix); update->Next()) {
    const auto index = static_cast<std::uint32_t>(big_endian(view(update->key()).substr(prefix.size())));
    if (auto applied = apply_old_update(index, view(update->value()), message); !applied) return applied;
    updates.emplace_back(view(update->key()));
  }
  if (!update->status().ok()) return tl::unexpected<Error>(to_error(update->status(), "recipients of " + id.text()));
  const std::vector<spool::Job> jobs = jobs_of(message);
  for (const spool::Job& job : jobs) {
    batch.Put(job_key({id, job.number}), encode(job));
    batch.Put(queue_key(job.destination, job.due, {id, job.number}), ::rocksdb::Slice());
  }
  for (OldRecipient& recipient : message.recipients) message.head.recipients.push_back(std::move(recipient.recipient));
  if (jobs.empty()) {  // nothing was left to do; a file that it has is swept
    batch.Delete(key(kMessage, id));
    batch.Delete(families_.back(), key('d', id));
  } else {
    batch.Put(key(kMessage, id), encode(message.head));
  }
  for (const std::string& name : updates) batch.Delete(name);
  return {};
}

/// With what is left to be written.
Result<> Store::set_version(::rocksdb::WriteBatch& batch, std::string_view from, std::string_view to) {
  batch.Put(::rocksdb::Slice(kVersionKey), ::rocksdb::Slice(to));
  ::rocksdb::WriteOptions synced;
  synced.sync = true;
  const ::rocksdb::Status status = db_->Write(synced, &batch);
  if (!status.ok()) return tl::unexpected<Error>(to_error(status, "spool"));
  log_.write(LogLevel::info, LogLine("spool-version").field("directory", options_.directory).field("from", from).field("to", to));
  return {};
}

}  // namespace adieu::rocksdb
