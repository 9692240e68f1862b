#include "adieu/relay/queue/queue.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "adieu/relay/queue/notification_limit.h"
#include "adieu/relay/queue/retry.h"
#include "adieu/relay/queue/settle.h"

namespace adieu::queue {
namespace {
using namespace std::chrono_literals;

const route::Destination kA{"a", ""};
const route::Destination kB{"b", "example.org"};
constexpr Now kNow{Instant(5'000s), WallTime(1'000'000'000ms)};
Now after(Duration time) { return {kNow.instant + time, kNow.wall + time}; }
bool never(const Job&) { return false; }
bool all(const Listed&) { return true; }

struct QueueTest : testing::Test {
  Job job(std::uint64_t id, WallTime next = {}, int recipients = 1) { return job(id, next, recipients, budget); }
  static Job job(std::uint64_t id, WallTime next, int recipients, MemoryBudget& budget) {
    auto head = std::make_shared<spool::MessageHead>();
    head->id = {id};
    head->arrived = kNow.wall;
    head->recipients.resize(static_cast<std::size_t>(recipients));
    Job result;
    for (int i = 0; i < recipients; ++i) result.recipients.push_back(static_cast<std::uint32_t>(i));
    result.message = std::make_shared<InFlight>(head, std::make_shared<const std::string>("data"), budget);
    result.next_attempt = next;
    return result;
  }
  std::uint64_t take(const route::Destination& destination) {
    const auto taken = queue.take(destination);
    return taken ? taken->message->head()->id.value : 0;
  }
  std::optional<route::Destination> wanted() {
    const auto reached = queue.wants_connection(true);
    return reached ? reached : queue.wants_connection(false);
  }
  /// Opens what is wanted; how many for that destination.
  int open_all(const route::Destination& destination) {
    int opened = 0;
    while (const auto next = wanted()) {
      queue.connection_opened(*next);
      opened += *next == destination;
    }
    return opened;
  }
  MemoryBudget budget{1'000'000};
  std::size_t limit = 1;
  Queue queue{[this](const auto&) { return limit; }, 3h};
};

TEST_F(QueueTest, gives_the_jobs_of_a_destination_in_order) {
  for (std::uint64_t id : {1, 2, 3}) queue.add(kA, job(id), kNow);
  queue.add(kB, job(9), kNow);
  EXPECT_EQ(take(kA), 1u);
  EXPECT_EQ(take(kA), 2u);
  EXPECT_EQ(take(kB), 9u);
  EXPECT_EQ(take(kB), 0u);
  EXPECT_EQ(queue.size(), 1u);
}
TEST_F(QueueTest, wants_connections_in_turn_within_their_limit_and_no_more_than_jobs) {
  limit = 2;
  for (std::uint64_t id : {1, 2, 3}) queue.add(kA, job(id), kNow);
  queue.add(kB, job(9), kNow);
  std::map<route::Destination, int> opened;
  while (const auto destination = wanted()) {
    queue.connection_opened(*destination);
    ++opened[*destination];
  }
  EXPECT_EQ(opened[kA], 2);
  EXPECT_EQ(opened[kB], 1);
}
TEST_F(QueueTest, a_job_that_is_due_does_not_wait_for_a_connection_that_is_busy) {
  limit = 2;
  queue.add(kA, job(1), kNow);
  EXPECT_EQ(open_all(kA), 1);
  EXPECT_EQ(take(kA), 1u);
  queue.connection_moved(kA, Doing::opening, Doing::sending);
  queue.add(kA, job(2), kNow);
  EXPECT_EQ(open_all(kA), 1) << "the first one may be busy for minutes";
  queue.add(kA, job(3), kNow);
  EXPECT_EQ(open_all(kA), 0) << "two are the limit";
  queue.connection_moved(kA, Doing::sending, Doing::ending);
  EXPECT_EQ(open_all(kA), 0) << "one that ends is open still";
  queue.connection_closed(kA, Doing::ending);
  EXPECT_EQ(open_all(kA), 1);
}
TEST_F(QueueTest, a_connection_that_idles_is_preferred_to_a_new_one) {
  limit = 2;
  queue.add(kA, job(1), kNow);
  EXPECT_EQ(open_all(kA), 1);
  EXPECT_EQ(take(kA), 1u);
  queue.connection_moved(kA, Doing::opening, Doing::idling);
  EXPECT_FALSE(queue.next_for_idle());
  queue.add(kA, job(2), kNow);
  EXPECT_FALSE(wanted());
  EXPECT_EQ(queue.next_for_idle(), kA);
  EXPECT_EQ(take(kA), 2u);
  EXPECT_FALSE(queue.next_for_idle());
}
TEST_F(QueueTest, what_waits_is_due_when_its_time_has_come) {
  queue.add(kA, job(1, kNow.wall + 60s), kNow);
  EXPECT_FALSE(wanted());
  EXPECT_EQ(queue.next_wake(), kNow.instant + 60s);
  queue.wake(after(60s));
  EXPECT_EQ(take(kA), 1u);
  EXPECT_EQ(queue.size(), 0u);
}
TEST_F(QueueTest, waits_last_as_long_as_they_were_meant_to_whatever_the_wall_clock_does) {
  queue.add(kA, job(1, kNow.wall + 60s), kNow);
  queue.add(kB, job(2), kNow);
  queue.back_off(kB, 60s, "x", kNow, never);
  queue.wake({kNow.instant + 59s, kNow.wall + 24h});
  EXPECT_EQ(take(kA) + take(kB), 0u) << "the clock was set forward";
  queue.wake({kNow.instant + 60s, kNow.wall - 24h});
  EXPECT_EQ(take(kA), 1u) << "the clock was set back";
  EXPECT_EQ(take(kB), 2u);
  EXPECT_FALSE(queue.next_wake());
}
TEST_F(QueueTest, a_time_that_a_wrong_clock_has_stored_is_waited_for_no_longer_than_any) {
  queue.add(kA, job(1, kNow.wall + 24h * 365), kNow);
  EXPECT_EQ(queue.next_wake(), kNow.instant + 3h);
  queue.wake(after(3h));
  EXPECT_EQ(take(kA), 1u);
}
TEST_F(QueueTest, a_destination_that_is_backed_off_gives_nothing_and_delays_nobody_else) {
  queue.add(kA, job(1), kNow);
  queue.add(kA, job(2), kNow);
  queue.add(kB, job(9), kNow);
  const auto back_off = queue.back_off(kA, 60s, "unreachable", kNow, never);
  EXPECT_TRUE(back_off.expired.empty());
  EXPECT_EQ(back_off.wait, 60s);
  EXPECT_TRUE(queue.backed_off(kA));
  EXPECT_EQ(queue.failures(kA), 1u);
  EXPECT_EQ(queue.back_offs(kA), 1u);
  EXPECT_EQ(take(kA), 0u);
  EXPECT_EQ(wanted(), kB);
  EXPECT_EQ(queue.next_wake(), kNow.instant + 60s);
  queue.wake(after(60s));
  EXPECT_EQ(take(kA), 1u);
  queue.reached(kA);
  EXPECT_EQ(queue.failures(kA), 0u);
}
TEST_F(QueueTest, one_connection_alone_is_tried_when_a_back_off_ends_and_all_once_it_is_ready) {
  limit = 20;
  for (std::uint64_t id = 1; id <= 25; ++id) queue.add(kA, job(id), kNow);
  queue.back_off(kA, 60s, "unreachable", kNow, never);
  EXPECT_EQ(open_all(kA), 0);
  queue.wake(after(60s));
  EXPECT_EQ(open_all(kA), 1);
  queue.reached(kA);
  EXPECT_EQ(open_all(kA), 19);
}
TEST_F(QueueTest, a_back_off_gives_up_what_has_waited_for_too_long) {
  for (std::uint64_t id : {1, 2, 3}) queue.add(kA, job(id), kNow);
  const auto given_up = queue.back_off(kA, 60s, "x", kNow, [](const Job& each) { return each.message->head()->id.value <= 2; });
  EXPECT_EQ(given_up.expired.size(), 2u);
  EXPECT_EQ(queue.size(), 1u);
}
TEST_F(QueueTest, retry_ends_waiting_and_backing_off) {
  queue.add(kA, job(1), kNow);
  queue.add(kB, job(2, kNow.wall + 60s), kNow);
  queue.back_off(kA, 60s, "x", kNow, never);
  EXPECT_EQ(queue.retry([](const Listed& each) { return each.job.message->head()->id.value == 7; }, kNow), 0u);
  EXPECT_EQ(queue.retry(all, kNow), 2u);
  EXPECT_EQ(take(kA), 1u);
  EXPECT_EQ(take(kB), 2u);
}
TEST_F(QueueTest, retry_counts_what_waits_for_its_destination_beside_what_waits_for_its_time) {
  queue.add(kA, job(1), kNow);
  queue.add(kA, job(2), kNow);
  queue.add(kA, job(3, kNow.wall + 60s), kNow);
  queue.back_off(kA, 60s, "x", kNow, never);
  EXPECT_EQ(queue.retry(all, kNow), 3u);
  EXPECT_EQ(queue.retry(all, kNow), 0u);
}
TEST_F(QueueTest, retry_never_makes_a_back_off_longer) {
  queue.add(kA, job(1), kNow);
  queue.back_off(kA, 60s, "x", kNow, never);
  for (int seconds = 1; seconds <= 3; ++seconds) {
    EXPECT_EQ(queue.retry(all, after(1s * seconds)), 1u);
    const auto again = queue.back_off(kA, 300s, "x", after(1s * seconds), never);
    EXPECT_EQ(again.wait, 60s - 1s * seconds) << "the time that was promised stands";
    EXPECT_EQ(queue.failures(kA), 1u);
  }
  queue.wake(after(60s));
  EXPECT_EQ(queue.back_off(kA, 300s, "x", after(60s), never).wait, 300s);
  EXPECT_EQ(queue.failures(kA), 2u);
}
TEST_F(QueueTest, tells_of_its_destinations_a_few_at_a_time) {
  queue.add(kA, job(1), kNow);
  queue.add(kA, job(2), kNow);
  queue.add(kB, job(3, kNow.wall + 60s), kNow);  // nothing is due there, and nothing known
  const route::Destination c{"c", ""};
  queue.add(c, job(4), kNow);
  queue.back_off(c, 60s, "no route", kNow, never);
  queue.connection_opened(kA);
  const auto first = queue.sites({}, 1);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].destination, kA);
  EXPECT_EQ(first[0].due, 2u);
  EXPECT_EQ(first[0].connections[static_cast<std::size_t>(Doing::opening)], 1u);
  EXPECT_FALSE(first[0].until);
  const auto rest = queue.sites(kA, 10);
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].destination, c);
  EXPECT_EQ(rest[0].until, kNow.wall + 60s);
  EXPECT_EQ(rest[0].reason, "no route");
  EXPECT_EQ(rest[0].failures, 1u);
  EXPECT_TRUE(queue.sites(c, 10).empty());
}
/// A walk in steps while the queue changes.
TEST_F(QueueTest, is_walked_through_a_few_jobs_at_a_time_and_what_stays_is_met_once) {
  std::uint64_t last = 0;
  for (int i = 0; i < 20; ++i) queue.add(kA, job(++last), kNow);
  for (int i = 0; i < 20; ++i) queue.add(kB, job(++last), kNow);
  for (int i = 0; i < 20; ++i) queue.add(kA, job(++last, kNow.wall + (i % 3) * 1min + 1min), kNow);
  const std::uint64_t were_there = last;
  std::map<std::uint64_t, int> met;
  Queue::Place place;
  std::set<std::uint64_t> taken;
  for (int calls = 0; !place.at_end; ++calls) {
    ASSERT_LT(calls, 100);
    std::size_t visited = 0;
    queue.walk(place, 3, [&](const Listed& each) {
      ++met[each.job.message->head()->id.value];
      ++visited;
    });
    EXPECT_LE(visited, 3u);
    if (calls % 4 == 0) taken.insert(take(calls % 8 == 0 ? kA : kB));
    queue.add(kA, job(++last), kNow);
    if (calls == 2) queue.wake(after(1min));  // some of those that waited are due now
  }
  for (std::uint64_t id = 1; id <= were_there; ++id) {
    EXPECT_GE(met[id], taken.contains(id) ? 0 : 1) << id;
    EXPECT_LE(met[id], id <= 40 ? 1 : 2) << id;
  }
}
TEST_F(QueueTest, says_of_a_job_whether_it_waits_until_when_and_why) {
  queue.add(kA, job(1), kNow);
  queue.add(kA, job(2, kNow.wall + 2min), kNow);
  queue.add(kB, job(3), kNow);
  queue.back_off(kB, 5min, "refused", kNow, never);
  std::map<std::uint64_t, std::string> listed;
  Queue::Place place;
  while (!place.at_end) {
    queue.walk(place, 1, [&](const Listed& each) {
      listed[each.job.message->head()->id.value] = each.waits ? each.reason + " until " + rfc3339(each.next_attempt) : "due";
    });
  }
  EXPECT_EQ(listed[1], "due");
  EXPECT_EQ(listed[2], " until " + rfc3339(kNow.wall + 2min));
  EXPECT_EQ(listed[3], "refused until " + rfc3339(kNow.wall + 5min));
}
TEST_F(QueueTest, a_hundred_thousand_jobs_of_a_dead_destination_do_not_slow_another) {
  for (std::uint64_t id = 1; id <= 100'000; ++id) queue.add(kA, job(id), kNow);
  queue.back_off(kA, 60s, "x", kNow, never);
  for (std::uint64_t id = 1; id <= 1000; ++id) {
    queue.add(kB, job(id), kNow);
    ASSERT_EQ(wanted(), kB);
    ASSERT_EQ(take(kB), id);
  }
  EXPECT_EQ(queue.size(), 100'000u);
}
TEST_F(QueueTest, many_destinations_that_have_their_connections_do_not_slow_another) {
  for (std::uint64_t id = 1; id <= 20'000; ++id) queue.add({"a", std::to_string(id)}, job(id), kNow);
  for (std::uint64_t id = 1; id <= 20'000; ++id) {
    const auto destination = wanted();
    ASSERT_TRUE(destination);
    queue.connection_opened(*destination);
  }
  ASSERT_FALSE(wanted());
  for (std::uint64_t id = 1; id <= 20'000; ++id) {  // walking through the others each time would be four hundred million steps
    queue.add(kB, job(id), kNow);
    ASSERT_EQ(wanted(), kB);
    ASSERT_EQ(take(kB), id);
  }
}
TEST_F(QueueTest, destinations_that_answered_are_told_from_those_that_did_not) {
  const route::Destination host{"smarthost", ""}, domain{"out", "example.org"};
  queue.add(host, job(1), kNow);
  queue.add(domain, job(2), kNow);
  EXPECT_EQ(queue.wants_connection(true), host) << "a configured host is believed to answer";
  EXPECT_EQ(queue.wants_connection(false), domain);
  queue.reached(domain);
  EXPECT_FALSE(queue.has_wanted_connection(false));
  EXPECT_EQ(take(host) + take(domain), 3u);
  queue.add(domain, job(3), kNow);
  EXPECT_EQ(queue.wants_connection(true), domain) << "it is remembered when nothing was left for it";
  for (const auto& destination : {host, domain}) queue.back_off(destination, 60s, "x", kNow, never);
  queue.add(host, job(4), kNow);
  queue.wake(after(60s));
  EXPECT_FALSE(queue.has_wanted_connection(true));
  queue.reached(host);
  EXPECT_EQ(queue.wants_connection(true), host);
  EXPECT_EQ(queue.wants_connection(false), domain);
}
TEST_F(QueueTest, mail_data_beyond_the_budget_is_left_in_the_spool) {
  MemoryBudget small(6);
  auto head = std::make_shared<spool::MessageHead>();
  const auto data = std::make_shared<const std::string>("data");
  auto first = std::make_unique<InFlight>(head, data, small);
  InFlight second(head, data, small);
  EXPECT_TRUE(first->mail_data());
  EXPECT_FALSE(second.mail_data());
  first.reset();
  EXPECT_EQ(small.used(), 0u);
}

TEST_F(QueueTest, what_waits_leaves_half_of_the_budget_to_what_does_not) {
  MemoryBudget small(16);  // four messages of this fixture
  Queue several{[](const auto&) { return 1; }, 3h};
  const auto add = [&](const route::Destination& destination, WallTime next = {}) { several.add(destination, job(1, next, 1, small), kNow); };
  add(kA, kNow.wall + 60s);
  EXPECT_EQ(small.used(), 4u) << "up to a half it keeps its mail data";
  add(kA);
  add(kB);
  add(kB, kNow.wall + 60s);
  EXPECT_EQ(small.used(), 12u) << "the one that waits has let it go";
  several.back_off(kA, 60s, "x", kNow, never);
  EXPECT_EQ(small.used(), 8u) << "and so have those of a destination that is down";
  add(kB);
  add(kA);
  EXPECT_EQ(small.used(), 12u) << "and those that come to it";
  EXPECT_TRUE(several.take(kB)->message->mail_data());
  several.wake(after(60s));
  EXPECT_FALSE(several.take(kA)->message->mail_data());
}

config::Retry schedule() { return {{1min, 5min}, 2h, 24h}; }
smtp::Outcome outcome(smtp::Fate fate, std::uint16_t code) {
  smtp::Outcome result;
  result.fate = fate;
  result.reply = {code, {static_cast<std::uint16_t>(code / 100), 0, 0}, "text"};
  result.status = result.reply.status;
  return result;
}

TEST(Retry, goes_through_the_intervals_and_then_on) {
  EXPECT_EQ(interval_after(schedule(), 1, 0.5), 1min);
  EXPECT_EQ(interval_after(schedule(), 2, 0.5), 5min);
  EXPECT_EQ(interval_after(schedule(), 3, 0.5), 2h);
  EXPECT_EQ(interval_after(schedule(), 99, 0.5), 2h);
}
TEST(Retry, spreads_what_failed_together_by_a_tenth) {
  EXPECT_EQ(interval_after(schedule(), 1, 0), 54s);
  EXPECT_EQ(interval_after(schedule(), 1, 1), 66s);
  EXPECT_EQ(longest_interval(schedule()), 132min);
  for (double random = 0; random < 1; random += 0.01) {
    EXPECT_GE(interval_after(schedule(), 2, random), 270s);
    EXPECT_LE(interval_after(schedule(), 2, random), 330s);
  }
}
TEST_F(QueueTest, each_recipient_is_judged_by_its_own_outcome) {
  const Verdict verdict = judge(job(1, {}, 3), {outcome(smtp::Fate::delivered, 250), outcome(smtp::Fate::deferred, 450), outcome(smtp::Fate::failed, 550)}, schedule(), kNow.wall, 0.5);
  EXPECT_EQ(verdict.final_count, 2u);
  ASSERT_TRUE(verdict.again);
  EXPECT_EQ(verdict.again->recipients, std::vector<std::uint32_t>{1});
  EXPECT_EQ(verdict.again->next_attempt, kNow.wall + 1min);
  EXPECT_EQ(verdict.again->attempts, 1u);
  ASSERT_EQ(verdict.failures.size(), 1u);
  EXPECT_EQ(verdict.failures[0].index, 2u);
  EXPECT_EQ(verdict.updates[1].state, spool::RecipientState::pending);
  EXPECT_EQ(verdict.updates[2].last_reply, "550 5.0.0 text");
}
TEST_F(QueueTest, what_the_next_transaction_is_to_have_is_no_deferral_however_old_the_message_is) {
  smtp::Outcome at_once = outcome(smtp::Fate::deferred, 452);
  at_once.at_once = true;
  const Verdict verdict = judge(job(1, {}, 3), {outcome(smtp::Fate::delivered, 250), at_once, at_once}, schedule(), kNow.wall + 24h, 0.5);
  EXPECT_FALSE(verdict.again);
  EXPECT_TRUE(verdict.failures.empty());
  EXPECT_EQ(verdict.updates.size(), 1u);
  ASSERT_TRUE(verdict.rest);
  EXPECT_EQ(verdict.rest->recipients, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(verdict.rest->attempts, 0u) << "the attempt goes on";
}
TEST_F(QueueTest, a_deferral_that_lasted_too_long_is_a_failure_and_told_as_one) {
  const Verdict verdict = judge_all(job(1), outcome(smtp::Fate::deferred, 450), schedule(), kNow.wall + 24h, 0.5);
  EXPECT_FALSE(verdict.again);
  ASSERT_EQ(verdict.failures.size(), 1u);
  EXPECT_EQ(verdict.failures[0].outcome.status, (smtp::EnhancedStatus{5, 4, 7}));
  ASSERT_EQ(verdict.outcomes.size(), 1u);
  EXPECT_EQ(verdict.outcomes[0].fate, smtp::Fate::failed);
  EXPECT_EQ(reply_line(verdict.outcomes[0]), "delivery time expired: 450 4.0.0 text");
}
TEST_F(QueueTest, an_attempt_out_of_turn_leaves_the_schedule_as_it_was) {
  Job early = job(1);
  early.attempts = 2;
  early.promised = kNow.wall + 1h;
  const Verdict verdict = judge_all(early, outcome(smtp::Fate::deferred, 450), schedule(), kNow.wall, 0.5);
  ASSERT_TRUE(verdict.again);
  EXPECT_EQ(verdict.again->next_attempt, kNow.wall + 1h);
  EXPECT_EQ(verdict.again->attempts, 2u);
  EXPECT_EQ(verdict.updates[0].next_attempt, kNow.wall + 1h);
  const Verdict in_turn = judge_all(early, outcome(smtp::Fate::deferred, 450), schedule(), kNow.wall + 1h, 0.5);
  EXPECT_EQ(in_turn.again->next_attempt, kNow.wall + 3h);
  EXPECT_EQ(in_turn.again->attempts, 3u);
}
TEST_F(QueueTest, those_that_were_deferred_alone_may_go_to_another_exchanger) {
  Job three = job(1, {}, 4);
  smtp::Outcome in_doubt = outcome(smtp::Fate::deferred, 451);
  in_doubt.may_have_arrived = true;
  std::vector outcomes = {outcome(smtp::Fate::deferred, 450), outcome(smtp::Fate::delivered, 250), in_doubt, outcome(smtp::Fate::deferred, 452)};
  const auto taken = take_deferred(three, outcomes);
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->recipients, (std::vector<std::uint32_t>{0, 3}));
  ASSERT_EQ(taken->so_far.size(), 2u);
  EXPECT_EQ(taken->so_far[1].reply.code, 452);
  EXPECT_EQ(three.recipients, (std::vector<std::uint32_t>{1, 2}));
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_EQ(outcomes[0].reply.code, 250);
  EXPECT_TRUE(outcomes[1].may_have_arrived);
  EXPECT_FALSE(take_deferred(three, outcomes)) << "there is nobody left for whom that is safe";
}
TEST_F(QueueTest, the_last_recipient_finishes_a_message_once) {
  const Job three = job(1, {}, 3);
  std::vector<bool> finished;
  const auto store = [&](bool last) { finished.push_back(last); };
  three.message->settle(1, store);
  three.message->settle(0, store);
  three.message->settle(2, store);
  EXPECT_EQ(finished, (std::vector<bool>{false, false, true}));
}
TEST_F(QueueTest, failures_wait_for_each_other_until_nobody_else_is_pending) {
  const Job four = job(1, {}, 4);
  InFlight& message = *four.message;
  EXPECT_FALSE(message.only_failures_left());
  EXPECT_TRUE(message.hold(std::vector<Failed>(1)));
  EXPECT_FALSE(message.hold(std::vector<Failed>(1))) << "somebody waits for them already";
  EXPECT_FALSE(message.only_failures_left());
  bool finished = true;
  message.settle(2, [&](bool last) { finished = last; });
  EXPECT_FALSE(finished) << "those that failed are pending until they are settled";
  EXPECT_TRUE(message.only_failures_left());
  EXPECT_EQ(message.take_failures().size(), 2u);
  EXPECT_TRUE(message.take_failures().empty());
  EXPECT_FALSE(message.only_failures_left());
  message.settle(2, [&](bool last) { finished = last; });
  EXPECT_TRUE(finished);
}
TEST(NotificationLimit, counts_for_an_hour_from_the_first_on) {
  NotificationLimit limit(2);
  const Instant start{};
  const mail::Mailbox a{"a", "example.org"};
  EXPECT_TRUE(limit.take(a, start));
  EXPECT_TRUE(limit.take({"A", "Example.ORG"}, start + 59min)) << "the same address";
  EXPECT_FALSE(limit.take(a, start + 59min));
  EXPECT_TRUE(limit.take({"b", "example.org"}, start + 59min));
  EXPECT_TRUE(limit.take(a, start + 60min));
  EXPECT_TRUE(limit.take(a, start + 60min));
  EXPECT_FALSE(limit.take(a, start + 60min));
}
TEST(NotificationLimit, remembers_only_so_many_addresses) {
  NotificationLimit limit(1);
  for (std::size_t i = 0; i <= NotificationLimit::kAddresses; ++i) {
    ASSERT_TRUE(limit.take({std::to_string(i), "example.org"}, Instant{}));
  }
  EXPECT_TRUE(limit.take({"0", "example.org"}, Instant{})) << "forgotten";
  EXPECT_FALSE(limit.take({"5000", "example.org"}, Instant{}));
}

}  // namespace
}  // namespace adieu::queue
