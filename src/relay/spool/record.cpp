// See record.h.
#include "adieu/relay/spool/record.h"

#include "adieu/base/record_codec.h"

namespace adieu::spool {
namespace {

constexpr char kHeadVersion = 2;  // 1: without a fingerprint
constexpr char kUpdateVersion = 1;
constexpr char kUnconfirmedVersion = 1;
constexpr std::uint32_t kMaxRecipients = 1'000'000;

void write(RecordWriter& out, const mail::Mailbox& value) { out.string(value.local_part).string(value.domain); }

mail::Mailbox read_mailbox(RecordReader& in) {
  mail::Mailbox value;
  value.local_part = in.string();
  value.domain = in.string();
  return value;
}

}  // namespace

std::string encode(const MessageHead& head) {
  RecordWriter out(kHeadVersion);
  out.time(head.arrived);
  write(out, head.reverse_path);
  out.number(static_cast<std::uint8_t>(head.body)).string(head.trace).string(head.client);
  out.number(head.size).number(static_cast<std::uint8_t>(head.in_file)).number(static_cast<std::uint8_t>(head.hold));
  out.number(static_cast<std::uint32_t>(head.recipients.size()));
  for (const Recipient& recipient : head.recipients) {
    write(out, recipient.forward_path);
    out.string(recipient.next_hop).number(static_cast<std::uint8_t>(recipient.state));
    out.number(recipient.attempts).time(recipient.next_attempt).string(recipient.last_reply);
  }
  out.string(head.fingerprint);
  return out.finish();
}

Result<MessageHead> decode_head(MessageId id, Octets record) {
  auto in = RecordReader::open(record, kHeadVersion, "message");
  if (!in) return tl::unexpected<Error>(in.error());
  MessageHead head;
  head.id = id;
  head.arrived = in->time();
  head.reverse_path = read_mailbox(*in);
  head.body = in->one_of(mail::BodyType::eight_bit_mime);
  head.trace = in->string();
  head.client = in->string();
  head.size = in->number<std::uint64_t>();
  head.in_file = in->flag();
  head.hold = in->flag();
  const auto count = in->number<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && i < kMaxRecipients && in->whole(); ++i) {
    Recipient recipient;
    recipient.forward_path = read_mailbox(*in);
    recipient.next_hop = in->string();
    recipient.state = in->one_of(RecipientState::failed);
    recipient.attempts = in->number<std::uint32_t>();
    recipient.next_attempt = in->time();
    recipient.last_reply = in->string();
    head.recipients.push_back(std::move(recipient));
  }
  if (record[0] > 1) head.fingerprint = in->string();
  if (auto done = in->finish(); !done) return tl::unexpected<Error>(std::move(done.error()));
  return head;
}

std::string encode(const RecipientUpdate& update) {
  RecordWriter out(kUpdateVersion);
  out.number(static_cast<std::uint8_t>(update.state)).number(update.attempts).time(update.next_attempt).string(update.last_reply);
  return out.finish();
}

Result<RecipientUpdate> decode_update(std::uint32_t index, Octets record) {
  auto in = RecordReader::open(record, kUpdateVersion, "recipient");
  if (!in) return tl::unexpected<Error>(in.error());
  RecipientUpdate update;
  update.index = index;
  update.state = in->one_of(RecipientState::failed);
  update.attempts = in->number<std::uint32_t>();
  update.next_attempt = in->time();
  update.last_reply = in->string();
  if (auto done = in->finish(); !done) return tl::unexpected<Error>(std::move(done.error()));
  return update;
}

std::string encode(const Unconfirmed& message) {
  RecordWriter out(kUnconfirmedVersion);
  out.number(message.id.value).time(message.until);
  return out.finish();
}

Result<Unconfirmed> decode_unconfirmed(Octets fingerprint, Octets record) {
  auto in = RecordReader::open(record, kUnconfirmedVersion, "unconfirmed");
  if (!in) return tl::unexpected<Error>(in.error());
  Unconfirmed message;
  message.fingerprint = fingerprint;
  message.id.value = in->number<std::uint64_t>();
  message.until = in->time();
  if (auto done = in->finish(); !done) return tl::unexpected<Error>(std::move(done.error()));
  return message;
}

Result<> apply(const RecipientUpdate& update, MessageHead& head) {
  if (update.index >= head.recipients.size()) return failure(ErrorKind::invalid, "recipient record: the message has no such recipient");
  Recipient& recipient = head.recipients[update.index];
  recipient.state = update.state;
  recipient.attempts = update.attempts;
  recipient.next_attempt = update.next_attempt;
  recipient.last_reply = update.last_reply;
  return {};
}

}  // namespace adieu::spool
