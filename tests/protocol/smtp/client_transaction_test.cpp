// One message after another in the pure client session: flights, recipients, refusals, LMTP, BDAT, and what counts as delivered
// (R14, R15).
#include <gtest/gtest.h>

#include "support/client_talk.h"

namespace adieu::test {
namespace {
using namespace std::chrono_literals;

TEST(ClientTransaction, says_one_command_after_another_without_PIPELINING) {
  every_way([](Division division) {
    Talk talk(division, Talk::plain(ClientStartTls::never));
    EXPECT_EQ(talk.said(), "");
    EXPECT_EQ(talk.hear("220-mx.example\r\n220 ESMTP\r\n"), "EHLO client.example\r\n");
    EXPECT_EQ(talk.hear("250 mx.example\r\n"), "");
    EXPECT_EQ(talk.send({"b", "c"}), kMail);
    EXPECT_EQ(talk.hear("250 2.1.0 ok\r\n"), kRcpt);
    EXPECT_EQ(talk.hear("250 2.1.5 ok\r\n"), "RCPT TO:<c@example.net>\r\n");
    EXPECT_EQ(talk.hear("251 2.1.5 elsewhere\r\n"), "DATA\r\n");
    EXPECT_EQ(talk.hear("354 go\r\n"), kText);
    EXPECT_EQ(talk.hear("250-2.0.0 stored\r\n250 2.0.0 as 1A\r\n"), "");
    ASSERT_EQ(talk.outcomes.size(), 2u);
    for (const Outcome& outcome : talk.outcomes) {
      EXPECT_EQ(outcome.fate, Fate::delivered);
      EXPECT_EQ(outcome.reply, (Reply{250, {2, 0, 0}, "stored\nas 1A"}));
    }
    EXPECT_TRUE(talk.ready);
    EXPECT_EQ(talk.quit(), "QUIT\r\n");
    EXPECT_EQ(talk.hear("221 2.0.0 bye\r\n"), "");
    ASSERT_TRUE(talk.end);
    EXPECT_FALSE(talk.end->failure);
  });
}

TEST(ClientTransaction, says_the_envelope_and_DATA_in_one_flight_with_PIPELINING) {
  every_way([](Division division) {
    Talk talk(division);
    talk.greet({"pipelining"});
    EXPECT_EQ(talk.send(), together({kMail, kRcpt, "DATA\r\n"}));
    EXPECT_EQ(talk.hear("250 ok\r\n250 ok\r\n354 go\r\n"), kText);
    EXPECT_EQ(talk.hear("250 ok\r\n"), "");
    EXPECT_EQ(talk.outcomes.at(0).fate, Fate::delivered);
  });
}

TEST(ClientTransaction, says_a_small_message_by_BDAT_in_the_same_flight) {
  every_way([](Division division) {
    Talk talk(division);
    talk.greet({"PIPELINING", "CHUNKING"});
    EXPECT_EQ(talk.send({"b"}, ".x\r\n"), together({kMail, kRcpt, "BDAT 4 LAST\r\n.x\r\n"}));
    EXPECT_EQ(talk.hear("250 ok\r\n250 ok\r\n250 4 octets\r\n"), "");
    EXPECT_EQ(talk.outcomes.at(0).fate, Fate::delivered);
  });
}

TEST(ClientTransaction, waits_for_a_recipient_before_it_says_a_large_message_and_asks_for_parts_of_it) {
  Talk talk(kWhole);
  talk.greet({"PIPELINING", "CHUNKING"});
  const std::string large(800'000, 'x');
  EXPECT_EQ(talk.send({"b"}, large), together({kMail, kRcpt}));
  EXPECT_EQ(talk.hear("250 ok\r\n250 ok\r\n"), "BDAT 800000 LAST\r\n" + large);
  EXPECT_EQ(talk.largest, 262'144u);
  EXPECT_EQ(talk.asked, 4);
  talk.hear("250 ok\r\n");
  EXPECT_EQ(talk.outcomes.at(0).fate, Fate::delivered);
}

TEST(ClientTransaction, asks_for_no_more_than_the_transport_takes) {
  Talk talk(kWhole);
  talk.greet();
  talk.send({"b"}, std::string(1'000'000, 'x'));
  talk.hear("250 ok\r\n");
  talk.hear("250 ok\r\n");
  talk.blocked = true;
  talk.hear("354 go\r\n");
  EXPECT_EQ(talk.asked, 1);
  EXPECT_LE(talk.session->output().size(), 262'144u);
}

TEST(ClientTransaction, ends_mail_data_with_a_line_of_its_own) {
  for (const auto& [mail_data, wire] :
       {std::pair{"", ".\r\n"}, {"x", "x\r\n.\r\n"}, {".", "..\r\n.\r\n"}, {"\r\n", "\r\n.\r\n"}}) {
    Talk talk(kWhole);
    talk.greet({"PIPELINING"});
    talk.send({"b"}, mail_data);
    EXPECT_EQ(talk.hear("250 ok\r\n250 ok\r\n354 go\r\n"), wire);
  }
}

TEST(ClientTransaction, tells_each_recipient_its_own_fate) {
  for (const bool pipelining : {false, true}) {
    every_way([pipelining](Division division) {
      Talk talk(division);
      talk.greet({pipelining ? "PIPELINING" : "X"});
      talk.send({"b", "c", "d"});
      const std::string replies = "250 ok\r\n250 ok\r\n550 5.1.1 nobody\r\n450 4.2.1 later\r\n354 go\r\n";
      if (pipelining) {
        EXPECT_EQ(talk.hear(replies), kText);
      } else {
        talk.hear("250 ok\r\n");
        talk.hear("250 ok\r\n");
        talk.hear("550 5.1.1 nobody\r\n");
        EXPECT_EQ(talk.hear("450 4.2.1 later\r\n"), "DATA\r\n");
        EXPECT_EQ(talk.hear("354 go\r\n"), kText);
      }
      talk.hear("250 ok\r\n");
      ASSERT_EQ(talk.outcomes.size(), 3u);
      EXPECT_EQ(talk.outcomes[0].fate, Fate::delivered);
      EXPECT_EQ(talk.outcomes[1].fate, Fate::failed);
      EXPECT_EQ(talk.outcomes[1].reply.line(), "550 5.1.1 nobody");
      EXPECT_EQ(talk.outcomes[2].fate, Fate::deferred);
      EXPECT_EQ(talk.outcomes[2].status, (EnhancedStatus{4, 2, 1}));
      EXPECT_TRUE(talk.ready);
    });
  }
}

TEST(ClientTransaction, says_no_mail_data_when_nobody_is_to_have_it) {
  every_way([](Division division) {
    Talk one_by_one(division);
    one_by_one.greet();
    one_by_one.send();
    one_by_one.hear("250 ok\r\n");
    EXPECT_EQ(one_by_one.hear("550 5.1.1 nobody\r\n"), "");
    EXPECT_EQ(one_by_one.outcomes.at(0).fate, Fate::failed);
    // The transaction is still open there.
    EXPECT_EQ(one_by_one.send(), "RSET\r\n");
    EXPECT_EQ(one_by_one.hear("250 ok\r\n"), kMail);

    Talk flight(division);
    flight.greet({"PIPELINING"});
    flight.send();
    EXPECT_EQ(flight.hear("250 ok\r\n550 5.1.1 nobody\r\n503 5.5.1 no valid recipients\r\n"), "");
    EXPECT_EQ(flight.outcomes.at(0).reply.code, 550);
    EXPECT_EQ(flight.send(), together({"RSET\r\n", kMail, kRcpt, "DATA\r\n"}));

    // RFC 2920 section 3.1: a server that wants it all the same gets the end alone.
    Talk eager(division);
    eager.greet({"PIPELINING"});
    eager.send();
    EXPECT_EQ(eager.hear("250 ok\r\n550 5.1.1 nobody\r\n354 go\r\n"), ".\r\n");
    eager.hear("250 2.0.0 an empty message for nobody\r\n");
    EXPECT_EQ(eager.outcomes.at(0).reply.code, 550);
    EXPECT_TRUE(eager.ready);
  });
}

TEST(ClientTransaction, LMTP_has_a_reply_for_each_recipient_that_was_accepted) {
  every_way([](Division division) {
    Talk talk(division, Talk::kSecure, [](ClientProfile& profile) { profile.protocol = ClientProtocol::lmtp; });
    talk.greet({"PIPELINING", "CHUNKING"});
    EXPECT_EQ(talk.send({"b", "c", "d", "e"}).find("BDAT"), std::string::npos);
    EXPECT_EQ(talk.hear("250 ok\r\n250 ok\r\n550 5.1.1 nobody\r\n250 ok\r\n250 ok\r\n354 go\r\n"), kText);
    talk.hear("250 2.0.0 b\r\n452 4.2.2 full\r\n");
    EXPECT_EQ(talk.messages, 0);
    talk.hear("552 5.2.2 over quota\r\n");
    ASSERT_EQ(talk.outcomes.size(), 4u);
    EXPECT_EQ(talk.outcomes[0].fate, Fate::delivered);
    EXPECT_EQ(talk.outcomes[1].reply.code, 550);
    EXPECT_EQ(talk.outcomes[2].fate, Fate::deferred);
    EXPECT_EQ(talk.outcomes[3].fate, Fate::failed);
    EXPECT_TRUE(talk.ready);
  });
}

TEST(ClientTransaction, LMTP_that_wants_mail_data_for_nobody_is_left) {
  Talk talk(kWhole, Talk::kSecure, [](ClientProfile& profile) { profile.protocol = ClientProtocol::lmtp; });
  talk.greet({"PIPELINING"});
  talk.send();
  EXPECT_EQ(talk.hear("250 ok\r\n550 5.1.1 nobody\r\n354 go\r\n"), "");
  EXPECT_EQ(talk.outcomes.at(0).reply.code, 550);
  EXPECT_TRUE(talk.end);
}

TEST(ClientTransaction, R14_R15_LMTP_recipients_whose_reply_came_keep_it_when_the_rest_is_cut) {
  Talk talk(kWhole, Talk::kSecure, [](ClientProfile& profile) { profile.protocol = ClientProtocol::lmtp; });
  talk.greet({"PIPELINING"});
  talk.send({"b", "c", "d"});
  talk.hear("250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  talk.hear("250 2.0.0 b\r\n550 5.7.1 no\r\n250 2.0.0 d");
  talk.lose();
  ASSERT_EQ(talk.outcomes.size(), 3u);
  EXPECT_EQ(talk.outcomes[0].fate, Fate::delivered);
  EXPECT_EQ(talk.outcomes[1].fate, Fate::failed);
  EXPECT_EQ(talk.outcomes[2].fate, Fate::deferred);
  EXPECT_FALSE(talk.outcomes[0].may_have_arrived);
  EXPECT_TRUE(talk.outcomes[2].may_have_arrived);
}

TEST(ClientTransaction, R14_a_final_reply_counts_once_its_last_line_is_complete) {
  for (const std::string reply : {"250 2.0.0 ok\r\n", "250\r\n", "250-2.0.0 stored\r\n250 2.0.0 as 1A\r\n", "554 5.6.0 no\r\n"}) {
    for (std::size_t length = 0; length <= reply.size(); ++length) {
      for (const bool chunking : {false, true}) {
        Talk talk(kWhole);
        talk.greet({"PIPELINING", chunking ? "CHUNKING" : "X"});
        talk.send();
        talk.hear(chunking ? "250 ok\r\n250 ok\r\n" : "250 ok\r\n250 ok\r\n354 go\r\n");
        talk.hear(reply.substr(0, length));
        talk.lose();
        const Outcome& outcome = talk.outcomes.at(0);
        if (length < reply.size()) {
          EXPECT_EQ(outcome.fate, Fate::deferred) << reply << length;
          EXPECT_TRUE(outcome.may_have_arrived);
          EXPECT_EQ(outcome.detail, "TLS ended without close_notify while waiting for the reply to the end of mail data");
        } else {
          EXPECT_EQ(outcome.fate, reply[0] == '2' ? Fate::delivered : Fate::failed);
          EXPECT_FALSE(outcome.may_have_arrived);
        }
      }
    }
  }
}

TEST(ClientTransaction, R14_a_final_reply_before_the_end_of_mail_data_has_been_handed_over_is_none) {
  for (const bool chunking : {false, true}) {
    Talk talk(kWhole);
    talk.greet({"PIPELINING", chunking ? "CHUNKING" : "X"});
    talk.blocked = chunking;
    talk.send();
    talk.blocked = true;
    talk.hear(chunking ? "250 ok\r\n250 ok\r\n250 stored\r\n" : "250 ok\r\n250 ok\r\n354 go\r\n");
    if (!chunking) talk.hear("250 stored\r\n");
    EXPECT_EQ(talk.outcomes.at(0).fate, Fate::deferred);
    EXPECT_TRUE(talk.end);
    EXPECT_EQ(talk.session->output(), "");
  }
}

// What a reply means, at each stage of a transaction, without PIPELINING.
struct Refused {
  int accepted;               // commands that went well before
  std::string_view reply;
  Fate fate;
  bool goes_on;               // the session takes another message
};

TEST(ClientTransaction, what_a_reply_says_of_a_message_at_every_stage) {
  std::vector<Refused> all;
  for (int stage = 0; stage < 4; ++stage) {
    all.push_back({stage, "550 5.7.1 no\r\n", Fate::failed, true});
    all.push_back({stage, "554-5.7.1 no\r\n554 never\r\n", Fate::failed, true});
    all.push_back({stage, "451 4.3.0 later\r\n", Fate::deferred, true});
    all.push_back({stage, "421 4.3.2 bye\r\n", Fate::deferred, false});
    all.push_back({stage, "221 bye\r\n", stage == 2 ? Fate::deferred : Fate::delivered, stage != 2});
    if (stage != 2) all.push_back({stage, "354 go\r\n", Fate::deferred, false});
    all.push_back({stage, "garbage\r\n", Fate::deferred, false});
    all.push_back({stage, "250 ok\n", Fate::deferred, false});
    all.push_back({stage, "199 ok\r\n", Fate::deferred, false});
  }
  for (const Refused& one : all) {
    every_way([&](Division division) {
      SCOPED_TRACE(std::to_string(one.accepted) + " then " + std::string(one.reply));
      Talk talk(division);
      talk.greet();
      talk.send();
      for (int i = 0; i < one.accepted; ++i) talk.hear(kGood.at(static_cast<std::size_t>(i)));
      talk.hear(one.reply);
      if (one.fate == Fate::delivered) {
        for (int i = one.accepted + 1; i < 4; ++i) talk.hear(kGood.at(static_cast<std::size_t>(i)));
      }
      ASSERT_EQ(talk.outcomes.size(), 1u);
      EXPECT_EQ(talk.outcomes[0].fate, one.fate);
      EXPECT_NE(talk.outcomes[0].detail + talk.outcomes[0].reply.text, "");
      EXPECT_EQ(talk.ready, one.goes_on);
      EXPECT_EQ(talk.end.has_value(), !one.goes_on);
      if (!one.goes_on) {
        EXPECT_TRUE(talk.end->failure);
        EXPECT_EQ(talk.hear("250 ok\r\n250 ok\r\n"), "");
        EXPECT_EQ(talk.messages, 1);
      }
    });
  }
}

TEST(ClientTransaction, a_refused_MAIL_decides_for_the_whole_flight) {
  every_way([](Division division) {
    Talk talk(division);
    talk.greet({"PIPELINING", "CHUNKING"});
    talk.send({"b", "c"});
    talk.hear("451 4.7.1 greylisted\r\n503 5.5.1 MAIL first\r\n503 5.5.1 MAIL first\r\n503 5.5.1 MAIL first\r\n");
    ASSERT_EQ(talk.outcomes.size(), 2u);
    for (const Outcome& outcome : talk.outcomes) EXPECT_EQ(outcome.reply.code, 451);
    EXPECT_TRUE(talk.ready);
  });
}

TEST(ClientTransaction, a_421_in_a_flight_defers_what_was_not_decided_and_ends_the_session) {
  every_way([](Division division) {
    Talk talk(division);
    talk.greet({"PIPELINING"});
    talk.send({"b", "c"});
    EXPECT_EQ(talk.hear("250 ok\r\n550 5.1.1 nobody\r\n421 4.3.2 bye\r\n354 go\r\n"), "");
    ASSERT_EQ(talk.outcomes.size(), 2u);
    EXPECT_EQ(talk.outcomes[0].fate, Fate::failed);
    EXPECT_EQ(talk.outcomes[1].fate, Fate::deferred);
    EXPECT_EQ(talk.outcomes[1].reply.line(), "421 4.3.2 bye");
    EXPECT_TRUE(talk.end);
  });
}

TEST(ClientTransaction, too_many_recipients_in_the_words_of_old_is_no_failure) {
  for (const auto& [reply, fate] : {std::pair{"552 too many recipients\r\n", Fate::deferred},
                                    {"552 5.5.3 too many recipients\r\n", Fate::deferred},
                                    {"552 5.2.2 mailbox full\r\n", Fate::failed}}) {
    Talk talk(kWhole);
    talk.greet();
    talk.send();
    talk.hear("250 ok\r\n");
    talk.hear(reply);
    EXPECT_EQ(talk.outcomes.at(0).fate, fate) << reply;
  }
}

TEST(ClientTransaction, sends_one_message_after_another_and_RSET_only_where_a_transaction_was_left_open) {
  every_way([](Division division) {
    Talk talk(division);
    talk.greet({"PIPELINING"});
    for (int i = 1; i <= 3; ++i) {
      EXPECT_EQ(talk.send(), together({kMail, kRcpt, "DATA\r\n"}));
      EXPECT_EQ(talk.hear("250 ok\r\n250 ok\r\n354 go\r\n"), kText);
      talk.hear("250 ok\r\n");
      EXPECT_EQ(talk.messages, i);
      EXPECT_EQ(talk.outcomes.at(0).fate, Fate::delivered);
    }
    talk.send();
    talk.hear("250 ok\r\n250 ok\r\n451 4.3.0 not now\r\n");
    EXPECT_TRUE(talk.send().starts_with("RSET\r\n"));
    talk.hear("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
    talk.hear("250 ok\r\n");
    EXPECT_EQ(talk.outcomes.at(0).fate, Fate::delivered);
    EXPECT_EQ(talk.messages, 5);
  });
}

TEST(ClientTransaction, a_server_that_refuses_RSET_is_left) {
  Talk talk(kWhole);
  talk.greet();
  talk.send();
  talk.hear("250 ok\r\n");
  talk.hear("550 no\r\n");
  EXPECT_EQ(talk.send(), "RSET\r\n");
  EXPECT_EQ(talk.hear("502 5.5.1 what?\r\n"), "");
  EXPECT_EQ(talk.outcomes.at(0).fate, Fate::deferred);
  EXPECT_TRUE(talk.end);
}

TEST(ClientTransaction, declares_size_and_body_where_the_server_knows_them_and_nowhere_else) {
  Talk without(kWhole);
  without.greet({"SIZES 1", "X8BITMIME"});
  EXPECT_EQ(without.send({"b"}, "x", mail::BodyType::eight_bit_mime), kMail);
  Talk with(kWhole);
  with.greet({"8bitmime", "Size"});
  EXPECT_EQ(with.send({"b"}, "x", mail::BodyType::eight_bit_mime), "MAIL FROM:<a@example.org> SIZE=1 BODY=8BITMIME\r\n");
  Talk unspecified(kWhole);
  unspecified.greet({"8BITMIME"});
  EXPECT_EQ(unspecified.send({"b"}, "x"), kMail);
}

TEST(ClientTransaction, a_message_beyond_the_servers_limit_fails_without_a_word) {
  for (const auto& [limit, fails] : {std::pair{"SIZE 10", false}, {"SIZE 9", true}, {"SIZE 0", false}, {"SIZE", false},
                                     {"SIZE many", false}, {"SIZE 99999999999999999999", false}}) {
    Talk talk(kWhole);
    talk.greet({limit});
    const std::string said = talk.send({"b", "c"}, "0123456789");
    EXPECT_EQ(said.empty(), fails) << limit;
    if (!fails) continue;
    ASSERT_EQ(talk.outcomes.size(), 2u);
    EXPECT_EQ(talk.outcomes[1].fate, Fate::failed);
    EXPECT_EQ(talk.outcomes[1].status, (EnhancedStatus{5, 3, 4}));
    EXPECT_EQ(talk.outcomes[1].detail, "the message has 10 octets, the next hop takes 9");
    EXPECT_TRUE(talk.ready);
  }
}

TEST(ClientTransaction, mail_data_that_is_not_of_its_size_is_never_ended) {
  for (const bool chunking : {false, true}) {
    Talk talk(kWhole);
    talk.greet({"PIPELINING", chunking ? "CHUNKING" : "X"});
    talk.holds_mail_data = true;
    talk.send({"b"}, "0123456789");
    if (!chunking) talk.hear("250 ok\r\n250 ok\r\n354 go\r\n");
    talk.session->supply("012345", chunking);
    talk.work();
    EXPECT_EQ(talk.messages, chunking ? 1 : 0);
    if (!chunking) continue;
    EXPECT_EQ(talk.outcomes.at(0).status, (EnhancedStatus{4, 3, 0}));
    EXPECT_EQ(talk.said().find("012345"), std::string::npos);
  }
}

TEST(ClientTransaction, a_transport_that_takes_no_mail_data_times_out) {
  Talk talk(kWhole);
  talk.greet();
  talk.send({"b"}, std::string(400'000, 'x'));
  talk.hear("250 ok\r\n");
  talk.hear("250 ok\r\n");
  talk.blocked = true;
  talk.hear("354 go\r\n");
  ASSERT_EQ(talk.session->deadline(), talk.now + 3min);
  talk.session->expire(talk.now + 3min);
  talk.work();
  EXPECT_EQ(talk.outcomes.at(0).detail, "timed out while sending mail data");
  EXPECT_FALSE(talk.outcomes.at(0).may_have_arrived);
}

TEST(ClientTransaction, a_long_reply_is_not_kept_whole_for_every_recipient) {
  const auto roomy = [](ClientProfile& profile) {
    profile.reply_line = 2048;
    profile.reply_lines = 200;
  };
  std::string lines;
  for (int i = 0; i < 199; ++i) lines += "550-5.7.1 " + std::string(2000, 'x') + "\r\n";
  struct Case {
    std::string replies;
    Fate fate;
  };
  for (const Case& each : {Case{lines + "550 5.7.1 no\r\n503 5.5.1 no\r\n503 5.5.1 no\r\n503 5.5.1 no\r\n", Fate::failed},
                           Case{"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n" + lines + "550 5.7.1 no\r\n", Fate::deferred}}) {
    Talk talk(kWhole, Talk::kSecure, roomy);
    talk.greet({"PIPELINING"});
    talk.holds_mail_data = true;
    talk.send({"b", "c"});
    talk.hear(each.replies);
    ASSERT_EQ(talk.outcomes.size(), 2u);
    for (const Outcome& outcome : talk.outcomes) {
      EXPECT_EQ(outcome.fate, each.fate);
      EXPECT_EQ(outcome.reply.text.size(), kReplyText);
      EXPECT_EQ(outcome.reply.line(), "550 5.7.1 " + std::string(512, 'x') + "...");
    }
  }
}

}  // namespace
}  // namespace adieu::test
