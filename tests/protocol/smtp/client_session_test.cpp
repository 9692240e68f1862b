// The pure client session around its messages: greeting, EHLO, STARTTLS, what nobody asked for, time-outs, QUIT.
#include "adieu/protocol/smtp/client_session.h"

#include <gtest/gtest.h>

#include "support/client_talk.h"

namespace adieu::test {
namespace {
using namespace std::chrono_literals;

TEST(ClientSession, says_HELO_to_a_server_that_does_not_know_EHLO) {
  every_way([](Division division) {
    Talk talk(division, Talk::plain(ClientStartTls::when_offered));
    talk.hear("220 old\r\n");
    EXPECT_EQ(talk.hear("502 what?\r\n"), "HELO client.example\r\n");
    EXPECT_EQ(talk.hear("250-PIPELINING\r\n250 STARTTLS\r\n"), "") << "the reply to HELO lists no extensions";
    EXPECT_EQ(talk.send(), kMail);
  });
}

TEST(ClientSession, what_a_server_says_before_it_knows_the_message_is_no_verdict_on_it) {
  every_way([](Division division) {
    for (const std::string_view greeting : {"554 5.7.1 you are listed\r\n", "450 busy\r\n", "354 what?\r\n"}) {
      Talk talk(division, Talk::plain(ClientStartTls::when_offered));
      EXPECT_EQ(talk.hear(greeting), "QUIT\r\n");
      talk.hear("221 bye\r\n");
      ASSERT_TRUE(talk.end && talk.end->failure);
      EXPECT_EQ(talk.end->failure->fate, Fate::deferred);
      EXPECT_EQ(talk.end->failure->detail, "refused in the greeting");
    }
    Talk helo(division);
    helo.said();
    EXPECT_EQ(helo.hear("550 no\r\n"), "HELO client.example\r\n");
    EXPECT_EQ(helo.hear("550 no again\r\n"), "QUIT\r\n");
    helo.lose("the next hop closed the connection");
    ASSERT_TRUE(helo.end && helo.end->failure);
    EXPECT_EQ(helo.end->failure->reply.text, "no again");
  });
}

TEST(ClientSession, begins_TLS_where_it_is_offered) {
  every_way([](Division division) {
    for (const auto starttls : {ClientStartTls::when_offered, ClientStartTls::required}) {
      Talk talk(division, Talk::plain(starttls));
      talk.hear("220 mx\r\n");
      EXPECT_EQ(talk.hear("250-mx\r\n250 starttls\r\n"), "STARTTLS\r\n");
      EXPECT_EQ(talk.hear("220 2.0.0 go\r\n"), "");
      EXPECT_TRUE(talk.begins_tls);
      EXPECT_FALSE(talk.ready);
    }
  });
}

TEST(ClientSession, TLS_refused_or_not_offered_ends_it_where_it_is_required_and_not_where_it_is_not) {
  every_way([](Division division) {
    for (const bool required : {false, true}) {
      for (const bool offered : {false, true}) {
        Talk talk(division, Talk::plain(required ? ClientStartTls::required : ClientStartTls::when_offered));
        talk.hear("220 mx\r\n");
        std::string said = talk.hear(offered ? "250-mx\r\n250 STARTTLS\r\n" : "250-mx\r\n250 STARTTLSX\r\n");
        if (offered) said = talk.hear("454 4.7.0 not now\r\n");
        EXPECT_EQ(said, required ? "QUIT\r\n" : "");
        EXPECT_EQ(talk.ready, !required);
        if (!required) continue;
        talk.hear("221 bye\r\n");
        ASSERT_TRUE(talk.end && talk.end->failure);
        EXPECT_EQ(talk.end->failure->status, (EnhancedStatus{4, 7, 4}));
        EXPECT_EQ(talk.end->failure->fate, Fate::deferred);
        EXPECT_EQ(talk.end->failure->detail,
                  offered ? "TLS is required, and STARTTLS was refused" : "TLS is required, and STARTTLS was not offered");
      }
    }
  });
}

TEST(ClientSession, STARTTLS_offered_inside_TLS_is_left_alone) {
  Talk talk(kWhole);
  talk.greet({"STARTTLS"});
  EXPECT_EQ(talk.send(), kMail);
}

TEST(ClientSession, octets_behind_the_reply_to_STARTTLS_end_it) {
  for (const std::string_view behind : {"2", "250 injected\r\n", "\x16\x03\x03"}) {
    for (const bool together : {false, true}) {
      Talk talk(kWhole, Talk::plain(ClientStartTls::when_offered));
      talk.hear("220 mx\r\n");
      talk.hear("250-mx\r\n250 STARTTLS\r\n");
      if (together) {
        talk.hear("220 go\r\n" + std::string(behind));
        EXPECT_FALSE(talk.begins_tls);
      } else {
        talk.hear("220 go\r\n");
        talk.hear(behind);
      }
      ASSERT_TRUE(talk.end && talk.end->failure);
      EXPECT_EQ(talk.end->failure->detail, "octets behind the reply to STARTTLS");
      EXPECT_EQ(talk.said(), "");
    }
  }
}

TEST(ClientSession, a_reply_that_comes_with_the_one_before_it_answers_nothing) {
  // Each stage's reply, and one more in the same segment.
  for (int stage = 0; stage < 4; ++stage) {
    for (const std::string_view extra : {"250 ok\r\n", "354 go\r\n", "2"}) {
      Talk talk(kWhole);
      talk.greet();
      talk.send();
      for (int i = 0; i < stage; ++i) talk.hear(kGood.at(static_cast<std::size_t>(i)));
      const bool over = stage == 3;
      EXPECT_EQ(talk.hear(std::string(kGood.at(static_cast<std::size_t>(stage))) + std::string(extra)), "") << stage << extra;
      EXPECT_EQ(talk.outcomes.at(0).fate, over ? Fate::delivered : Fate::deferred) << stage << extra;
      if (over && extra == "2") {  // it may yet become a 421
        talk.send();
        EXPECT_EQ(talk.outcomes.at(0).fate, Fate::deferred);
      }
      EXPECT_TRUE(talk.end) << stage << extra;
    }
  }
}

TEST(ClientSession, a_421_that_nobody_asked_for_ends_a_session_that_waits) {
  every_way([](Division division) {
    Talk talk(division);
    talk.greet();
    EXPECT_EQ(talk.hear("421 4.4.2 idle for too long\r\n"), "");
    ASSERT_TRUE(talk.end && talk.end->failure);
    EXPECT_EQ(talk.end->failure->reply.line(), "421 4.4.2 idle for too long");
    EXPECT_EQ(talk.send(), "");
    EXPECT_EQ(talk.outcomes.at(0).fate, Fate::deferred);
    EXPECT_EQ(talk.quit(), "");
  });
}

TEST(ClientSession, endless_lines_and_endless_replies_end_it) {
  for (const bool many : {false, true}) {
    Talk talk(kWhole);
    talk.greet();
    talk.send();
    for (int i = 0; i < 1000 && !talk.end; ++i) talk.hear(many ? "250-more\r\n" : "25025025025025025025");
    ASSERT_TRUE(talk.end && talk.end->failure);
    EXPECT_EQ(talk.outcomes.at(0).fate, Fate::deferred);
    const std::string& detail = talk.outcomes.at(0).detail;
    EXPECT_TRUE(detail.starts_with(many ? "the reply has too many lines while waiting for the reply to MAIL: \"250-more\""
                                        : "a line of the reply is too long while waiting for the reply to MAIL: \"2502502"))
        << detail;
  }
}

TEST(ClientSession, every_wait_has_its_time_out) {
  struct Wait {
    std::vector<std::string_view> replies;
    Duration time;
    std::string detail;
  };
  const std::vector<Wait> waits = {
      {{}, 5min, "timed out while waiting for the greeting"},
      {{"220 mx\r\n"}, 5min, "timed out while waiting for the reply to EHLO"},
      {{"220 mx\r\n", "250 mx\r\n"}, 5min, "timed out while waiting for the reply to MAIL"},
      {{"220 mx\r\n", "250 mx\r\n", "250 ok\r\n"}, 5min, "timed out while waiting for the reply to RCPT"},
      {{"220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "250 ok\r\n"}, 2min, "timed out while waiting for the reply to DATA"},
      {{"220 mx\r\n", "250 mx\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"}, 10min,
       "timed out while waiting for the reply to the end of mail data"},
  };
  for (const Wait& wait : waits) {
    Talk talk(kWhole, Talk::plain(ClientStartTls::never));
    for (const std::string_view reply : wait.replies) {
      talk.now += 1min;
      talk.hear(reply);
      if (talk.ready) talk.send();
    }
    talk.hear("2");  // less than a reply buys no time
    ASSERT_EQ(talk.session->deadline(), talk.now + wait.time) << wait.detail;
    talk.now += wait.time - 1ms;
    talk.session->expire(talk.now);
    talk.work();
    EXPECT_FALSE(talk.end);
    talk.now += 1ms;
    talk.session->expire(talk.now);
    talk.work();
    ASSERT_TRUE(talk.end && talk.end->failure);
    EXPECT_EQ(talk.end->failure->detail, wait.detail);
    EXPECT_EQ(talk.session->deadline(), std::nullopt);
    EXPECT_EQ(talk.messages, wait.replies.size() >= 2 ? 1 : 0);
  }
}

TEST(ClientSession, QUIT_ends_it_whatever_is_answered) {
  for (const std::string_view reply : {"221 bye\r\n", "500 what?\r\n", "garbage\r\n", ""}) {
    Talk talk(kWhole);
    talk.greet();
    EXPECT_EQ(talk.quit(), "QUIT\r\n");
    if (reply.empty()) {
      talk.session->expire(talk.now + 30s);
      talk.work();
    } else {
      talk.hear(reply);
    }
    ASSERT_TRUE(talk.end) << reply;
    EXPECT_FALSE(talk.end->failure);
  }
}

}  // namespace
}  // namespace adieu::test
