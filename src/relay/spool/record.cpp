// See record.h. A record is: version (1 octet), CRC-32C of the rest (4), the fields in order. Numbers are little-endian of fixed width, strings
// a 32-bit length and their octets.
#include "adieu/relay/spool/record.h"

#include <array>
#include <concepts>

namespace adieu::spool {
namespace {

constexpr char kHeadVersion = 2;  // 1: without a fingerprint
constexpr char kUpdateVersion = 1;
constexpr char kUnconfirmedVersion = 1;
constexpr std::size_t kPrefix = 5;
constexpr std::uint32_t kMaxRecipients = 1'000'000;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value & 1) != 0 ? value >> 1 ^ 0x82F63B78u : value >> 1;
    table[i] = value;
  }
  return table;
}

class Writer {
 public:
  explicit Writer(char version) : text_(kPrefix, '\0') { text_[0] = version; }
  template <std::unsigned_integral Number>
  Writer& number(Number value) {
    for (std::size_t i = 0; i < sizeof(Number); ++i) text_ += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 255);
    return *this;
  }
  Writer& string(Octets value) {
    number(static_cast<std::uint32_t>(value.size()));
    text_ += value;
    return *this;
  }
  Writer& time(WallTime value) { return number(static_cast<std::uint64_t>(value.time_since_epoch().count())); }
  Writer& mailbox(const mail::Mailbox& value) { return string(value.local_part).string(value.domain); }
  std::string finish() {
    const std::uint32_t crc = crc32c(Octets(text_).substr(kPrefix));
    for (std::size_t i = 0; i < 4; ++i) text_[1 + i] = static_cast<char>(crc >> (8 * i) & 255);
    return std::move(text_);
  }

 private:
  std::string text_;
};

class Reader {
 public:
  explicit Reader(Octets rest) : rest_(rest) {}
  template <std::unsigned_integral Number>
  Number number() {
    if (rest_.size() < sizeof(Number)) {
      whole_ = false;
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(Number); ++i) value |= static_cast<std::uint64_t>(static_cast<unsigned char>(rest_[i])) << (8 * i);
    rest_.remove_prefix(sizeof(Number));
    return static_cast<Number>(value);
  }
  std::string string() {
    const auto length = number<std::uint32_t>();
    if (rest_.size() < length) {
      whole_ = false;
      return {};
    }
    std::string value(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return value;
  }
  WallTime time() { return WallTime(Duration(static_cast<Duration::rep>(number<std::uint64_t>()))); }
  mail::Mailbox mailbox() {
    mail::Mailbox value;
    value.local_part = string();
    value.domain = string();
    return value;
  }
  /// An enumeration's value, at most `last`.
  template <class Enum>
  Enum one_of(Enum last) {
    const auto value = number<std::uint8_t>();
    if (value > static_cast<std::uint8_t>(last)) whole_ = false;
    return static_cast<Enum>(value);
  }
  bool flag() { return one_of(std::uint8_t{1}) != 0; }
  bool whole() const { return whole_; }
  /// Everything was read, and nothing was missing.
  bool finished() const { return whole_ && rest_.empty(); }

 private:
  Octets rest_;
  bool whole_ = true;
};

/// Of `version` or one before it.
Result<Reader> open(Octets record, char version, std::string_view what) {
  const auto wrong = [&](std::string_view why) {
    return failure(ErrorKind::invalid, std::string(what) + " record: " + std::string(why));
  };
  if (record.size() < kPrefix) return wrong("too short");
  if (record[0] < 1 || record[0] > version) return wrong("of another version of adieu");
  std::uint32_t crc = 0;
  for (std::size_t i = 0; i < 4; ++i) crc |= static_cast<std::uint32_t>(static_cast<unsigned char>(record[1 + i])) << (8 * i);
  if (crc != crc32c(record.substr(kPrefix))) return wrong("wrong checksum");
  return Reader(record.substr(kPrefix));
}

}  // namespace

std::uint32_t crc32c(Octets octets) {
  static constexpr std::array<std::uint32_t, 256> kTable = make_table();
  std::uint32_t crc = ~0u;
  for (const char c : octets) crc = kTable[(crc ^ static_cast<unsigned char>(c)) & 255] ^ crc >> 8;
  return ~crc;
}

std::string encode(const MessageHead& head) {
  Writer out(kHeadVersion);
  out.time(head.arrived).mailbox(head.reverse_path).number(static_cast<std::uint8_t>(head.body)).string(head.trace).string(head.client);
  out.number(head.size).number(static_cast<std::uint8_t>(head.in_file)).number(static_cast<std::uint8_t>(head.hold));
  out.number(static_cast<std::uint32_t>(head.recipients.size()));
  for (const Recipient& recipient : head.recipients) {
    out.mailbox(recipient.forward_path).string(recipient.next_hop).number(static_cast<std::uint8_t>(recipient.state));
    out.number(recipient.attempts).time(recipient.next_attempt).string(recipient.last_reply);
  }
  out.string(head.fingerprint);
  return out.finish();
}

Result<MessageHead> decode_head(MessageId id, Octets record) {
  auto in = open(record, kHeadVersion, "message");
  if (!in) return tl::unexpected<Error>(in.error());
  MessageHead head;
  head.id = id;
  head.arrived = in->time();
  head.reverse_path = in->mailbox();
  head.body = in->one_of(mail::BodyType::eight_bit_mime);
  head.trace = in->string();
  head.client = in->string();
  head.size = in->number<std::uint64_t>();
  head.in_file = in->flag();
  head.hold = in->flag();
  const auto count = in->number<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && i < kMaxRecipients && in->whole(); ++i) {
    Recipient recipient;
    recipient.forward_path = in->mailbox();
    recipient.next_hop = in->string();
    recipient.state = in->one_of(RecipientState::failed);
    recipient.attempts = in->number<std::uint32_t>();
    recipient.next_attempt = in->time();
    recipient.last_reply = in->string();
    head.recipients.push_back(std::move(recipient));
  }
  if (record[0] > 1) head.fingerprint = in->string();
  if (!in->finished()) return failure(ErrorKind::invalid, "message record: its fields do not fit its length");
  return head;
}

std::string encode(const RecipientUpdate& update) {
  Writer out(kUpdateVersion);
  out.number(static_cast<std::uint8_t>(update.state)).number(update.attempts).time(update.next_attempt).string(update.last_reply);
  return out.finish();
}

Result<RecipientUpdate> decode_update(std::uint32_t index, Octets record) {
  auto in = open(record, kUpdateVersion, "recipient");
  if (!in) return tl::unexpected<Error>(in.error());
  RecipientUpdate update;
  update.index = index;
  update.state = in->one_of(RecipientState::failed);
  update.attempts = in->number<std::uint32_t>();
  update.next_attempt = in->time();
  update.last_reply = in->string();
  if (!in->finished()) return failure(ErrorKind::invalid, "recipient record: its fields do not fit its length");
  return update;
}

std::string encode(const Unconfirmed& message) {
  Writer out(kUnconfirmedVersion);
  out.number(message.id.value).time(message.until);
  return out.finish();
}

Result<Unconfirmed> decode_unconfirmed(Octets fingerprint, Octets record) {
  auto in = open(record, kUnconfirmedVersion, "unconfirmed");
  if (!in) return tl::unexpected<Error>(in.error());
  Unconfirmed message;
  message.fingerprint = fingerprint;
  message.id.value = in->number<std::uint64_t>();
  message.until = in->time();
  if (!in->finished()) return failure(ErrorKind::invalid, "unconfirmed record: its fields do not fit its length");
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
