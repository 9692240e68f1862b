#include "adieu/relay/spool/record.h"

#include <gtest/gtest.h>

#include <limits>

#include "adieu/base/record_codec.h"
#include "support/spool_session.h"

namespace adieu::spool {
namespace {

MessageHead full_head() {
  MessageHead head = test::head_to({"one", "two"});
  head.id = MessageId{42};
  head.body = mail::BodyType::eight_bit_mime;
  head.size = 123'456'789'012;
  head.in_file = true;
  head.hold = true;
  head.fingerprint = std::string("\0\xff", 2);
  head.recipients[1] = {{"\"quoted local\"", "[192.0.2.7]"}, "internet", RecipientState::failed, 7, WallTime(Duration(-5)), "550 5.1.1 no"};
  return head;
}

TEST(Record, a_message_head_comes_back_as_it_was) {
  const MessageHead head = full_head();
  const auto back = decode_head(head.id, encode(head));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->id, head.id);
  EXPECT_EQ(back->arrived, head.arrived);
  EXPECT_EQ(back->reverse_path, head.reverse_path);
  EXPECT_EQ(back->body, head.body);
  EXPECT_EQ(back->trace, head.trace);
  EXPECT_EQ(back->client, head.client);
  EXPECT_EQ(back->size, head.size);
  EXPECT_TRUE(back->in_file && back->hold);
  EXPECT_EQ(back->fingerprint, head.fingerprint);
  ASSERT_EQ(back->recipients.size(), 2u);
  const Recipient& recipient = back->recipients[1];
  EXPECT_EQ(recipient.forward_path, head.recipients[1].forward_path);
  EXPECT_EQ(recipient.next_hop, "internet");
  EXPECT_EQ(recipient.state, RecipientState::failed);
  EXPECT_EQ(recipient.attempts, 7u);
  EXPECT_EQ(recipient.next_attempt, WallTime(Duration(-5)));
  EXPECT_EQ(recipient.last_reply, "550 5.1.1 no");
  EXPECT_FALSE(decode_head({}, encode(MessageHead{}))->in_file);
}

TEST(Record, a_recipient_update_comes_back_as_it_was) {
  const RecipientUpdate update{3, RecipientState::delivered, 9, WallTime(Duration(1234)), "250 2.0.0 ok"};
  const auto back = decode_update(3, encode(update));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->index, 3u);
  EXPECT_EQ(back->state, update.state);
  EXPECT_EQ(back->attempts, update.attempts);
  EXPECT_EQ(back->next_attempt, update.next_attempt);
  EXPECT_EQ(back->last_reply, update.last_reply);
}

TEST(Record, the_bytes_of_version_one_stay_what_they_are) {
  const auto hex = [](Octets octets) {
    std::string text;
    for (const char c : octets) {
      text += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
      text += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
    }
    return text;
  };
  EXPECT_EQ(hex(encode(RecipientUpdate{0, RecipientState::failed, 2, WallTime(Duration(0x0102)), "550"})),
            "01" "049e3b01" "02" "02000000" "0201000000000000" "03000000353530");
}

// Every record there is: no octet of it can change, be missing or be added without being noticed.
template <class Decode>
void expect_every_damage_is_noticed(const std::string& record, Decode decode) {
  ASSERT_TRUE(decode(record));
  for (std::size_t at = 0; at < record.size(); ++at) {
    for (int flip = 1; flip < 256; ++flip) {
      std::string damaged = record;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      ASSERT_FALSE(decode(damaged)) << "octet " << at << " flipped by " << flip;
    }
    ASSERT_FALSE(decode(record.substr(0, at))) << "cut at " << at;
  }
  ASSERT_FALSE(decode(record + '\0'));
}
TEST(Record, every_flip_and_every_cut_of_a_message_is_noticed) {
  expect_every_damage_is_noticed(encode(full_head()), [](const std::string& record) { return decode_head({}, record).has_value(); });
}
TEST(Record, every_flip_and_every_cut_of_an_update_is_noticed) {
  const RecipientUpdate update{3, RecipientState::pending, 9, WallTime(Duration(1234)), "451 4.3.0 later"};
  expect_every_damage_is_noticed(encode(update), [](const std::string& record) { return decode_update(3, record).has_value(); });
}

// With a checksum that fits: what a faulty writer would leave, or somebody who means harm.
std::string sealed(std::string record) {
  const std::uint32_t crc = crc32c(Octets(record).substr(5));
  for (std::size_t i = 0; i < 4; ++i) record[1 + i] = static_cast<char>(crc >> (8 * i) & 255);
  return record;
}
TEST(Record, a_message_of_version_one_is_read_without_a_fingerprint) {
  MessageHead head = full_head();
  head.fingerprint.clear();
  std::string record = encode(head);
  record.resize(record.size() - 4);
  record[0] = 1;
  const auto back = decode_head(head.id, sealed(record));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(encode(*back), encode(head));
}
TEST(Record, every_flip_and_every_cut_of_an_unconfirmed_message_is_noticed) {
  const Unconfirmed message{"fingerprint", {0x0102}, WallTime(Duration(1234))};
  EXPECT_EQ(decode_unconfirmed("fingerprint", encode(message)).value(), message);
  expect_every_damage_is_noticed(encode(message), [](const std::string& record) { return decode_unconfirmed("x", record).has_value(); });
}
TEST(Record, lengths_and_values_are_bounded_even_under_a_checksum_that_fits) {
  const std::string record = encode(full_head());
  for (std::size_t at = 5; at < record.size(); ++at) EXPECT_FALSE(decode_head({}, sealed(record.substr(0, at)))) << at;
  EXPECT_FALSE(decode_head({}, sealed(record + '\0')));
  for (std::size_t at = 5; at + 4 <= record.size(); ++at) {
    std::string huge = record;
    huge.replace(at, 4, 4, '\xff');
    if (const auto head = decode_head({}, sealed(huge))) {
      EXPECT_EQ(encode(*head), sealed(huge)) << at;
    }
  }
  std::string update = encode(RecipientUpdate{});
  update[5] = 3;
  EXPECT_FALSE(decode_update(0, sealed(update))) << "there is no such state";
}

TEST(Record, another_version_is_told_from_damage) {
  std::string record = encode(full_head());
  record[0] = 3;
  const auto head = decode_head({}, record);
  ASSERT_FALSE(head);
  EXPECT_EQ(head.error().kind, ErrorKind::invalid);
  EXPECT_NE(head.error().message.find("version"), std::string::npos);
}

TEST(Record, an_update_of_a_recipient_that_is_not_there_is_refused) {
  MessageHead head = full_head();
  EXPECT_TRUE(apply({1, RecipientState::delivered, 8, {}, ""}, head));
  EXPECT_EQ(head.recipients[1].state, RecipientState::delivered);
  EXPECT_FALSE(apply({2, RecipientState::delivered, 8, {}, ""}, head));
}

TEST(MessageId, is_thirteen_characters_that_sort_as_it_does) {
  EXPECT_EQ(MessageId{}.text(), "0000000000000");
  EXPECT_EQ(MessageId{31}.text(), "000000000000Z");
  EXPECT_EQ(MessageId{std::numeric_limits<std::uint64_t>::max()}.text(), "FZZZZZZZZZZZZ");
  std::string last;
  for (std::uint64_t value = 1; value != 0; value <<= 1) {
    for (const MessageId id : {MessageId{value - 1}, MessageId{value}}) {
      const std::string text = id.text();
      EXPECT_EQ(text.size(), 13u);
      EXPECT_GE(text, last);
      EXPECT_EQ(MessageId::parse(text), id);
      EXPECT_EQ(MessageId::parse(to_ascii_lower(text)), id);
      last = text;
    }
  }
}
TEST(MessageId, is_not_read_from_what_is_not_one) {
  for (const char* text : {"", "000000000000", "00000000000000", "000000000000U", "000000000000-", "G000000000000", "ZZZZZZZZZZZZZ", " 00000000000"}) {
    EXPECT_FALSE(MessageId::parse(text)) << text;
  }
}
}  // namespace
}  // namespace adieu::spool
