#include "adieu/relay/queue/queue.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "adieu/relay/queue/jobs.h"
#include "adieu/relay/queue/notification_limit.h"
#include "adieu/relay/queue/retry.h"
#include "adieu/relay/queue/settle.h"

namespace adieu::queue {
namespace {
using namespace std::chrono_literals;

const route::Destination kA{"a", ""};
const route::Destination kB{"b", "example.org"};
constexpr WallTime kWall(1'000'000'000ms);
constexpr Now kNow{Instant(5'000s), kWall, kWall};
Now after(Duration time) { return {kNow.instant + time, kNow.wall + time, kNow.schedule + time}; }

struct QueueTest : testing::Test {
  Job job(std::uint64_t id, int recipients = 1) { return job(id, recipients, budget); }
  static Job job(std::uint64_t id, int recipients, MemoryBudget& budget) {
    auto head = std::make_shared<spool::MessageHead>();
    head->id = {id};
    head->arrived = kNow.wall;
    head->recipients.resize(static_cast<std::size_t>(recipients));
    Job result;
    for (int i = 0; i < recipients; ++i) result.recipients.push_back(static_cast<std::uint32_t>(i));
    result.message = std::make_shared<InFlight>(head, std::make_shared<const std::string>("data"), budget);
    result.claim = {{{id}, 0}, id};
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
  std::optional<Queue::Fetch> wants_jobs(Now now) {
    const auto reached = queue.wants_jobs(true, now);
    return reached ? reached : queue.wants_jobs(false, now);
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
  Queue queue{[this](const auto&) { return limit; }, 3h, 100};
};

TEST_F(QueueTest, gives_the_jobs_of_a_destination_in_order) {
  for (std::uint64_t id : {1, 2, 3}) queue.add(kA, job(id));
  queue.add(kB, job(9));
  EXPECT_EQ(take(kA), 1u);
  EXPECT_EQ(take(kA), 2u);
  EXPECT_EQ(take(kB), 9u);
  EXPECT_EQ(take(kB), 0u);
  EXPECT_EQ(queue.size(), 1u);
}
TEST_F(QueueTest, wants_connections_in_turn_within_their_limit_and_no_more_than_jobs) {
  limit = 2;
  for (std::uint64_t id : {1, 2, 3}) queue.add(kA, job(id));
  queue.add(kB, job(9));
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
  queue.add(kA, job(1));
  EXPECT_EQ(open_all(kA), 1);
  EXPECT_EQ(take(kA), 1u);
  queue.connection_moved(kA, Doing::opening, Doing::sending);
  queue.add(kA, job(2));
  EXPECT_EQ(open_all(kA), 1) << "the first one may be busy for minutes";
  queue.add(kA, job(3));
  EXPECT_EQ(open_all(kA), 0) << "two are the limit";
  queue.connection_moved(kA, Doing::sending, Doing::ending);
  EXPECT_EQ(open_all(kA), 0) << "one that ends is open still";
  queue.connection_closed(kA, Doing::ending);
  EXPECT_EQ(open_all(kA), 1);
}
TEST_F(QueueTest, a_connection_that_idles_is_preferred_to_a_new_one) {
  limit = 2;
  queue.add(kA, job(1));
  EXPECT_EQ(open_all(kA), 1);
  EXPECT_EQ(take(kA), 1u);
  queue.connection_moved(kA, Doing::opening, Doing::idling);
  EXPECT_FALSE(queue.next_for_idle());
  queue.add(kA, job(2));
  EXPECT_FALSE(wanted());
  EXPECT_EQ(queue.next_for_idle(), kA);
  EXPECT_EQ(take(kA), 2u);
  EXPECT_FALSE(queue.next_for_idle());
}
TEST_F(QueueTest, what_is_stored_is_asked_for_when_it_is_due_and_a_part_at_a_time) {
  queue.stored(kA, kNow.schedule + 60s, kNow);
  queue.stored(kA, kNow.schedule + 90s, kNow);
  EXPECT_FALSE((queue.has_wanted_jobs(true) || queue.has_wanted_jobs(false)));
  EXPECT_EQ(queue.next_wake(), kNow.instant + 60s);
  queue.wake(after(60s));
  ASSERT_TRUE((queue.has_wanted_jobs(true) || queue.has_wanted_jobs(false)));
  const auto fetch = wants_jobs(after(60s));
  ASSERT_TRUE(fetch);
  EXPECT_EQ(fetch->destination, kA);
  EXPECT_EQ(fetch->until, kNow.schedule + 60s);
  EXPECT_FALSE(wants_jobs(after(60s))) << "it was asked for";
  queue.add(kA, job(1));
  queue.fetched(kA, kNow.schedule + 90s, after(60s));
  EXPECT_FALSE((queue.has_wanted_jobs(true) || queue.has_wanted_jobs(false)));
  EXPECT_EQ(queue.next_wake(), kNow.instant + 90s);
  EXPECT_EQ(take(kA), 1u);
  queue.wake(after(90s));
  EXPECT_TRUE(wants_jobs(after(90s)));
  queue.fetched(kA, std::nullopt, after(90s));
  EXPECT_FALSE(queue.next_wake());
  EXPECT_TRUE(queue.sites({}, 10).empty()) << "nothing is known of it any more";
}
TEST_F(QueueTest, what_comes_into_the_spool_while_it_is_asked_is_asked_for_again) {
  queue.stored(kA, kNow.schedule, kNow);
  ASSERT_TRUE(wants_jobs(kNow));
  queue.stored(kA, kNow.schedule, kNow);
  EXPECT_FALSE((queue.has_wanted_jobs(true) || queue.has_wanted_jobs(false))) << "one question at a time";
  queue.fetched(kA, std::nullopt, kNow);
  EXPECT_TRUE((queue.has_wanted_jobs(true) || queue.has_wanted_jobs(false)));
}
TEST_F(QueueTest, jobs_are_asked_for_before_the_last_one_is_under_way_and_in_turn) {
  queue.reached(kB);
  for (const auto& destination : {kA, kB}) queue.stored(destination, kNow.schedule, kNow);
  for (const auto& destination : {kA, kB}) {
    EXPECT_EQ(wants_jobs(kNow)->destination, destination);
    for (std::uint64_t id = 1; id <= 64; ++id) queue.add(destination, job(id));
    queue.fetched(destination, kNow.schedule, kNow);
  }
  EXPECT_FALSE((queue.has_wanted_jobs(true) || queue.has_wanted_jobs(false))) << "they have enough to do";
  for (int i = 0; i < 40; ++i) take(kA);
  EXPECT_EQ(wants_jobs(kNow)->destination, kA);
}
TEST_F(QueueTest, of_a_destination_that_may_not_answer_a_few_are_asked_for) {
  queue.stored(kB, kNow.schedule, kNow);
  EXPECT_FALSE(queue.has_wanted_jobs(true));
  EXPECT_FALSE(queue.is_reached(kB));
  EXPECT_LT(queue.wants_jobs(false, kNow)->count, 10u);
  queue.add(kB, job(1));
  queue.fetched(kB, kNow.schedule, kNow);
  EXPECT_FALSE(queue.has_wanted_jobs(false)) << "one is enough to see whether it answers";
  queue.reached(kB);
  EXPECT_TRUE(queue.has_wanted_jobs(true));
  EXPECT_GT(queue.wants_jobs(true, kNow)->count, 10u);
  queue.fetched(kB, kNow.schedule, kNow);
  queue.back_off(kB, 60s, "x", kNow);
  queue.wake(after(60s));
  EXPECT_FALSE(queue.has_wanted_jobs(true));
  EXPECT_TRUE(queue.has_wanted_jobs(false));
}
TEST_F(QueueTest, what_is_new_has_its_place_behind_what_waits_in_the_spool) {
  EXPECT_TRUE(queue.takes(kA));
  queue.stored(kA, kNow.schedule + 60s, kNow);
  EXPECT_TRUE(queue.takes(kA)) << "that waits for its time";
  queue.wake(after(60s));
  EXPECT_FALSE(queue.takes(kA));
  ASSERT_TRUE(wants_jobs(after(60s)));
  queue.fetched(kA, std::nullopt, after(60s));
  EXPECT_TRUE(queue.takes(kA));
  for (std::uint64_t id = 1; id <= 100; ++id) queue.add(kA, job(id));
  EXPECT_FALSE(queue.takes(kA)) << "so many of one destination are in memory";
  EXPECT_TRUE(queue.takes(kB));
  queue.back_off(kB, 60s, "x", kNow);
  EXPECT_FALSE(queue.takes(kB));
}
TEST_F(QueueTest, waits_last_as_long_as_they_were_meant_to_whatever_the_wall_clock_does) {
  queue.stored(kA, kNow.schedule + 60s, kNow);
  queue.add(kB, job(2));
  queue.back_off(kB, 60s, "x", kNow);
  queue.wake({kNow.instant + 59s, kNow.wall + 24h, kNow.schedule + 59s});
  EXPECT_TRUE(!(queue.has_wanted_jobs(true) || queue.has_wanted_jobs(false)) && queue.backed_off(kB)) << "the clock was set forward";
  queue.wake({kNow.instant + 60s, kNow.wall - 24h, kNow.schedule + 60s});
  EXPECT_TRUE((queue.has_wanted_jobs(true) || queue.has_wanted_jobs(false)) && !queue.backed_off(kB)) << "the clock was set back";
  EXPECT_FALSE(queue.next_wake());
}
TEST_F(QueueTest, a_time_that_a_wrong_clock_has_stored_is_waited_for_no_longer_than_any) {
  queue.stored(kA, kNow.schedule + 24h * 365, kNow);
  EXPECT_EQ(queue.next_wake(), kNow.instant + 3h);
  queue.wake(after(3h));
  EXPECT_EQ(wants_jobs(after(3h))->until, WallTime::max()) << "nor are the others that it has stored";
}
TEST_F(QueueTest, a_destination_that_is_backed_off_gives_nothing_and_delays_nobody_else) {
  queue.add(kA, job(1));
  queue.add(kA, job(2));
  queue.add(kB, job(9));
  const auto back_off = queue.back_off(kA, 60s, "unreachable", kNow);
  EXPECT_EQ(back_off.jobs.size(), 2u);
  EXPECT_EQ(back_off.wait, 60s);
  EXPECT_TRUE(queue.backed_off(kA));
  EXPECT_EQ(queue.failures(kA), 1u);
  EXPECT_EQ(queue.back_offs(kA), 1u);
  EXPECT_EQ(take(kA), 0u);
  EXPECT_EQ(wanted(), kB);
  EXPECT_EQ(queue.next_wake(), kNow.instant + 60s);
  queue.add(kA, job(1));
  EXPECT_EQ(take(kA), 0u);
  queue.wake(after(60s));
  EXPECT_EQ(take(kA), 1u);
  queue.reached(kA);
  EXPECT_EQ(queue.failures(kA), 0u);
}
TEST_F(QueueTest, one_connection_alone_is_tried_when_a_back_off_ends_and_all_once_it_is_ready) {
  limit = 20;
  queue.add(kA, job(1));
  queue.back_off(kA, 60s, "unreachable", kNow);
  for (std::uint64_t id = 1; id <= 25; ++id) queue.add(kA, job(id));
  EXPECT_EQ(open_all(kA), 0);
  queue.wake(after(60s));
  EXPECT_EQ(open_all(kA), 1);
  queue.reached(kA);
  EXPECT_EQ(open_all(kA), 19);
}
TEST_F(QueueTest, a_back_off_gives_back_what_is_in_memory_the_oldest_first) {
  for (std::uint64_t id : {1, 2, 3}) queue.add(kA, job(id));
  queue.add(kB, job(4));
  const auto back = queue.back_off(kA, 60s, "x", kNow);
  ASSERT_EQ(back.jobs.size(), 3u);
  for (std::uint64_t id : {1, 2, 3}) EXPECT_EQ(back.jobs[id - 1].message->head()->id.value, id);
  EXPECT_EQ(queue.size(), 1u);
}
TEST_F(QueueTest, jobs_of_a_destination_that_is_backed_off_are_asked_for_when_it_is_tried_again) {
  queue.stored(kA, kNow.schedule, kNow);
  queue.back_off(kA, 60s, "x", kNow);
  EXPECT_FALSE((queue.has_wanted_jobs(true) || queue.has_wanted_jobs(false)));
  queue.wake(after(60s));
  EXPECT_TRUE((queue.has_wanted_jobs(true) || queue.has_wanted_jobs(false)));
  EXPECT_EQ(queue.failures(kA), 1u);
}
TEST_F(QueueTest, what_is_asked_for_out_of_turn_ends_the_back_off) {
  queue.stored(kA, kNow.schedule, kNow);
  queue.back_off(kA, 60s, "x", kNow);
  queue.try_now(kB);
  EXPECT_TRUE(queue.backed_off(kA));
  queue.try_now(kA);
  EXPECT_FALSE(queue.backed_off(kA));
  EXPECT_TRUE((queue.has_wanted_jobs(true) || queue.has_wanted_jobs(false)));
}
TEST_F(QueueTest, retry_never_makes_a_back_off_longer) {
  queue.stored(kA, kNow.schedule, kNow);
  queue.back_off(kA, 60s, "x", kNow);
  for (int seconds = 1; seconds <= 3; ++seconds) {
    queue.try_now(kA);
    const auto again = queue.back_off(kA, 300s, "x", after(1s * seconds));
    EXPECT_EQ(again.wait, 60s - 1s * seconds) << "the time that was promised stands";
    EXPECT_EQ(queue.failures(kA), 1u);
  }
  queue.wake(after(60s));
  EXPECT_EQ(queue.back_off(kA, 300s, "x", after(60s)).wait, 300s);
  EXPECT_EQ(queue.failures(kA), 2u);
}
TEST_F(QueueTest, tells_of_its_destinations_a_few_at_a_time) {
  queue.add(kA, job(1));
  queue.add(kA, job(2));
  queue.stored(kB, kNow.schedule + 60s, kNow);
  const route::Destination c{"c", ""};
  queue.add(c, job(4));
  queue.back_off(c, 60s, "no route", kNow);
  queue.connection_opened(kA);
  const auto first = queue.sites({}, 1);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].destination, kA);
  EXPECT_EQ(first[0].due, 2u);
  EXPECT_EQ(first[0].connections[static_cast<std::size_t>(Doing::opening)], 1u);
  EXPECT_FALSE(first[0].until);
  const auto rest = queue.sites(kA, 10);
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest[0].destination, kB);
  EXPECT_EQ(rest[0].due, 0u);
  EXPECT_EQ(rest[0].stored, kNow.schedule + 60s);
  EXPECT_EQ(rest[1].destination, c);
  EXPECT_EQ(rest[1].until, kNow.wall + 60s);
  EXPECT_EQ(rest[1].reason, "no route");
  EXPECT_EQ(rest[1].failures, 1u);
  EXPECT_TRUE(queue.sites(c, 10).empty());
}
TEST_F(QueueTest, says_until_when_a_destination_is_backed_off_and_why) {
  EXPECT_FALSE(queue.blocked(kB));
  queue.add(kB, job(3));
  EXPECT_FALSE(queue.blocked(kB));
  queue.back_off(kB, 5min, "refused", kNow);
  EXPECT_EQ(queue.blocked(kB)->until, kNow.wall + 5min);
  EXPECT_EQ(queue.blocked(kB)->reason, "refused");
}
TEST_F(QueueTest, a_hundred_thousand_dead_destinations_do_not_slow_another) {
  for (std::uint64_t id = 1; id <= 100'000; ++id) {
    const route::Destination dead{"a", std::to_string(id)};
    queue.stored(dead, kNow.schedule, kNow);
    queue.back_off(dead, 60s, "x", kNow);
  }
  for (std::uint64_t id = 1; id <= 20'000; ++id) {
    queue.add(kB, job(id));
    ASSERT_EQ(wanted(), kB);
    ASSERT_EQ(take(kB), id);
  }
}
TEST_F(QueueTest, many_destinations_that_have_their_connections_do_not_slow_another) {
  for (std::uint64_t id = 1; id <= 20'000; ++id) queue.add({"a", std::to_string(id)}, job(id));
  for (std::uint64_t id = 1; id <= 20'000; ++id) {
    const auto destination = wanted();
    ASSERT_TRUE(destination);
    queue.connection_opened(*destination);
  }
  ASSERT_FALSE(wanted());
  for (std::uint64_t id = 1; id <= 20'000; ++id) {  // walking through the others each time would be four hundred million steps
    queue.add(kB, job(id));
    ASSERT_EQ(wanted(), kB);
    ASSERT_EQ(take(kB), id);
  }
}
TEST_F(QueueTest, destinations_that_answered_are_told_from_those_that_did_not) {
  const route::Destination host{"smarthost", ""}, domain{"out", "example.org"};
  queue.add(host, job(1));
  queue.add(domain, job(2));
  EXPECT_EQ(queue.wants_connection(true), host) << "a configured host is believed to answer";
  EXPECT_EQ(queue.wants_connection(false), domain);
  queue.reached(domain);
  EXPECT_FALSE(queue.has_wanted_connection(false));
  EXPECT_EQ(take(host) + take(domain), 3u);
  queue.add(domain, job(3));
  EXPECT_EQ(queue.wants_connection(true), domain) << "it is remembered when nothing was left for it";
  for (const auto& destination : {host, domain}) queue.back_off(destination, 60s, "x", kNow);
  queue.add(host, job(4));
  queue.add(domain, job(5));
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
  Queue several{[](const auto&) { return 1; }, 3h, 100};
  const auto add = [&](const route::Destination& destination) { several.add(destination, job(1, 1, small)); };
  several.back_off(kA, 60s, "x", kNow);
  add(kA);
  add(kA);
  EXPECT_EQ(small.used(), 8u) << "up to a half it keeps its mail data";
  add(kB);
  add(kA);
  EXPECT_EQ(small.used(), 12u) << "the one that waits has let it go";
  EXPECT_TRUE(several.take(kB)->message->mail_data());
}
TEST_F(QueueTest, messages_in_memory_are_counted_and_shared_out) {
  MemoryBudget ten(1'000, 10);
  std::vector<Job> jobs;
  const auto fill = [&](std::uint64_t messages) {
    while (jobs.size() < messages) jobs.push_back(job(jobs.size() + 1, 1, ten));
  };
  fill(5);
  EXPECT_FALSE(ten.is_full_for_new(false) || ten.is_full(false));
  fill(6);
  EXPECT_TRUE(ten.is_full_for_new(false) && ten.is_full(false)) << "half is for those that answer";
  EXPECT_FALSE(ten.is_full_for_new(true));
  fill(8);
  EXPECT_TRUE(ten.is_full_for_new(true)) << "a fifth is for those that waited";
  EXPECT_FALSE(ten.is_full(true));
  fill(10);
  EXPECT_TRUE(ten.is_full(true));
  jobs.clear();
  EXPECT_EQ(ten.messages(), 0u);
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
  const Verdict verdict = judge(job(1, 3), {outcome(smtp::Fate::delivered, 250), outcome(smtp::Fate::deferred, 450), outcome(smtp::Fate::failed, 550)}, schedule(), kNow, 0.5);
  EXPECT_EQ(verdict.delivered, std::vector<std::uint32_t>{0});
  ASSERT_TRUE(verdict.again);
  EXPECT_EQ(verdict.again->recipients, std::vector<std::uint32_t>{1});
  EXPECT_EQ(verdict.again->due, kNow.wall + 1min);
  EXPECT_EQ(verdict.again->attempts, 1u);
  ASSERT_EQ(verdict.failures.size(), 1u);
  EXPECT_EQ(verdict.failures[0].index, 2u);
  EXPECT_EQ(verdict.again->last_reply, "450 4.0.0 text");
  const spool::Settlement settled = deferral(*verdict.again, kA);
  EXPECT_EQ(settled.claim, verdict.again->claim);
  EXPECT_EQ(settled.deferred->recipients, std::vector<std::uint32_t>{1});
  EXPECT_EQ(settled.deferred->due, kNow.schedule + 1min);
}
TEST_F(QueueTest, what_the_next_transaction_is_to_have_is_no_deferral_however_old_the_message_is) {
  smtp::Outcome at_once = outcome(smtp::Fate::deferred, 452);
  at_once.at_once = true;
  const Verdict verdict = judge(job(1, 3), {outcome(smtp::Fate::delivered, 250), at_once, at_once}, schedule(), after(24h), 0.5);
  EXPECT_FALSE(verdict.again);
  EXPECT_TRUE(verdict.failures.empty());
  EXPECT_EQ(verdict.delivered.size(), 1u);
  ASSERT_TRUE(verdict.rest);
  EXPECT_EQ(verdict.rest->recipients, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(verdict.rest->attempts, 0u) << "the attempt goes on";
}
TEST_F(QueueTest, a_deferral_that_lasted_too_long_is_a_failure_and_told_as_one) {
  const Verdict verdict = judge_all(job(1), outcome(smtp::Fate::deferred, 450), schedule(), after(24h), 0.5);
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
  early.promised = kNow.schedule + 1h;
  const Verdict verdict = judge_all(early, outcome(smtp::Fate::deferred, 450), schedule(), kNow, 0.5);
  ASSERT_TRUE(verdict.again);
  EXPECT_EQ(verdict.again->due, kNow.wall + 1h);
  EXPECT_EQ(verdict.again->attempts, 2u);
  const Verdict in_turn = judge_all(early, outcome(smtp::Fate::deferred, 450), schedule(), after(1h), 0.5);
  EXPECT_EQ(in_turn.again->due, kNow.wall + 3h);
  EXPECT_EQ(in_turn.again->attempts, 3u);
}
TEST_F(QueueTest, those_that_were_deferred_alone_may_go_to_another_exchanger) {
  Job three = job(1, 4);
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
TEST_F(QueueTest, failures_wait_for_each_other_until_all_others_are_done_with) {
  const Job four = job(1, 4);
  InFlight& message = *four.message;
  EXPECT_FALSE(message.only_failures_left());
  EXPECT_TRUE(message.hold(std::vector<Failed>(1)));
  EXPECT_FALSE(message.hold(std::vector<Failed>(1))) << "somebody waits for them already";
  EXPECT_FALSE(message.only_failures_left());
  message.delivered(2);
  EXPECT_TRUE(message.only_failures_left());
  EXPECT_EQ(message.take_failures().size(), 2u);
  EXPECT_TRUE(message.take_failures().empty());
  EXPECT_FALSE(message.only_failures_left());
}

config::Config two_next_hops() {
  config::Config config;
  config.hostname = "relay.example.org";
  config.next_hops.emplace_back().name = "host";
  config.next_hops.back().target = config::HostTarget{"smarthost.example", 25};
  config.next_hops.emplace_back().name = "mx";
  config.next_hops.back().target = config::MxTarget{};
  return config;
}
TEST(Jobs, a_message_has_one_for_each_destination) {
  spool::MessageHead head;
  head.arrived = kNow.wall;
  for (const auto& [domain, next_hop] : {std::pair("a.example", "mx"), std::pair("B.example", "mx"), std::pair("b.example", "mx"), std::pair("c.example", "host"), std::pair("", "mx")}) {
    head.recipients.push_back({{"to", domain}, next_hop});
  }
  const auto jobs = jobs_of(head, two_next_hops());
  ASSERT_EQ(jobs.size(), 4u);
  EXPECT_EQ(jobs[0].destination, (route::Destination{"mx", "a.example"}));
  EXPECT_EQ(jobs[1].destination, (route::Destination{"mx", "b.example"}));
  EXPECT_EQ(jobs[1].recipients, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(jobs[2].destination, (route::Destination{"host", ""}));
  EXPECT_EQ(jobs[3].destination, (route::Destination{"mx", "relay.example.org"})) << "<postmaster> is our own";
  for (const spool::Job& job : jobs) EXPECT_EQ(job.due, head.arrived);
}
TEST(Jobs, what_the_policy_sends_elsewhere_by_now_is_queued_there) {
  auto head = std::make_shared<spool::MessageHead>();
  for (const auto& [domain, next_hop] : {std::pair("a.example", "host"), std::pair("b.example", "mx"), std::pair("c.example", "gone"), std::pair("a.example", "mx")}) {
    head->recipients.push_back({{"to", domain}, next_hop});
  }
  spool::Claimed claimed{{{{7}, 0}, 3}, head, {0, {"mx", "a.example"}, {0, 1, 2, 3}, 2, kNow.schedule, {}, "450"}, nullptr};
  const auto elsewhere = rerouted(claimed, two_next_hops());
  ASSERT_EQ(elsewhere.size(), 2u);
  EXPECT_EQ(elsewhere[0].deferred->destination, (route::Destination{"host", ""}));
  EXPECT_EQ(elsewhere[0].deferred->recipients, std::vector<std::uint32_t>{0});
  EXPECT_EQ(elsewhere[1].deferred->destination, (route::Destination{"mx", "b.example"}));
  EXPECT_EQ(elsewhere[1].deferred->attempts, 2u);
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
