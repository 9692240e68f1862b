// See old_records.h.
#include "io/rocksdb/old_records.h"

#include <algorithm>
#include <map>
#include <utility>

#include "adieu/base/record_codec.h"

namespace adieu::rocksdb {
namespace {

constexpr char kMessageVersion = 2;  // 1: without a fingerprint
constexpr char kUpdateVersion = 1;
constexpr char kUnconfirmedVersion = 1;
constexpr std::uint32_t kMaxRecipients = 1'000'000;
constexpr std::uint8_t kPending = 0;
constexpr std::uint8_t kFailed = 2;

mail::Mailbox read_mailbox(RecordReader& in) {
  mail::Mailbox value;
  value.local_part = in.string();
  value.domain = in.string();
  return value;
}

void read_state(RecordReader& in, OldRecipient& recipient) {
  recipient.pending = in.one_of(kFailed) == kPending;
  recipient.attempts = in.number<std::uint32_t>();
  recipient.next_attempt = in.time();
  recipient.last_reply = in.string();
}

}  // namespace

Result<OldMessage> decode_old_message(spool::MessageId id, Octets record) {
  auto in = RecordReader::open(record, kMessageVersion, "message");
  if (!in) return tl::unexpected<Error>(in.error());
  OldMessage message;
  spool::MessageHead& head = message.head;
  head.id = id;
  head.arrived = in->time();
  head.reverse_path = read_mailbox(*in);
  head.body = in->one_of(mail::BodyType::eight_bit_mime);
  head.trace = in->string();
  head.client = in->string();
  head.size = in->number<std::uint64_t>();
  head.in_file = in->flag();
  in->flag();  // that it was held, which nothing ever set
  const auto count = in->number<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && i < kMaxRecipients && in->whole(); ++i) {
    OldRecipient recipient;
    recipient.recipient.forward_path = read_mailbox(*in);
    recipient.recipient.next_hop = in->string();
    read_state(*in, recipient);
    message.recipients.push_back(std::move(recipient));
  }
  if (record[0] > 1) head.fingerprint = in->string();
  if (auto done = in->finish(); !done) return tl::unexpected<Error>(std::move(done.error()));
  return message;
}

Result<> apply_old_update(std::uint32_t index, Octets record, OldMessage& message) {
  auto in = RecordReader::open(record, kUpdateVersion, "recipient");
  if (!in) return tl::unexpected<Error>(in.error());
  if (index >= message.recipients.size()) return failure(ErrorKind::invalid, "recipient record: the message has no such recipient");
  OldRecipient updated = message.recipients[index];
  read_state(*in, updated);
  if (auto done = in->finish(); !done) return done;
  message.recipients[index] = std::move(updated);
  return {};
}

Result<spool::Unconfirmed> decode_old_unconfirmed(Octets fingerprint, Octets record) {
  auto in = RecordReader::open(record, kUnconfirmedVersion, "unconfirmed");
  if (!in) return tl::unexpected<Error>(in.error());
  spool::Unconfirmed message;
  message.fingerprint = fingerprint;
  message.id.value = in->number<std::uint64_t>();
  message.until = in->time();
  if (auto done = in->finish(); !done) return tl::unexpected<Error>(std::move(done.error()));
  return message;
}

std::vector<spool::Job> jobs_of(const OldMessage& message) {
  std::map<route::Destination, spool::Job> jobs;
  for (std::uint32_t index = 0; index < message.recipients.size(); ++index) {
    const OldRecipient& recipient = message.recipients[index];
    if (!recipient.pending) continue;
    route::Destination destination{recipient.recipient.next_hop, to_ascii_lower(recipient.recipient.forward_path.domain), {}};
    spool::Job& job = jobs[destination];
    job.destination = std::move(destination);
    job.recipients.push_back(index);
    job.attempts = std::max(job.attempts, recipient.attempts);
    job.due = std::max({job.due, recipient.next_attempt, message.head.arrived});
    job.last_reply = recipient.last_reply;
  }
  std::vector<spool::Job> all;
  for (auto& [destination, job] : jobs) {
    job.number = static_cast<std::uint32_t>(all.size());
    all.push_back(std::move(job));
  }
  return all;
}

}  // namespace adieu::rocksdb
