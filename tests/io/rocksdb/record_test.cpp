#include "io/rocksdb/record.h"

#include <gtest/gtest.h>

#include "adieu/base/record_codec.h"
#include "io/rocksdb/old_records.h"
#include "spool.pb.h"
#include "support/spool_session.h"

namespace adieu::rocksdb {
namespace {

spool::MessageHead full_head() {
  spool::MessageHead head = test::head_to({"one", "two", "three"});
  head.id = spool::MessageId{42};
  head.body = mail::BodyType::eight_bit_mime;
  head.size = 123'456'789'012;
  head.in_file = true;
  head.fingerprint = std::string("\0\xff", 2);
  head.recipients[1] = {{"\"quoted local\"", "[192.0.2.7]"}, "internet"};
  return head;
}
spool::Job full_job() { return {3, {"internet", "example.org"}, {0, 2, 70'000}, 9, WallTime(Duration(1234)), WallTime(Duration(-5)), "451 4.3.0 l\xe4ter"}; }

TEST(Record, a_message_head_comes_back_as_it_was) {
  const spool::MessageHead head = full_head();
  const auto back = decode_head(head.id, encode(head));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->id, head.id);
  EXPECT_EQ(back->arrived, head.arrived);
  EXPECT_EQ(back->reverse_path, head.reverse_path);
  EXPECT_EQ(back->body, head.body);
  EXPECT_EQ(back->trace, head.trace);
  EXPECT_EQ(back->client, head.client);
  EXPECT_EQ(back->size, head.size);
  EXPECT_TRUE(back->in_file);
  EXPECT_EQ(back->fingerprint, head.fingerprint);
  ASSERT_EQ(back->recipients.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(back->recipients[i].forward_path, head.recipients[i].forward_path);
    EXPECT_EQ(back->recipients[i].next_hop, i == 1 ? "internet" : "smarthost");
  }
  EXPECT_FALSE(decode_head({}, encode(spool::MessageHead{}))->in_file);
}

TEST(Record, a_job_comes_back_as_it_was) {
  EXPECT_EQ(decode_job(3, encode(full_job())).value(), full_job());
  EXPECT_EQ(decode_job(0, encode(spool::Job{})).value(), spool::Job{});
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
TEST(Record, every_flip_and_every_cut_is_noticed) {
  expect_every_damage_is_noticed(encode(full_head()), [](const std::string& record) { return decode_head({}, record).has_value(); });
  expect_every_damage_is_noticed(encode(full_job()), [](const std::string& record) { return decode_job(0, record).has_value(); });
  const spool::Unconfirmed message{"fingerprint", {0x0102}, WallTime(Duration(1234))};
  EXPECT_EQ(decode_unconfirmed("fingerprint", encode(message)).value(), message);
  expect_every_damage_is_noticed(encode(message), [](const std::string& record) { return decode_unconfirmed("x", record).has_value(); });
}
TEST(Record, a_message_in_hand_is_its_two_records) {
  const std::string record = in_hand_record(full_head(), full_job());
  const auto parts = parse_in_hand(record);
  ASSERT_TRUE(parts.has_value());
  EXPECT_EQ(parts->head, encode(full_head()));
  EXPECT_EQ(parts->job, encode(full_job()));
  for (const std::size_t size : {std::size_t{0}, std::size_t{3}, std::size_t{4}, parts->head.size() + 3}) EXPECT_FALSE(parse_in_hand(record.substr(0, size))) << size;
}

// With a checksum that fits: what a faulty writer would leave, or a newer one, or somebody who means harm.
std::string sealed(Octets fields) {
  std::string record(1, '\x03');
  const std::uint32_t crc = crc32c(fields);
  for (std::size_t i = 0; i < 4; ++i) record += static_cast<char>(crc >> (8 * i) & 255);
  return record + std::string(fields);
}
TEST(Record, values_are_bounded_even_under_a_checksum_that_fits) {
  const auto head = [](const auto& change) {
    record::Head from;
    from.add_next_hops("smarthost");
    from.add_recipients()->mutable_forward_path()->set_domain("example.org");
    change(from);
    return decode_head({}, sealed(from.SerializeAsString()));
  };
  EXPECT_TRUE(head([](auto&) {}));
  EXPECT_FALSE(head([](auto& from) { from.set_body(3); })) << "there is no such body type";
  EXPECT_FALSE(head([](auto& from) { from.mutable_recipients(0)->set_next_hop(1); })) << "there is no such next hop";
  record::Job job;
  for (const std::uint32_t index : {1u, 5u}) job.add_recipients(index);
  EXPECT_TRUE(decode_job(0, sealed(job.SerializeAsString())));
  job.add_recipients(5);
  EXPECT_FALSE(decode_job(0, sealed(job.SerializeAsString()))) << "one of them twice";
  EXPECT_FALSE(decode_job(0, sealed("\x22\xff\xff\xff\xff\x0f"))) << "a length that runs over the end";
}
TEST(Record, a_newer_version_may_add_what_may_be_ignored_and_say_what_may_not) {
  record::Job job;
  job.set_last_reply("450");
  const std::string unknown = job.SerializeAsString() + "\xa2\x06\x03new";  // field 100
  EXPECT_EQ(decode_job(0, sealed(unknown))->last_reply, "450");
  job.set_needs(1);
  const auto refused = decode_job(0, sealed(job.SerializeAsString()));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("newer version"), std::string::npos);
  std::string other = encode(full_head());
  other[0] = 4;
  EXPECT_NE(decode_head({}, other).error().message.find("form"), std::string::npos);
}

/// As version 2 wrote it.
std::string old_message(char version) {
  RecordWriter out(version);
  out.time(WallTime(Duration(99))).string("from").string("client.example").number(std::uint8_t{1}).string("trace").string("client");
  out.number(std::uint64_t{7}).number(std::uint8_t{0}).number(std::uint8_t{0}).number(std::uint32_t{3});
  for (const auto& [name, domain] : {std::pair("a", "One.Example"), std::pair("b", "two.example"), std::pair("c", "one.example")}) {
    out.string(name).string(domain).string("out").number(std::uint8_t{0}).number(std::uint32_t{0}).time({}).string("");
  }
  if (version > 1) out.string("fingerprint");
  return out.finish();
}
std::string old_update(std::uint8_t state, std::uint32_t attempts) {
  RecordWriter out(1);
  out.number(state).number(attempts).time(WallTime(Duration(500))).string("450 later");
  return out.finish();
}
TEST(OldRecords, a_message_is_read_with_what_had_become_of_it_since) {
  for (const char version : {'\1', '\2'}) {
    auto message = decode_old_message({7}, old_message(version));
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(message->head.fingerprint, version == 1 ? "" : "fingerprint");
    EXPECT_EQ(message->head.reverse_path.text(), "from@client.example");
    ASSERT_TRUE(apply_old_update(2, old_update(0, 4), *message));
    ASSERT_TRUE(apply_old_update(1, old_update(1, 1), *message));
    EXPECT_FALSE(apply_old_update(3, old_update(0, 4), *message));
    const auto jobs = jobs_of(*message);
    ASSERT_EQ(jobs.size(), 1u);
    EXPECT_EQ(jobs[0], (spool::Job{0, {"out", "one.example"}, {0, 2}, 4, WallTime(Duration(500)), {}, "450 later"}));
  }
}
TEST(OldRecords, every_flip_and_every_cut_is_noticed) {
  expect_every_damage_is_noticed(old_message(2), [](const std::string& record) { return decode_old_message({}, record).has_value(); });
  expect_every_damage_is_noticed(old_update(0, 1), [](const std::string& record) {
    auto message = decode_old_message({}, old_message(2));
    return apply_old_update(0, record, *message).has_value();
  });
  RecordWriter unconfirmed(1);
  unconfirmed.number(std::uint64_t{0x0102}).time(WallTime(Duration(1234)));
  const std::string record = unconfirmed.finish();
  EXPECT_EQ(decode_old_unconfirmed("x", record).value(), (spool::Unconfirmed{"x", {0x0102}, WallTime(Duration(1234))}));
  expect_every_damage_is_noticed(record, [](const std::string& each) { return decode_old_unconfirmed("x", each).has_value(); });
}

}  // namespace
}  // namespace adieu::rocksdb
