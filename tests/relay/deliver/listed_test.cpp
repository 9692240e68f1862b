#include "adieu/relay/deliver/listed.h"

#include <gtest/gtest.h>

namespace adieu::deliver {
namespace {

Listed job() {
  auto head = std::make_shared<spool::MessageHead>();
  head->id.value = 7;
  head->arrived = WallTime(std::chrono::hours(100));
  head->reverse_path = {"A", "example.org"};
  for (const char* domain : {"one.example", "two.example"}) {
    spool::Recipient recipient;
    recipient.forward_path = {"b", domain};
    head->recipients.push_back(std::move(recipient));
  }
  Listed job;
  job.head = head;
  job.recipients = {1};  // this job is for the second
  job.destination = {"out", "two.example"};
  job.state = Listed::State::waiting;
  job.reason = "451 4.7.1 Greylisted, try later";
  return job;
}

TEST(ListFilter, that_asks_for_nothing_has_all) { EXPECT_TRUE(ListFilter().matches(job())); }

TEST(ListFilter, asks_for_what_the_job_has) {
  const auto matches = [](auto set) {
    ListFilter filter;
    set(filter);
    return filter.matches(job());
  };
  const auto text = [&](std::string ListFilter::*member, const char* value) {
    return matches([&](ListFilter& filter) { filter.*member = value; });
  };
  EXPECT_TRUE(matches([](ListFilter& filter) { filter.id = spool::MessageId{7}; }));
  EXPECT_FALSE(matches([](ListFilter& filter) { filter.id = spool::MessageId{8}; }));
  EXPECT_TRUE(matches([](ListFilter& filter) { filter.state = Listed::State::waiting; }));
  EXPECT_FALSE(matches([](ListFilter& filter) { filter.state = Listed::State::due; }));
  EXPECT_TRUE(matches([](ListFilter& filter) { filter.arrived_before = WallTime(std::chrono::hours(101)); }));
  EXPECT_FALSE(matches([](ListFilter& filter) { filter.arrived_before = WallTime(std::chrono::hours(100)); }));
  EXPECT_TRUE(text(&ListFilter::next_hop, "out"));
  EXPECT_FALSE(text(&ListFilter::next_hop, "ou"));
  EXPECT_TRUE(text(&ListFilter::domain, "TWO.example"));
  EXPECT_FALSE(text(&ListFilter::domain, "one.example")) << "the message has a recipient there, but another job takes it";
  EXPECT_TRUE(text(&ListFilter::from, "<a@example.org>"));
  EXPECT_FALSE(text(&ListFilter::from, "<>"));
  EXPECT_TRUE(text(&ListFilter::to, "b@two.example"));
  EXPECT_FALSE(text(&ListFilter::to, "b@one.example"));
  EXPECT_TRUE(text(&ListFilter::reason, "greylist"));
  EXPECT_FALSE(text(&ListFilter::reason, "refused"));
}

TEST(ListFilter, asks_for_all_of_it_at_once) {
  ListFilter filter;
  filter.next_hop = "out";
  filter.domain = "two.example";
  EXPECT_TRUE(filter.matches(job()));
  filter.to = "c@two.example";
  EXPECT_FALSE(filter.matches(job()));
}

TEST(ListFilter, finds_notifications_by_their_null_reverse_path) {
  Listed notification = job();
  auto head = std::make_shared<spool::MessageHead>(*notification.head);
  head->reverse_path = {};
  notification.head = head;
  ListFilter filter;
  filter.from = "<>";
  EXPECT_TRUE(filter.matches(notification));
}

}  // namespace
}  // namespace adieu::deliver
