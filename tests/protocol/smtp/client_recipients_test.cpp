// Messages for more recipients than one transaction holds. RFC 5321 section 4.5.3.1.10.
#include <gtest/gtest.h>

#include "support/client_talk.h"

namespace adieu::test {
namespace {

/// RFC 5321 section 4.5.3.1.10.
TEST(ClientTransaction, sends_to_those_that_were_accepted_and_leaves_the_rest_for_the_next_transaction_at_once) {
  for (const std::string_view refusal : {"452 4.5.3 too many recipients\r\n", "452 too many\r\n", "552 too many recipients\r\n"}) {
    every_way([refusal](Division division) {
      Talk talk(division);
      talk.greet({"PIPELINING"});
      talk.send({"b", "c", "d", "e"});
      EXPECT_EQ(talk.hear(together({"250 ok\r\n250 ok\r\n250 ok\r\n", refusal, refusal, "354 go\r\n"})), kText);
      talk.hear("250 stored\r\n");
      ASSERT_EQ(talk.outcomes.size(), 4u);
      for (int i : {0, 1}) EXPECT_EQ(talk.outcomes[i].fate, Fate::delivered);
      for (int i : {2, 3}) {
        EXPECT_EQ(talk.outcomes[i].fate, Fate::deferred);
        EXPECT_TRUE(talk.outcomes[i].at_once);
      }
      // The session has learned how many recipients a transaction holds here.
      EXPECT_EQ(talk.send({"d", "e", "f"}), together({kMail, "RCPT TO:<d@example.net>\r\nRCPT TO:<e@example.net>\r\nDATA\r\n"}));
      talk.hear("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
      talk.hear("250 stored\r\n");
      EXPECT_EQ(talk.outcomes[1].fate, Fate::delivered);
      EXPECT_TRUE(talk.outcomes[2].at_once);
    });
  }
}

TEST(ClientTransaction, names_no_more_recipients_without_PIPELINING_once_there_are_too_many) {
  every_way([](Division division) {
    Talk talk(division);
    talk.greet();
    talk.send({"b", "c", "d"});
    talk.hear("250 ok\r\n");
    talk.hear("250 ok\r\n");
    EXPECT_EQ(talk.hear("452 4.5.3 too many\r\n"), "DATA\r\n");
    talk.hear("354 go\r\n");
    talk.hear("250 stored\r\n");
    EXPECT_EQ(talk.outcomes[0].fate, Fate::delivered);
    for (int i : {1, 2}) EXPECT_TRUE(talk.outcomes[i].at_once) << i;
  });
}

TEST(ClientTransaction, what_made_no_progress_waits_for_a_retry) {
  const auto outcomes = [](std::string_view replies, std::string_view end) {
    Talk talk(kWhole);
    talk.greet({"PIPELINING"});
    talk.send({"b", "c"});
    talk.hear("250 ok\r\n");
    talk.hear(replies);
    if (!end.empty()) talk.hear(end);
    return talk.outcomes;
  };
  const auto none_accepted = outcomes("452 too many\r\n452 too many\r\n554 no recipients\r\n", "");
  const auto later = outcomes("250 ok\r\n452 too many\r\n354 go\r\n", "451 later\r\n");
  const auto no_data = outcomes("250 ok\r\n452 too many\r\n451 later\r\n", "");
  const auto lost = outcomes("250 ok\r\n452 too many\r\n421 bye\r\n", "");
  for (const auto& each : {none_accepted, later, no_data, lost}) {
    ASSERT_EQ(each.size(), 2u);
    EXPECT_EQ(each[1].fate, Fate::deferred);
    EXPECT_FALSE(each[1].at_once);
  }
  // Another use of the code: this mailbox is full, whoever stands before it.
  EXPECT_FALSE(outcomes("250 ok\r\n452 4.2.2 mailbox full\r\n354 go\r\n", "250 ok\r\n")[1].at_once);
  EXPECT_FALSE(outcomes("250 ok\r\n452 4.3.1 disk full\r\n354 go\r\n", "250 ok\r\n")[1].at_once);
  EXPECT_TRUE(outcomes("250 ok\r\n452 too many\r\n354 go\r\n", "554 refused\r\n")[1].at_once) << "the message is done with for the first";
}

TEST(ClientTransaction, names_only_so_many_recipients_as_every_server_takes) {
  for (const bool pipelining : {false, true}) {
    Talk talk(kWhole, Talk::kSecure, [](ClientProfile& profile) { profile.recipients = 2; });
    talk.greet({pipelining ? "PIPELINING" : "X"});
    std::string said = talk.send({"b", "c", "d"});
    said += talk.hear("250 ok\r\n");
    said += talk.hear("550 5.1.1 nobody\r\n");
    said += talk.hear("450 later\r\n");
    EXPECT_EQ(said, together({kMail, kRcpt, "RCPT TO:<c@example.net>\r\n", pipelining ? "DATA\r\n" : ""}));
    if (pipelining) talk.hear("503 no recipients\r\n");
    EXPECT_EQ(talk.outcomes[0].fate, Fate::failed);
    EXPECT_FALSE(talk.outcomes[1].at_once);
    EXPECT_TRUE(talk.outcomes[2].at_once) << "it was not named";

    // What is said of the sender concerns them all; so does the loss of the connection.
    talk.send({"b", "c", "d"});
    talk.hear("250 reset\r\n");
    talk.hear(pipelining ? "550 5.7.1 no\r\n503 x\r\n503 x\r\n503 x\r\n" : "550 5.7.1 no\r\n");
    for (const Outcome& outcome : talk.outcomes) EXPECT_EQ(outcome.fate, Fate::failed);
    talk.send({"b", "c", "d"});
    talk.lose();
    ASSERT_EQ(talk.outcomes.size(), 3u);
    for (const Outcome& outcome : talk.outcomes) EXPECT_EQ(outcome.status, (EnhancedStatus{4, 4, 2}));
    EXPECT_FALSE(talk.outcomes[2].at_once || talk.outcomes[2].may_have_arrived);
  }
}

TEST(ClientTransaction, LMTP_leaves_the_rest_for_the_next_transaction_too) {
  Talk talk(kWhole, Talk::kSecure, [](ClientProfile& profile) {
    profile.protocol = ClientProtocol::lmtp;
    profile.recipients = 3;
  });
  talk.greet({"PIPELINING"});
  talk.send({"b", "c", "d", "e"});
  EXPECT_EQ(talk.hear("250 ok\r\n250 ok\r\n250 ok\r\n452 4.5.3 too many\r\n354 go\r\n"), kText);
  talk.hear("250 ok\r\n");
  talk.hear("451 4.2.1 later\r\n");
  EXPECT_EQ(talk.outcomes[0].fate, Fate::delivered);
  EXPECT_FALSE(talk.outcomes[1].at_once);
  EXPECT_TRUE(talk.outcomes[2].at_once);
  EXPECT_TRUE(talk.outcomes[3].at_once);
}

}  // namespace
}  // namespace adieu::test
