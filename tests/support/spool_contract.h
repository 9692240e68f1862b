// What every spool owes, whatever it stores in: one suite, run against each. Rules R9 to R12. Included by one file of a test program, which
// instantiates SpoolContract with the makers of what it tests.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>
#include <thread>

#include "support/spool_session.h"

namespace adieu::test {

/// A spool that can be restarted, and tells what it left behind.
class SpoolUnderTest {
 public:
  virtual ~SpoolUnderTest() = default;
  virtual spool::Spool& spool() = 0;
  /// Ends the spool and begins it again on what it has stored.
  virtual void restart() = 0;
  /// Whatever is stored: keys, files. Ends the spool for good.
  virtual std::size_t leftovers() = 0;
  /// Mail data of more octets stands in a file.
  virtual std::size_t large() const = 0;
};

struct SpoolMaker {
  std::string name;
  std::function<std::unique_ptr<SpoolUnderTest>()> make;
};
inline void PrintTo(const SpoolMaker& maker, std::ostream* out) { *out << maker.name; }

class SpoolContract : public testing::TestWithParam<SpoolMaker> {
 protected:
  SpoolContract() : under_test(GetParam().make()) { session = std::make_unique<SpoolSession>(under_test->spool()); }

  void restart() {
    under_test->restart();
    session = std::make_unique<SpoolSession>(under_test->spool());
  }
  SpoolSession::Kept store(std::string_view mail_data, spool::MessageHead head = head_to({"to"}), std::vector<spool::Job> jobs = {}) {
    auto kept = session->store(mail_data, std::move(head), std::move(jobs));
    EXPECT_TRUE(kept.has_value()) << (kept ? "" : kept.error().message);
    return kept ? *kept : SpoolSession::Kept{};
  }
  std::unique_ptr<spool::Transaction> begin() {
    auto transaction = session->begin();
    EXPECT_TRUE(transaction.has_value());
    return transaction ? std::move(*transaction) : nullptr;
  }
  std::vector<std::size_t> sizes() const {
    const std::size_t large = under_test->large();
    return {0, 1, large - 1, large, large + 1, 3 * large + 7};
  }
  static WallTime at(int seconds) { return WallTime(std::chrono::seconds(1'795'464'000 + seconds)); }
  std::string large_mail_data() const { return mail_data_of(5 * under_test->large() + 3, 5); }

  std::unique_ptr<SpoolSession> session;  // its executor outlives the spool
  std::unique_ptr<SpoolUnderTest> under_test;
};

TEST_P(SpoolContract, R11_what_was_acknowledged_is_there_after_a_restart_octet_by_octet) {
  std::vector<spool::MessageId> ids;
  for (const std::size_t size : sizes()) {
    spool::MessageHead head = head_to({"one", "two"}, std::to_string(size));
    head.body = mail::BodyType::eight_bit_mime;
    ids.push_back(store(mail_data_of(size, size), head).front().head->id);
  }
  restart();
  const auto stored = session->claim();
  ASSERT_EQ(stored.size(), ids.size());
  for (std::size_t i = 0; i < stored.size(); ++i) {
    const spool::MessageHead& head = *stored[i].head;
    const std::size_t size = sizes()[i];
    EXPECT_EQ(head.id, ids[i]);
    EXPECT_EQ(head.size, size);
    EXPECT_EQ(head.in_file, size > under_test->large());
    EXPECT_EQ(head.client, std::to_string(size));
    EXPECT_EQ(head.body, mail::BodyType::eight_bit_mime);
    ASSERT_EQ(head.recipients.size(), 2u);
    EXPECT_EQ(head.recipients[1].forward_path.text(), "two@example.org");
    EXPECT_EQ(session->read(head).value(), mail_data_of(size, size));
  }
}

TEST_P(SpoolContract, R12_fingerprints_are_known_after_a_restart_until_they_are_forgotten) {
  const spool::Unconfirmed early{std::string(32, 'z'), {7}, WallTime(Duration(1000))};
  const spool::Unconfirmed late{std::string(31, 'a') + '\0', {9}, WallTime(Duration(2000))};
  under_test->spool().remember(late);
  under_test->spool().remember(early);
  spool::MessageHead head = head_to({"to"});
  head.fingerprint = late.fingerprint;
  store("mail data", head);
  restart();
  const auto recalled = under_test->spool().recall(std::chrono::hours(4), 100);
  ASSERT_TRUE(recalled);
  EXPECT_TRUE(recalled->ended_in_order);
  EXPECT_EQ(recalled->unconfirmed, (std::vector{early, late}));
  EXPECT_TRUE(recalled->recent.empty()) << "it ended in order";
  const auto stored = session->claim();
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_EQ(stored[0].head->fingerprint, late.fingerprint);
  under_test->spool().forget(late.fingerprint);
  restart();
  EXPECT_EQ(under_test->spool().recall(std::chrono::hours(4), 100)->unconfirmed, std::vector{early});
}

TEST_P(SpoolContract, what_is_acknowledged_comes_back_with_its_mail_data_while_it_is_small) {
  for (const std::size_t size : sizes()) {
    const auto all = store(mail_data_of(size, 1));
    ASSERT_EQ(all.size(), 1u);
    const spool::Claimed& kept = all.front();
    EXPECT_EQ(kept.head->size, size);
    EXPECT_EQ(kept.head->in_file, size > under_test->large());
    EXPECT_EQ(kept.mail_data == nullptr, kept.head->in_file);
    if (kept.mail_data) {
      EXPECT_EQ(*kept.mail_data, mail_data_of(size, 1));
    }
    EXPECT_EQ(session->read(*kept.head).value(), mail_data_of(size, 1));
  }
}

TEST_P(SpoolContract, mail_data_arrives_whole_however_it_is_cut) {
  const std::string mail_data = mail_data_of(2 * under_test->large() + 11, 3);
  for (const std::size_t part : {std::size_t{7}, std::size_t{511}, under_test->large(), mail_data.size()}) {
    auto transaction = begin();
    ASSERT_TRUE(session->append(*transaction, mail_data, part));
    ASSERT_TRUE(session->commit(*transaction, head_to({"to"})));
    EXPECT_EQ(session->read(*transaction->acknowledge().front().head).value(), mail_data) << part;
  }
}

TEST_P(SpoolContract, a_large_message_waits_for_the_disk) {
  auto transaction = begin();
  bool room = false;
  EXPECT_FALSE(transaction->append(large_mail_data(), [&](Result<> done) { room = done.has_value(); }));
  EXPECT_FALSE(room) << "completed within the call";
  session->executor.run_until([&] { return room; });
}

TEST_P(SpoolContract, R9_a_rollback_at_any_stage_leaves_nothing) {
  const auto never = [](const Result<>&) { ADD_FAILURE() << "a completion after the end of its transaction"; };
  begin();
  { auto small = begin(); ASSERT_TRUE(session->append(*small, "x")); }
  { auto large = begin(); EXPECT_FALSE(large->append(large_mail_data(), never)); }
  { auto large = begin(); ASSERT_TRUE(session->append(*large, large_mail_data())); }
  {
    auto large = begin();
    ASSERT_TRUE(session->append(*large, large_mail_data()));
    EXPECT_FALSE(large->append(mail_data_of(1'000'000, 6), never));
  }
  { auto small = begin(); ASSERT_TRUE(session->append(*small, "x")); small->commit(head_to({"to"}), one_job(head_to({"to"})), never); }
  { auto large = begin(); ASSERT_TRUE(session->append(*large, large_mail_data())); large->commit(head_to({"to"}), one_job(head_to({"to"})), never); }
  restart();
  EXPECT_TRUE(session->claim().empty());
  EXPECT_EQ(under_test->leftovers(), 0u);
}

TEST_P(SpoolContract, R10_a_message_that_was_committed_and_not_acknowledged_is_withdrawn) {
  for (const std::string& mail_data : {std::string("small"), large_mail_data()}) {
    auto transaction = begin();
    ASSERT_TRUE(session->append(*transaction, mail_data));
    ASSERT_TRUE(session->commit(*transaction, head_to({"to"})));
    EXPECT_TRUE(session->claim().empty()) << "not yet anybody's to deliver";
    transaction.reset();
    EXPECT_TRUE(session->claim().empty());
  }
  restart();
  EXPECT_TRUE(session->claim().empty());
  EXPECT_EQ(under_test->leftovers(), 0u);
}

TEST_P(SpoolContract, a_transaction_may_end_within_its_own_completion) {
  for (const std::string& mail_data : {std::string("small"), large_mail_data()}) {
    auto transaction = begin();
    ASSERT_TRUE(session->append(*transaction, mail_data));
    bool ended = false;
    transaction->commit(head_to({"to"}), one_job(head_to({"to"})), [&](const Result<>&) {
      transaction.reset();
      ended = true;
    });
    session->executor.run_until([&] { return ended; });
  }
  restart();
  EXPECT_EQ(under_test->leftovers(), 0u);
}

TEST_P(SpoolContract, a_job_has_one_holder_from_its_commit_on) {
  store("old");
  restart();
  store("new");
  const auto unacknowledged = begin();
  ASSERT_TRUE(session->commit(*unacknowledged, head_to({"to"})));
  EXPECT_EQ(session->claim().size(), 1u);
  EXPECT_TRUE(session->claim().empty());
}

TEST_P(SpoolContract, claims_come_in_the_order_in_which_they_are_due) {
  std::vector<spool::MessageId> ids;
  for (const int due : {5, 3, 4, 1, 2}) {
    spool::MessageHead head = head_to({"to"});
    head.arrived = at(due);
    ids.push_back(store("x", head).front().head->id);
  }
  restart();
  const auto order = [](const spool::Due& due) {
    std::vector<spool::MessageId> claimed;
    for (const spool::Claimed& each : due.jobs) claimed.push_back(each.head->id);
    return claimed;
  };
  const auto nothing = session->claim_due(kSmarthost, at(0), 10);
  EXPECT_TRUE(nothing.jobs.empty());
  EXPECT_EQ(nothing.next, at(1));
  const auto first = session->claim_due(kSmarthost, at(4), 2);
  EXPECT_EQ(order(first), (std::vector{ids[3], ids[4]}));
  EXPECT_EQ(first.next, at(3));
  const auto second = session->claim_due(kSmarthost, at(4), 10);
  EXPECT_EQ(order(second), (std::vector{ids[1], ids[2]}));
  EXPECT_EQ(second.next, at(5));
  const auto third = session->claim_due(kSmarthost, at(5), 10);
  EXPECT_EQ(order(third), std::vector{ids[0]});
  EXPECT_FALSE(third.next);
  EXPECT_TRUE(session->claim_due({"other", ""}, kEver, 10).jobs.empty());
}

TEST_P(SpoolContract, destinations_are_told_with_the_time_of_their_first_job) {
  const route::Destination a{"mx", "a.example"}, b{"mx", "b.example"}, c{"other", ""};
  for (const auto& [destination, due] : {std::pair(b, 7), std::pair(a, 9), std::pair(a, 8), std::pair(c, 1)}) {
    spool::MessageHead head = head_to({"to"});
    head.arrived = at(due);
    auto jobs = one_job(head);
    jobs.front().destination = destination;
    store("x", head, jobs);
  }
  EXPECT_TRUE(session->claim_due(a).jobs.empty()) << "they are in the hands of those who took them in";
  restart();
  std::map<route::Destination, WallTime> found;
  route::Destination after;
  for (;;) {
    const auto part = session->destinations(after, 2);
    if (part.empty()) break;
    for (const spool::QueuedAt& each : part) EXPECT_TRUE(found.emplace(each.destination, each.due).second) << each.destination.text();
    after = part.back().destination;
  }
  EXPECT_EQ(found, (std::map<route::Destination, WallTime>{{a, at(8)}, {b, at(7)}, {c, at(1)}}));
  EXPECT_EQ(session->claim_due(a).jobs.size(), 2u);
}

TEST_P(SpoolContract, who_has_lost_a_claim_comes_too_late) {
  const auto id = store("x", head_to({"a", "b"})).front().head->id;
  restart();
  const auto lost = session->claim_due(kSmarthost, kEver, 10, Duration(0)).jobs;
  ASSERT_EQ(lost.size(), 1u);
  const auto held = session->claim();
  ASSERT_EQ(held.size(), 1u) << "its lease was over";
  EXPECT_NE(held[0].claim, lost[0].claim);
  EXPECT_TRUE(session->settle({{done_with(lost[0])}, {}})->late);
  EXPECT_TRUE(session->settle({{deferred(lost[0], {0, 1}, at(9))}, {}})->late);
  EXPECT_TRUE(session->claim().empty()) << "a late deferral puts nothing back";
  const auto settled = session->settle({{done_with(held[0])}, {}});
  EXPECT_FALSE(settled->late);
  EXPECT_EQ(settled->finished, std::vector{id});
  EXPECT_EQ(under_test->leftovers(), 0u);
}

TEST_P(SpoolContract, a_claim_that_is_renewed_is_kept) {
  store("x");
  restart();
  const auto held = session->claim_due(kSmarthost, kEver, 10, std::chrono::hours(1)).jobs;
  ASSERT_EQ(held.size(), 1u);
  under_test->spool().renew({held[0].claim}, std::chrono::hours(2));
  EXPECT_TRUE(session->claim().empty());
  under_test->spool().renew({held[0].claim}, Duration(0));
  const auto other = session->claim();
  ASSERT_EQ(other.size(), 1u);
  under_test->spool().renew({held[0].claim}, std::chrono::hours(2));
  EXPECT_TRUE(session->settle({{done_with(held[0])}, {}})->late) << "what is lost stays lost";
  EXPECT_FALSE(session->settle({{done_with(other[0])}, {}})->late);
}

TEST_P(SpoolContract, ids_rise_and_are_never_given_twice) {
  spool::MessageId last;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 100; ++i) {
      const auto transaction = begin();
      EXPECT_GT(transaction->id(), last);
      last = transaction->id();
    }
    store("x");
    last = store("x").front().head->id;
    restart();
  }
}

TEST_P(SpoolContract, what_is_deferred_is_there_again_when_it_is_due_with_what_is_known_of_it) {
  for (const bool after_a_restart : {false, true}) {
    auto held = store("x", head_to({"a", "b", "c"}));
    spool::Settlement some{held[0].claim, {1}, spool::Settlement::Deferred{{0, 2}, kSmarthost, 3, at(77), at(99), "451 4.3.0 later"}};
    EXPECT_TRUE(session->settle({{some}, {}})->finished.empty());
    if (after_a_restart) restart();
    EXPECT_EQ(session->claim_due(kSmarthost, at(76), 10).next, at(77));
    const auto due = session->claim_due(kSmarthost, at(77), 10);
    ASSERT_EQ(due.jobs.size(), 1u);
    const spool::Job& job = due.jobs[0].job;
    EXPECT_EQ(job, (spool::Job{0, kSmarthost, {0, 2}, 3, at(77), at(99), "451 4.3.0 later"}));
    EXPECT_EQ(due.jobs[0].head->recipients[2].forward_path.text(), "c@example.org");
    EXPECT_TRUE(session->settle({{some}, {}})->late) << "that claim is over";
    EXPECT_EQ(session->settle({{done_with(due.jobs[0])}, {}})->finished.size(), 1u);
  }
  EXPECT_EQ(under_test->leftovers(), 0u);
}

TEST_P(SpoolContract, those_that_are_deferred_while_others_are_under_way_are_a_job_of_their_own) {
  for (const bool queued_before : {false, true}) {
    auto held = store("x", head_to({"a", "b", "c", "d"}));
    if (queued_before) {
      ASSERT_TRUE(session->settle({{deferred(held[0], {0, 1, 2, 3}, at(1))}, {}}));
      held = session->claim();
      ASSERT_EQ(held.size(), 1u);
    }
    EXPECT_FALSE(session->settle({{deferred(held[0], {1}, at(5))}, {}})->late);
    EXPECT_FALSE(session->settle({{deferred(held[0], {2}, at(4))}, {}})->late);
    EXPECT_TRUE(session->settle({{{held[0].claim, {0}}}, {}})->finished.empty());
    const auto due = session->claim();
    ASSERT_EQ(due.size(), 2u);
    EXPECT_EQ(due[0].job.recipients, std::vector<std::uint32_t>{2});
    EXPECT_EQ(due[1].job.recipients, std::vector<std::uint32_t>{1});
    EXPECT_TRUE(session->settle({{done_with(due[0]), done_with(due[1])}, {}})->finished.empty()) << "one is under way still";
    EXPECT_EQ(session->settle({{{held[0].claim, {3}}}, {}})->finished.size(), 1u);
  }
  restart();
  EXPECT_TRUE(session->claim().empty());
  EXPECT_EQ(under_test->leftovers(), 0u);
}

TEST_P(SpoolContract, what_is_given_back_is_as_it_was_and_anybodys) {
  auto held = store("x", head_to({"a", "b"}));
  const auto as_it_was = [](const spool::Claimed& claimed) {
    const spool::Job& job = claimed.job;
    return spool::Settlement{claimed.claim, {}, spool::Settlement::Deferred{job.recipients, job.destination, job.attempts, job.due, job.promised, job.last_reply}};
  };
  for (int round = 0; round < 3; ++round) {
    const spool::Job before = held[0].job;
    ASSERT_FALSE(session->settle({{as_it_was(held[0])}, {}})->late);
    if (round == 1) restart();
    held = session->claim();
    ASSERT_EQ(held.size(), 1u);
    EXPECT_EQ(held[0].job, before);
  }
  EXPECT_EQ(session->finish(held)->finished.size(), 1u);
  EXPECT_EQ(under_test->leftovers(), 0u);
}

TEST_P(SpoolContract, what_was_settled_of_a_job_stays_settled_after_a_restart) {
  auto held = store("x", head_to({"a", "b", "c"}));
  ASSERT_TRUE(session->settle({{{held[0].claim, {1}}}, {}}));
  restart();
  held = session->claim();
  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(held[0].job.recipients, (std::vector<std::uint32_t>{0, 2}));
  ASSERT_TRUE(session->settle({{{held[0].claim, {0}}}, {}}));
  restart();
  held = session->claim();
  EXPECT_EQ(held[0].job.recipients, std::vector<std::uint32_t>{2});
  EXPECT_EQ(session->finish(held)->finished.size(), 1u);
  EXPECT_EQ(under_test->leftovers(), 0u);
}

TEST_P(SpoolContract, a_message_leaves_with_the_last_of_its_jobs) {
  for (const std::string& mail_data : {std::string("small"), large_mail_data()}) {
    for (const bool in_one_write : {true, false}) {
      const spool::MessageHead head = head_to({"a", "b", "c"});
      spool::Job first{0, {"one", ""}, {0, 2}, 0, head.arrived, {}, {}};
      spool::Job second{0, {"two", ""}, {1}, 0, head.arrived, {}, {}};
      const auto kept = store(mail_data, head, {first, second});
      ASSERT_EQ(kept.size(), 2u);
      std::vector<std::size_t> finished;
      for (const std::size_t which : {1, 0}) {
        under_test->spool().settle({{done_with(kept[which])}, {}}, session->executor, [&](const auto& done) { finished.push_back(done->finished.size()); });
        if (!in_one_write) session->executor.run_until([&] { return finished.size() == (which == 1 ? 1u : 2u); });
      }
      session->executor.run_until([&] { return finished.size() == 2; });
      EXPECT_EQ(finished, (std::vector<std::size_t>{0, 1}));
      if (!kept[0].head->in_file) {
        EXPECT_EQ(session->read(*kept[0].head, 0, 1).error().kind, ErrorKind::not_found);
      }
    }
  }
  restart();
  EXPECT_TRUE(session->destinations().empty());
  EXPECT_EQ(under_test->leftovers(), 0u);
}

TEST_P(SpoolContract, R9_a_message_of_several_jobs_is_rolled_back_whole) {
  const spool::MessageHead head = head_to({"a", "b"});
  auto transaction = begin();
  ASSERT_TRUE(session->append(*transaction, "x"));
  ASSERT_TRUE(session->commit(*transaction, head, {{0, {"one", ""}, {0}, 0, head.arrived, {}, {}}, {0, {"two", ""}, {1}, 0, head.arrived, {}, {}}}));
  EXPECT_TRUE(session->claim_due({"one", ""}).jobs.empty());
  transaction.reset();
  EXPECT_TRUE(session->claim_due({"one", ""}).jobs.empty());
  restart();
  EXPECT_TRUE(session->destinations().empty());
  EXPECT_EQ(under_test->leftovers(), 0u);
}

TEST_P(SpoolContract, notifications_are_stored_together_with_what_they_tell) {
  const auto held = store("x", head_to({"a"}));
  spool::Settlements settlements{{done_with(held[0])}, {}};
  for (int i = 0; i < 2; ++i) {
    const spool::MessageHead head = head_to({"from" + std::to_string(i)});
    settlements.notifications.push_back({head, one_job(head).front(), "notification " + std::to_string(i)});
  }
  const auto settled = session->settle(std::move(settlements));
  ASSERT_TRUE(settled.has_value());
  ASSERT_EQ(settled->notifications.size(), 2u);
  EXPECT_LT(settled->notifications[0].head->id, settled->notifications[1].head->id);
  EXPECT_EQ(*settled->notifications[1].mail_data, "notification 1");
  EXPECT_TRUE(session->claim().empty()) << "they are handed over by the settlement itself";
  restart();
  const auto stored = session->claim();
  ASSERT_EQ(stored.size(), 2u);
  EXPECT_EQ(stored[0].head->recipients.at(0).forward_path.local_part, "from0");
  EXPECT_EQ(session->read(*stored[1].head).value(), "notification 1");
}

// Settled by somebody else, or by ourselves a moment before: what comes last may be about a job that has gone.
TEST_P(SpoolContract, a_late_settlement_changes_nothing) {
  const spool::MessageHead told = head_to({"from"});
  for (const bool in_one_write : {true, false}) {
    const auto held = store("x", head_to({"a", "b"}));
    int late = 0;
    int done = 0;
    const auto count = [&](const Result<spool::Settled>& settled) {
      late += settled->late;
      EXPECT_EQ(settled->notifications.size() + settled->finished.size(), settled->late ? 0u : 1u);
      ++done;
    };
    under_test->spool().settle({{done_with(held[0])}, {}}, session->executor, count);
    if (!in_one_write) session->executor.run_until([&] { return done == 1; });
    under_test->spool().settle({{{held[0].claim, {1}}}, {{told, one_job(told).front(), "late"}}}, session->executor, count);
    under_test->spool().settle({{deferred(held[0], {0, 1}, at(3))}, {{told, one_job(told).front(), "late"}}}, session->executor, count);
    session->executor.run_until([&] { return done == 3; });
    EXPECT_EQ(late, 2);
  }
  restart();
  EXPECT_TRUE(session->claim().empty());
  EXPECT_EQ(under_test->leftovers(), 0u);
}

TEST_P(SpoolContract, all_that_is_stored_is_listed_a_part_at_a_time) {
  std::vector<spool::MessageId> ids;
  for (int i = 0; i < 5; ++i) {
    const spool::MessageHead head = head_to({"a", "b"});
    auto kept = store("x", head, i == 2 ? std::vector<spool::Job>{{0, {"one", ""}, {0}, 0, head.arrived, {}, {}}, {0, {"two", ""}, {1}, 0, head.arrived, {}, {}}} : std::vector<spool::Job>{});
    ids.push_back(kept.front().head->id);
    if (i == 1) {
      ASSERT_TRUE(session->settle({{deferred(kept[0], {0, 1}, at(9), "450 busy")}, {}}));
    }
  }
  std::vector<std::pair<spool::MessageId, bool>> seen;
  spool::MessageId after;
  for (;;) {
    const auto part = session->list(after, 2);
    if (part.empty()) break;
    for (const spool::Listed& each : part) seen.emplace_back(each.head->id, each.is_held);
    after = part.back().head->id;
  }
  const std::vector<std::pair<spool::MessageId, bool>> all = {{ids[0], true}, {ids[1], false}, {ids[2], true}, {ids[2], true}, {ids[3], true}, {ids[4], true}};
  EXPECT_EQ(seen, all);
  const auto one = session->list({ids[1].value - 1}, 1);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].job.last_reply, "450 busy");
  EXPECT_EQ(one[0].job.due, at(9));
}

TEST_P(SpoolContract, what_is_asked_for_out_of_turn_is_due_at_once_and_keeps_its_turn) {
  const auto waits = store("x");
  const auto held = store("x");
  const auto due = store("x");
  ASSERT_TRUE(session->settle({{deferred(waits[0], {0}, at(50)), deferred(due[0], {0}, at(2))}, {}}));
  EXPECT_EQ(session->advance({waits[0].claim.job, held[0].claim.job, due[0].claim.job, {{~std::uint64_t{0}}, 0}}, at(5)), 2u) << "what is held is nobody else's";
  const auto claimed = session->claim_due(kSmarthost, at(5), 10);
  ASSERT_EQ(claimed.jobs.size(), 2u);
  EXPECT_EQ(claimed.jobs[0].job.due, at(2));
  EXPECT_FALSE(claimed.jobs[0].job.promised);
  EXPECT_EQ(claimed.jobs[1].job.due, at(5));
  EXPECT_EQ(claimed.jobs[1].job.promised, at(50));
}

TEST_P(SpoolContract, a_read_gives_the_part_that_was_asked_for_and_no_more) {
  for (const std::size_t size : sizes()) {
    const std::string mail_data = mail_data_of(size, 9);
    const auto kept = store(mail_data).front();
    for (const std::size_t offset : {std::size_t{0}, size / 2, size, size + 5}) {
      for (const std::size_t length : {std::size_t{0}, std::size_t{1}, size, ~std::size_t{0}}) {
        EXPECT_EQ(session->read(*kept.head, offset, length).value(), offset > size ? "" : mail_data.substr(offset, length));
      }
    }
  }
}

TEST_P(SpoolContract, R11_many_threads_lose_nothing_and_keep_nothing_that_was_rolled_back) {
  std::vector<std::thread> threads;
  std::vector<std::unique_ptr<SpoolSession>> sessions;
  std::vector<std::set<std::string>> kept(4);
  for (std::size_t t = 0; t < kept.size(); ++t) {
    sessions.push_back(std::make_unique<SpoolSession>(under_test->spool()));
    threads.emplace_back([this, t, &mine = kept[t], &own = *sessions[t]] {
      for (std::size_t i = 0; i < 40; ++i) {
        auto transaction = own.begin();
        ASSERT_TRUE(transaction.has_value());
        const std::size_t size = i % 4 == 0 ? 2 * under_test->large() : i;
        ASSERT_TRUE(own.append(**transaction, mail_data_of(size, t * 1000 + i)));
        if (i % 5 == 1) continue;
        const std::string name = std::to_string(t * 1000 + i);
        if (i % 5 == 2) {
          (*transaction)->commit(head_to({"to"}, name), one_job(head_to({"to"}, name)), [](const Result<>&) {});
          continue;
        }
        ASSERT_TRUE(own.commit(**transaction, head_to({"to"}, name)));
        if (i % 5 == 3) continue;
        const auto message = (*transaction)->acknowledge();
        if (i % 10 == 0) {
          ASSERT_TRUE(own.finish(message));
        } else {
          mine.insert(name);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  restart();
  std::set<std::string> found;
  for (const auto& stored : session->claim()) {
    found.insert(stored.head->client);
    EXPECT_EQ(session->read(*stored.head).value(), mail_data_of(stored.head->size, std::stoull(stored.head->client)));
  }
  for (std::set<std::string>& mine : kept) {
    EXPECT_EQ(mine.size(), 12u);
    for (const std::string& name : mine) EXPECT_EQ(found.erase(name), 1u) << name;
  }
  EXPECT_TRUE(found.empty()) << *found.begin();
}

}  // namespace adieu::test
