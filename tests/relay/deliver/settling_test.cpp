// What becomes of failures: told together, durable with the notification, and never lost to a settlement that overtakes them. RFC 5321 section 6.1.
#include "adieu/relay/deliver/settling.h"

#include <gtest/gtest.h>

#include "adieu/relay/queue/jobs.h"
#include "io/uv/loop.h"
#include "support/memory_spool.h"
#include "support/recording_log.h"

namespace adieu::test {
namespace {

constexpr WallTime kNow(std::chrono::seconds(1'795'464'082));

class SettlingTest : public testing::Test {
 protected:
  SettlingTest() {
    config_.hostname = "relay.example.org";
    config_.retry.after = {std::chrono::minutes(1)};
    config_.retry.give_up = std::chrono::hours(1);
    config_.next_hops.emplace_back().name = "out";
    config_.rules = {{config::FromAny{}, config::ToAny{}, config::RelayVia{"out"}, {}}};
    rules_.emplace(config_);
    settling_ = std::make_unique<deliver::Settling>(deliver::Settling::Shared{config_, *rules_, spool_, log_, limit_, accept_, queued_}, loop_, [this] { ++idle_; });
  }

  /// A message that the relay has taken, its mail data in the spool alone.
  queue::Job message(std::initializer_list<const char*> recipients) {
    spool::MessageHead head;
    head.arrived = kNow;
    head.reverse_path = {"a", "example.org"};
    for (const char* recipient : recipients) head.recipients.push_back({{recipient, "example.net"}, "out"});
    auto jobs = queue::jobs_of(head, config_);
    auto transaction = spool_.begin(loop_).value();
    EXPECT_TRUE(transaction->append("Subject: the one\r\n\r\ntext\r\n", [](Result<>) {}));
    bool committed = false;
    transaction->commit(std::move(head), std::move(jobs), [&](Result<> done) { committed = done.has_value(); });
    turn();
    EXPECT_TRUE(committed);
    auto claimed = transaction->acknowledge();
    claimed.front().mail_data = nullptr;
    return std::move(queue::on_their_way(std::move(claimed), memory_).front().second);
  }
  void settle(queue::Job job, std::uint32_t recipient, smtp::Fate fate) {
    job.recipients = {recipient};
    smtp::Outcome outcome;
    outcome.fate = fate;
    outcome.reply = {static_cast<std::uint16_t>(fate == smtp::Fate::failed ? 550 : fate == smtp::Fate::deferred ? 450 : 250), {}, "said"};
    outcome.host = "mx.example.net[192.0.2.1]:25";
    settling_->settle(job, judge(job, {outcome}, config_.retry, {Instant{}, kNow, kNow}, 0.5), {"out", ""});
  }
  void turn() {
    for (int turns = 0; turns < 5; ++turns) loop_.turn(false);
  }
  std::string told(std::size_t index) const { return index < told_.size() ? *told_[index].mail_data : std::string(); }

  config::Config config_;
  std::optional<access::Rules> rules_;
  MemorySpool spool_;
  RecordingLog log_;
  queue::NotificationLimit limit_{3};
  queue::MemoryBudget memory_{1'000'000};
  std::vector<spool::Listed> stored() {
    std::vector<spool::Listed> found;
    spool_.list({}, 100, loop_, [&](Result<std::vector<spool::Listed>> all) { found = std::move(*all); });
    turn();
    return found;
  }

  std::vector<spool::Claimed> told_;
  const std::function<void(std::vector<spool::Claimed>)> accept_ = [this](std::vector<spool::Claimed> claimed) { told_.push_back(std::move(claimed.front())); };
  std::vector<std::pair<route::Destination, WallTime>> waiting_;
  const std::function<void(const route::Destination&, WallTime)> queued_ = [this](const route::Destination& destination, WallTime due) {
    waiting_.emplace_back(destination, due);
  };
  int idle_ = 0;
  uv::Loop loop_;
  std::unique_ptr<deliver::Settling> settling_;
};

TEST_F(SettlingTest, the_last_failure_is_told_at_once_and_the_message_leaves_with_it) {
  settle(message({"b"}), 0, smtp::Fate::failed);
  EXPECT_TRUE(settling_->busy());
  turn();
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_NE(told(0).find("mx.example.net[192.0.2.1]:25 said: 550 said"), std::string::npos) << told(0);
  EXPECT_NE(told(0).find("Remote-MTA: dns; mx.example.net\r\n"), std::string::npos);
  EXPECT_NE(told(0).find("Subject: the one\r\n"), std::string::npos);
  EXPECT_EQ(spool_.stored(), 1u) << "the notification, and nothing else";
  EXPECT_EQ(log_.count("event=queued queue-id=" + told_[0].head->id.text() + " parent="), 1u);
  EXPECT_EQ(log_.count("event=removed"), 1u);
  EXPECT_FALSE(settling_->busy());
  EXPECT_GE(idle_, 1);
}

TEST_F(SettlingTest, failures_of_several_destinations_are_told_in_one) {
  const auto one = message({"b", "c", "d"});
  settle(one, 0, smtp::Fate::failed);
  turn();
  EXPECT_TRUE(told_.empty()) << "the others may fail too";
  settle(one, 1, smtp::Fate::failed);
  turn();
  settle(one, 2, smtp::Fate::failed);
  turn();
  ASSERT_EQ(told_.size(), 1u);
  for (const char* recipient : {"b@", "c@", "d@"}) EXPECT_NE(told(0).find(std::string("Final-Recipient: rfc822; ") + recipient), std::string::npos);
  EXPECT_EQ(spool_.stored(), 1u);
}

/// The header is read from the spool, which takes a while; the delivery of the last other recipient comes meanwhile.
TEST_F(SettlingTest, no_settlement_overtakes_the_one_that_tells_of_a_failure) {
  const auto one = message({"b", "c"});
  settle(one, 0, smtp::Fate::failed);
  settle(one, 1, smtp::Fate::delivered);
  EXPECT_EQ(spool_.stored(), 1u);
  turn();
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(spool_.stored(), 1u) << "the notification";
  EXPECT_EQ(log_.count("event=removed"), 1u);
}

TEST_F(SettlingTest, a_failure_that_waits_is_pending_in_the_spool_and_told_when_the_relay_stops) {
  const auto one = message({"b", "c"});
  settle(one, 0, smtp::Fate::failed);
  turn();
  const auto found = stored();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].job.recipients, (std::vector<std::uint32_t>{0, 1})) << "a crash has the attempt done over";
  settling_->stop();
  turn();
  EXPECT_EQ(told_.size(), 1u);
  settle(one, 1, smtp::Fate::failed);
  turn();
  EXPECT_EQ(told_.size(), 2u) << "nothing waits any more";
  EXPECT_EQ(spool_.stored(), 2u);
}

TEST_F(SettlingTest, what_is_deferred_is_the_spools_and_known_to_wait_there_once_it_is_stored) {
  settle(message({"b"}), 0, smtp::Fate::deferred);
  EXPECT_TRUE(waiting_.empty());
  turn();
  ASSERT_EQ(waiting_.size(), 1u);
  EXPECT_EQ(waiting_[0].first, (route::Destination{"out", ""}));
  EXPECT_EQ(waiting_[0].second, kNow + std::chrono::minutes(1));
  const auto found = stored();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_FALSE(found[0].is_held);
  EXPECT_EQ(found[0].job.due, kNow + std::chrono::minutes(1));
  EXPECT_EQ(found[0].job.attempts, 1u);
  EXPECT_EQ(found[0].job.last_reply, "450 said");
}

TEST_F(SettlingTest, failures_of_jobs_that_were_claimed_one_by_one_are_told_together) {
  const auto one = message({"b", "c", "d"});
  settle(one, 0, smtp::Fate::deferred);
  turn();
  spool::Due due;
  spool_.claim_due({"out", ""}, WallTime::max(), 10, Duration::max(), loop_, [&](Result<spool::Due> found) { due = std::move(*found); });
  turn();
  ASSERT_EQ(due.jobs.size(), 1u);
  auto other = std::move(queue::on_their_way(std::move(due.jobs), memory_).front().second);
  settle(one, 1, smtp::Fate::failed);
  settle(other, 0, smtp::Fate::failed);
  turn();
  EXPECT_TRUE(told_.empty()) << "one more may fail";
  auto back = one;
  back.recipients = {2};
  settling_->put_back({back}, {"out", ""});
  settling_->stop();
  turn();
  ASSERT_EQ(told_.size(), 1u);
  for (const char* recipient : {"b@", "c@"}) EXPECT_NE(told(0).find(std::string("Final-Recipient: rfc822; ") + recipient), std::string::npos);
  const auto found = stored();
  ASSERT_EQ(found.size(), 2u) << "the notification, and what is left of the message";
  EXPECT_EQ(found[0].job.recipients, std::vector<std::uint32_t>{2});
  EXPECT_FALSE(found[0].is_held);
}

TEST_F(SettlingTest, a_settlement_that_the_spool_does_not_take_is_told_to_nobody) {
  spool_.fail(SpoolOperation::settle, 1, Error{ErrorKind::io, "the disk is gone"});
  settle(message({"b"}), 0, smtp::Fate::failed);
  turn();
  EXPECT_TRUE(told_.empty());
  EXPECT_EQ(log_.count("event=spool-settle"), 1u);
}

TEST_F(SettlingTest, an_address_gets_so_many_an_hour) {
  for (int i = 0; i < 5; ++i) settle(message({"b"}), 0, smtp::Fate::failed);
  turn();
  EXPECT_EQ(told_.size(), 3u);
  EXPECT_EQ(log_.count("event=no-notification"), 2u);
  EXPECT_EQ(log_.count("event=removed"), 5u);
}

}  // namespace
}  // namespace adieu::test
