// What every spool owes, whatever it stores in: one suite, run against each. Rules R9 to R11. Included by one file of a test program, which
// instantiates SpoolContract with the makers of what it tests.
#pragma once

#include <gtest/gtest.h>

#include <functional>
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
  SpoolSession::Kept store(std::string_view mail_data, spool::MessageHead head = head_to({"to"})) {
    auto kept = session->store(mail_data, std::move(head));
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
  std::string large_mail_data() const { return mail_data_of(5 * under_test->large() + 3, 5); }

  std::unique_ptr<SpoolSession> session;  // its executor outlives the spool
  std::unique_ptr<SpoolUnderTest> under_test;
};

TEST_P(SpoolContract, R11_what_was_acknowledged_is_there_after_a_restart_octet_by_octet) {
  std::vector<spool::MessageId> ids;
  for (const std::size_t size : sizes()) {
    spool::MessageHead head = head_to({"one", "two"}, std::to_string(size));
    head.body = mail::BodyType::eight_bit_mime;
    ids.push_back(store(mail_data_of(size, size), head).head->id);
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
  const auto recalled = under_test->spool().recall();
  ASSERT_TRUE(recalled);
  EXPECT_TRUE(recalled->ended_in_order);
  EXPECT_EQ(recalled->unconfirmed, (std::vector{early, late}));
  const auto stored = session->claim();
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_EQ(stored[0].head->fingerprint, late.fingerprint);
  under_test->spool().forget(late.fingerprint);
  restart();
  EXPECT_EQ(under_test->spool().recall()->unconfirmed, std::vector{early});
}

TEST_P(SpoolContract, what_is_acknowledged_comes_back_with_its_mail_data_while_it_is_small) {
  for (const std::size_t size : sizes()) {
    const auto kept = store(mail_data_of(size, 1));
    ASSERT_TRUE(kept.head);
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
    EXPECT_EQ(session->read(*transaction->acknowledge().head).value(), mail_data) << part;
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
  { auto small = begin(); ASSERT_TRUE(session->append(*small, "x")); small->commit(head_to({"to"}), never); }
  { auto large = begin(); ASSERT_TRUE(session->append(*large, large_mail_data())); large->commit(head_to({"to"}), never); }
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
    transaction->commit(head_to({"to"}), [&](const Result<>&) {
      transaction.reset();
      ended = true;
    });
    session->executor.run_until([&] { return ended; });
  }
  restart();
  EXPECT_EQ(under_test->leftovers(), 0u);
}

TEST_P(SpoolContract, a_claim_is_given_once_and_never_on_what_this_run_brought) {
  store("old");
  restart();
  store("new");
  const auto unacknowledged = begin();
  ASSERT_TRUE(session->commit(*unacknowledged, head_to({"to"})));
  EXPECT_EQ(session->claim().size(), 1u);
  EXPECT_TRUE(session->claim().empty());
}

TEST_P(SpoolContract, claims_come_oldest_first_a_part_at_a_time) {
  std::vector<spool::MessageId> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(store("x").head->id);
  restart();
  std::vector<spool::MessageId> claimed;
  for (const auto& stored : session->claim(ids[0], 2)) claimed.push_back(stored.head->id);
  EXPECT_EQ(claimed, (std::vector{ids[1], ids[2]}));
  for (const auto& stored : session->claim(ids[2], 10)) claimed.push_back(stored.head->id);
  for (const auto& stored : session->claim({}, 10)) claimed.push_back(stored.head->id);
  EXPECT_EQ(claimed, (std::vector{ids[1], ids[2], ids[3], ids[4], ids[0]}));
  EXPECT_TRUE(session->claim(spool::MessageId{~std::uint64_t{0}}).empty());
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
    last = store("x").head->id;
    restart();
  }
}

TEST_P(SpoolContract, a_settlement_changes_its_recipients_and_no_others) {
  const auto id = store("x", head_to({"a", "b", "c"})).head->id;
  const spool::RecipientUpdate deferred{1, spool::RecipientState::pending, 3, WallTime(Duration(77)), "451 4.3.0 later"};
  const spool::RecipientUpdate delivered{1, spool::RecipientState::delivered, 4, {}, ""};
  const spool::RecipientUpdate failed{2, spool::RecipientState::failed, 1, {}, "550 5.1.1 no such mailbox"};
  ASSERT_TRUE(session->settle({id, {deferred}, false, {}}));
  restart();
  auto stored = session->claim();
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_EQ(stored[0].head->recipients[1].attempts, 3u);
  EXPECT_EQ(stored[0].head->recipients[1].next_attempt, WallTime(Duration(77)));
  EXPECT_EQ(stored[0].head->recipients[1].last_reply, "451 4.3.0 later");
  ASSERT_TRUE(session->settle({id, {delivered, failed}, false, {}}));
  restart();
  stored = session->claim();
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_EQ(stored[0].head->recipients[0].state, spool::RecipientState::pending);
  EXPECT_EQ(stored[0].head->recipients[1].state, spool::RecipientState::delivered);
  EXPECT_EQ(stored[0].head->recipients[2].state, spool::RecipientState::failed);
  EXPECT_EQ(stored[0].head->recipients[2].last_reply, "550 5.1.1 no such mailbox");
  // In this run, in an earlier one, and in one breath with the end: all of it goes.
  ASSERT_TRUE(session->settle({id, {deferred}, false, {}}));
  ASSERT_TRUE(session->finish(id));
  EXPECT_EQ(under_test->leftovers(), 0u);
}

TEST_P(SpoolContract, what_is_finished_leaves_nothing_behind) {
  const auto update = [](std::uint32_t index) { return spool::RecipientUpdate{index, spool::RecipientState::delivered, 1, {}, ""}; };
  for (const std::string& mail_data : {std::string("small"), large_mail_data()}) {
    const auto kept = store(mail_data, head_to({"a", "b"}));
    // Nobody waits in between, so that both may meet in one write.
    int done = 0;
    under_test->spool().settle({kept.head->id, {update(0)}, false, {}}, session->executor, [&](const auto&) { ++done; });
    under_test->spool().settle({kept.head->id, {update(1)}, true, {}}, session->executor, [&](const auto&) { ++done; });
    session->executor.run_until([&] { return done == 2; });
    if (!kept.head->in_file) {
      EXPECT_EQ(session->read(*kept.head, 0, 1).error().kind, ErrorKind::not_found);
    }
  }
  restart();
  EXPECT_TRUE(session->claim().empty());
  EXPECT_EQ(under_test->leftovers(), 0u);
}

TEST_P(SpoolContract, notifications_are_stored_together_with_what_they_tell) {
  const auto id = store("x", head_to({"a"})).head->id;
  spool::Settlement settlement{id, {}, true, {}};
  for (int i = 0; i < 2; ++i) settlement.notifications.push_back({head_to({"from" + std::to_string(i)}), "notification " + std::to_string(i)});
  const auto kept = session->settle(std::move(settlement));
  ASSERT_TRUE(kept.has_value());
  ASSERT_EQ(kept->size(), 2u);
  EXPECT_LT(kept->at(0).head->id, kept->at(1).head->id);
  EXPECT_EQ(*kept->at(1).mail_data, "notification 1");
  EXPECT_TRUE(session->claim().empty()) << "they are handed over by the settlement itself";
  restart();
  const auto stored = session->claim();
  ASSERT_EQ(stored.size(), 2u);
  EXPECT_EQ(stored[0].head->recipients.at(0).forward_path.local_part, "from0");
  EXPECT_EQ(session->read(*stored[1].head).value(), "notification 1");
}

// Two destinations of one message settle from two threads: what comes last may be about a message that has gone.
TEST_P(SpoolContract, a_late_settlement_changes_nothing) {
  for (const bool in_one_write : {true, false}) {
    const auto id = store("x", head_to({"a", "b"})).head->id;
    std::size_t told = 2;
    int done = 0;
    under_test->spool().settle({id, {}, true, {}}, session->executor, [&](const auto&) { ++done; });
    if (!in_one_write) session->executor.run_until([&] { return done == 1; });
    const spool::RecipientUpdate update{1, spool::RecipientState::failed, 1, {}, "550"};
    under_test->spool().settle({id, {update}, false, {{head_to({"from"}), "late"}}}, session->executor, [&](const auto& kept) {
      told = kept->size();
      ++done;
    });
    under_test->spool().settle({id, {}, true, {{head_to({"from"}), "late"}}}, session->executor, [&](const auto& kept) {
      told += kept->size();
      ++done;
    });
    session->executor.run_until([&] { return done == 3; });
    EXPECT_EQ(told, 0u);
  }
  restart();
  EXPECT_TRUE(session->claim().empty());
  EXPECT_EQ(under_test->leftovers(), 0u);
}

TEST_P(SpoolContract, a_read_gives_the_part_that_was_asked_for_and_no_more) {
  for (const std::size_t size : sizes()) {
    const std::string mail_data = mail_data_of(size, 9);
    const auto kept = store(mail_data);
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
          (*transaction)->commit(head_to({"to"}, name), [](const Result<>&) {});
          continue;
        }
        ASSERT_TRUE(own.commit(**transaction, head_to({"to"}, name)));
        if (i % 5 == 3) continue;
        const auto message = (*transaction)->acknowledge();
        if (i % 10 == 0) {
          ASSERT_TRUE(own.finish(message.head->id));
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
