// See record.h.
#include "io/rocksdb/record.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <unordered_map>

#include "adieu/base/record_codec.h"
#include "io/rocksdb/keys.h"
#include "spool.pb.h"

namespace adieu::rocksdb {
namespace {

constexpr char kForm = 3;  // 1 and 2: see old_records.h
constexpr std::size_t kPrefix = 5;
constexpr std::uint32_t kKnown = 0;  // the most that a record may need
constexpr int kMaxRecipients = 1'000'000;
constexpr int kLength = 4;  // octets of a length

/// One serialisation: the checksum is put in front of what stands there already.
template <class Message>
std::string finish(const Message& message) {
  std::string record(kPrefix, kForm);
  message.AppendToString(&record);
  std::uint32_t sum = crc32c(Octets(record).substr(kPrefix));
  for (std::size_t i = 1; i < kPrefix; ++i, sum >>= 8) record[i] = static_cast<char>(sum & 255);
  return record;
}

tl::unexpected<Error> failed(std::string_view what, std::string_view why) {
  return failure(ErrorKind::invalid, std::string(what) + " record: " + std::string(why));
}

template <class Message>
Result<> open(Message& message, Octets record, std::string_view what) {
  if (record.size() < kPrefix) return failed(what, "too short");
  if (!is_current(record)) return failed(what, "of a form that this version does not know");
  std::uint32_t sum = 0;
  for (std::size_t i = kPrefix - 1; i > 0; --i) sum = sum << 8 | static_cast<unsigned char>(record[i]);
  record.remove_prefix(kPrefix);
  if (sum != crc32c(record)) return failed(what, "its checksum is wrong");
  if (record.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) return failed(what, "too long");
  if (!message.ParseFromArray(record.data(), static_cast<int>(record.size()))) return failed(what, "not what it should be made of");
  if (message.needs() > kKnown) return failed(what, "written by a newer version, which says that this one must not read it");
  return {};
}

std::int64_t millis(WallTime time) { return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count(); }
WallTime time_of(std::int64_t millis) { return WallTime(std::chrono::milliseconds(millis)); }

void write(const mail::Mailbox& mailbox, record::Mailbox& to) {
  to.set_local_part(mailbox.local_part);
  to.set_domain(mailbox.domain);
}
mail::Mailbox read(const record::Mailbox& from) { return {from.local_part(), from.domain()}; }

}  // namespace

std::string encode(const spool::MessageHead& head) {
  record::Head to;
  to.set_arrived(millis(head.arrived));
  write(head.reverse_path, *to.mutable_reverse_path());
  to.set_body(static_cast<std::uint32_t>(head.body));
  to.set_trace(head.trace);
  to.set_client(head.client);
  to.set_size(head.size);
  to.set_in_file(head.in_file);
  to.set_fingerprint(head.fingerprint);
  std::unordered_map<std::string_view, std::uint32_t> next_hops;
  to.mutable_recipients()->Reserve(static_cast<int>(head.recipients.size()));
  for (const spool::Recipient& recipient : head.recipients) {
    const auto [next_hop, is_new] = next_hops.try_emplace(recipient.next_hop, static_cast<std::uint32_t>(next_hops.size()));
    if (is_new) to.add_next_hops(recipient.next_hop);
    record::Recipient& added = *to.add_recipients();
    write(recipient.forward_path, *added.mutable_forward_path());
    added.set_next_hop(next_hop->second);
  }
  return finish(to);
}

Result<spool::MessageHead> decode_head(spool::MessageId id, Octets record) {
  record::Head from;
  if (auto opened = open(from, record, "message"); !opened) return tl::unexpected<Error>(std::move(opened.error()));
  if (from.body() > static_cast<std::uint32_t>(mail::BodyType::eight_bit_mime)) return failed("message", "a body type that nobody knows");
  if (from.recipients_size() > kMaxRecipients) return failed("message", "too many recipients");
  spool::MessageHead head;
  head.id = id;
  head.arrived = time_of(from.arrived());
  head.reverse_path = read(from.reverse_path());
  head.body = static_cast<mail::BodyType>(from.body());
  head.trace = std::move(*from.mutable_trace());
  head.client = std::move(*from.mutable_client());
  head.size = from.size();
  head.in_file = from.in_file();
  head.fingerprint = std::move(*from.mutable_fingerprint());
  head.recipients.reserve(static_cast<std::size_t>(from.recipients_size()));
  for (const record::Recipient& recipient : from.recipients()) {
    if (recipient.next_hop() >= static_cast<std::uint32_t>(from.next_hops_size())) return failed("message", "a recipient without a next hop");
    head.recipients.push_back({read(recipient.forward_path()), from.next_hops(static_cast<int>(recipient.next_hop()))});
  }
  return head;
}

std::string encode(const spool::Job& job) {
  record::Job to;
  to.set_next_hop(job.destination.next_hop);
  to.set_domain(job.destination.domain);
  to.mutable_recipients()->Assign(job.recipients.begin(), job.recipients.end());
  to.set_attempts(job.attempts);
  to.set_due(millis(job.due));
  if (job.promised) to.set_promised(millis(*job.promised));
  to.set_last_reply(job.last_reply);
  return finish(to);
}

Result<spool::Job> decode_job(std::uint32_t number, Octets record) {
  record::Job from;
  if (auto opened = open(from, record, "job"); !opened) return tl::unexpected<Error>(std::move(opened.error()));
  if (from.recipients_size() > kMaxRecipients) return failed("job", "too many recipients");
  spool::Job job;
  job.number = number;
  job.destination = {std::move(*from.mutable_next_hop()), std::move(*from.mutable_domain()), {}};
  job.recipients.assign(from.recipients().begin(), from.recipients().end());
  if (std::adjacent_find(job.recipients.begin(), job.recipients.end(), std::greater_equal<>()) != job.recipients.end()) {
    return failed("job", "its recipients are not in order");
  }
  job.attempts = from.attempts();
  job.due = time_of(from.due());
  if (from.has_promised()) job.promised = time_of(from.promised());
  job.last_reply = std::move(*from.mutable_last_reply());
  return job;
}

/// The length of the message's record in 4 octets, that, and the job's.
std::string in_hand_record(const spool::MessageHead& head, const spool::Job& job) {
  const std::string of_head = encode(head);
  const std::string of_job = encode(job);
  std::string record;
  record.reserve(kLength + of_head.size() + of_job.size());
  put_big_endian(record, of_head.size(), kLength);
  record += of_head;
  record += of_job;
  return record;
}

Result<InHand> parse_in_hand(Octets record) {
  if (record.size() < kLength) return failed("in-hand", "too short");
  const std::size_t length = static_cast<std::size_t>(big_endian(record.substr(0, kLength)));
  record.remove_prefix(kLength);
  if (record.size() < length) return failed("in-hand", "too short");
  return InHand{record.substr(0, length), record.substr(length)};
}

std::string encode(const spool::Unconfirmed& message) {
  record::Unconfirmed to;
  to.set_id(message.id.value);
  to.set_until(millis(message.until));
  return finish(to);
}

Result<spool::Unconfirmed> decode_unconfirmed(Octets fingerprint, Octets record) {
  record::Unconfirmed from;
  if (auto opened = open(from, record, "unconfirmed"); !opened) return tl::unexpected<Error>(std::move(opened.error()));
  return spool::Unconfirmed{std::string(fingerprint), {from.id()}, time_of(from.until())};
}

}  // namespace adieu::rocksdb
