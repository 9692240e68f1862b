// A next hop that misbehaves, in every way and at every stage: no message is lost, none is called delivered that was not
// acknowledged, none is tried again that was, every connection ends, and the words tell what happened. R8, R14 to R16;
// CVE-2011-0411 and its kin from the client's side.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "daemon/next_hop.h"

namespace adieu::test {
namespace {
using namespace std::chrono_literals;

using smtp::ClientStartTls;
using smtp::Fate;
using tls::Effect;
using tls::Ending;
using Then = Move::Then;

std::string good_reply(Stage stage) {
  switch (stage) {
    case Stage::greeting:
    case Stage::starttls: return "220 2.0.0 go\r\n";
    case Stage::hello: return "250-next.example\r\n250 STARTTLS\r\n";
    case Stage::secure_hello: return "250-next.example\r\n250 PIPELINING\r\n";
    case Stage::mail:
    case Stage::recipient:
    case Stage::message: return "250 2.0.0 ok\r\n";
    case Stage::data: return "354 go\r\n";
    case Stage::quit: return "221 2.0.0 bye\r\n";
  }
  return "";
}

struct Misbehaviour {
  std::string name;
  Move move;
};
std::vector<Misbehaviour> misbehaviours(Stage stage) {
  const std::string good = good_reply(stage);
  const std::string half = good.substr(0, good.size() - 4);
  const std::string rest = good.substr(half.size());
  std::string endless;
  for (int i = 0; i < 5000; ++i) endless += "250-more\r\n";
  return {
      {"says nothing", {"", Then::silence}},
      {"FIN", {"", Then::fin}},
      {"RST", {"", Then::rst}},
      {"close_notify", {"", Then::close_notify}},
      {"421", {"421 4.3.2 shutting down\r\n"}},
      {"421, FIN", {"421 4.3.2 shutting down\r\n", Then::fin}},
      {"421, close_notify", {"421 4.3.2 shutting down\r\n", Then::close_notify}},
      {"4xx", {"450 4.7.1 later\r\n"}},
      {"5xx", {"554 5.7.1 never\r\n"}},
      {"5xx, FIN", {"554 5.7.1 never\r\n", Then::fin}},
      {"3xx", {stage == Stage::data ? "334 what?\r\n" : "354 go\r\n"}},
      {"2xx", {"250 2.0.0 ok\r\n"}},
      {"garbage", {"HTTP/1.1 400 Bad Request\r\n"}},
      {"a bare LF", {half + "\n"}},
      {"a bare LF, FIN", {half + "\n", Then::fin}},
      {"half a reply", {half, Then::silence}},
      {"half a reply, FIN", {half, Then::fin}},
      {"half a reply, RST", {half, Then::rst}},
      {"half a reply, close_notify", {half, Then::close_notify}},
      {"half a reply, close_notify, the rest in plaintext", {half, Then::close_notify, rest}},
      {"close_notify, the reply in plaintext", {"", Then::close_notify, good}},
      {"the reply, close_notify", {good, Then::close_notify}},
      {"the reply, close_notify, more in plaintext", {good, Then::close_notify, "250 2.0.0 ok\r\n"}},
      {"the reply, FIN", {good, Then::fin}},
      {"the reply, RST", {good, Then::rst}},
      {"the reply twice", {good + good}},
      {"the reply, and half of another", {good + half}},
      {"the reply, and plaintext behind it", {good, Then::goes_on, "250 2.0.0 ok\r\n"}},
      {"a line without end", {std::string(300'000, '2')}},
      {"a reply without end", {endless}},
  };
}

struct Setting {
  bool pipelining, chunking, lmtp;
  ClientStartTls starttls;
  bool offers_tls;
};
constexpr std::array kSettings = {
    Setting{false, false, false, ClientStartTls::required, true},
    Setting{true, false, false, ClientStartTls::required, true},
    Setting{true, true, false, ClientStartTls::required, true},
    Setting{true, false, true, ClientStartTls::required, true},
    Setting{true, false, false, ClientStartTls::when_offered, true},
    Setting{false, false, false, ClientStartTls::when_offered, false},
    Setting{true, true, false, ClientStartTls::never, true},
    Setting{true, false, true, ClientStartTls::never, true},
    Setting{true, false, false, ClientStartTls::required, false},
};

/// How many octets arrive at once, and whether the next hop refuses the message in the end: then nothing that it said before may
/// have passed for a 250.
struct Wire {
  std::size_t segment;
  bool refuses;
};
constexpr std::array kWires = {Wire{~std::size_t{0}, false}, Wire{997, false}, Wire{~std::size_t{0}, true}};

class NextHopMisbehaves : public testing::TestWithParam<std::string> {
 protected:
  static void judge(const NextHop& hop, const Attempt& attempt, std::size_t recipients, const Setting& setting) {
    ASSERT_TRUE(attempt.closed) << "the connection does not end";
    EXPECT_LT(attempt.now, Instant{} + 40min);
    if (attempt.sent == 0) {
      EXPECT_TRUE(attempt.told.empty());
      ASSERT_TRUE(attempt.closed->failure);
      EXPECT_EQ(attempt.closed->failure->fate, Fate::deferred);
      EXPECT_NE(attempt.closed->failure->detail + attempt.closed->failure->reply.text, "");
    } else {
      ASSERT_EQ(attempt.told.size(), 1u);
      ASSERT_EQ(attempt.told.front().size(), recipients);
      std::vector<const Answered*> replies;
      for (const Answered& each : hop.answered) {
        if (each.stage == Stage::message && !hop.taken.empty()) replies.push_back(&each);
      }
      for (std::size_t i = 0; i < recipients; ++i) {
        const smtp::Outcome& outcome = attempt.told.front()[i];
        const std::size_t reply = hop.lmtp ? i : 0;
        const bool acknowledged = reply < replies.size() && replies[reply]->acknowledges;
        const bool known = acknowledged && replies[reply]->in_step && attempt.has_read(*replies[reply]);
        // A flight with BDAT has nothing like 354 to fall out of step at: who says 2xx once too often in it has said it of the
        // message. So has one who answers LMTP's end of mail data for more recipients than it meant.
        const bool believed = !hop.in_step() && (setting.chunking || (setting.lmtp && !hop.taken.empty()));
        EXPECT_FALSE(outcome.fate == Fate::delivered && !acknowledged && !believed) << "false delivery";
        EXPECT_FALSE(outcome.fate != Fate::delivered && known) << "tried again: " << attempt.why();
        EXPECT_TRUE(outcome.fate == Fate::delivered || outcome.detail.size() > 10 || outcome.reply.text.size() > 4);
        EXPECT_TRUE(outcome.fate != Fate::failed || outcome.reply.code == 554) << attempt.why();
        EXPECT_TRUE(outcome.fate == Fate::delivered || outcome.may_have_arrived || outcome.reply.code != 0 || hop.taken.empty());
      }
    }
    EXPECT_TRUE(setting.starttls != ClientStartTls::required || hop.in_plaintext.find("MAIL") == std::string::npos);
    EXPECT_TRUE(setting.starttls != ClientStartTls::never || !hop.secure());
    EXPECT_LE(attempt.ends.size(), 1u);
    if (attempt.ends.size() != 1) return;
    const tls::LayerEnd& end = attempt.ends.front();
    const bool said = end.ending == Ending::mutual || end.ending == Ending::unanswered || end.ending == Ending::injected;
    EXPECT_EQ(hop.heard_close_notify, said) << name(end.ending);
  }
};

TEST_P(NextHopMisbehaves, R14_R15_in_every_way_at_every_stage_and_nothing_is_lost_or_told_falsely) {
  int cases = 0, delivered = 0;
  for (const Setting& setting : kSettings) {
    for (const Stage stage : kStages) {
      for (const Misbehaviour& way : misbehaviours(stage)) {
        for (const auto& [segment, refuses] : kWires) {
          if (refuses && (stage >= Stage::message || setting.chunking)) continue;
          NextHop hop(GetParam());
          hop.pipelining = setting.pipelining;
          hop.chunking = setting.chunking;
          hop.lmtp = setting.lmtp;
          hop.offers_tls = setting.offers_tls;
          if (refuses) hop.moves[Stage::message] = {"554 5.6.0 not this one\r\n"};
          hop.moves[stage] = way.move;
          Attempt attempt(hop, GetParam(), setting.starttls);
          attempt.segment = segment;
          const std::size_t recipients = setting.lmtp ? 2 : 1;
          attempt.run(1, recipients);
          SCOPED_TRACE(std::string(name(stage)) + ": " + way.name + (setting.pipelining ? ", PIPELINING" : "") +
                       (setting.chunking ? ", CHUNKING" : "") + (setting.lmtp ? ", LMTP" : "") + ", STARTTLS " +
                       std::to_string(static_cast<int>(setting.starttls)) + (setting.offers_tls ? " offered" : ""));
          judge(hop, attempt, recipients, setting);
          ++cases;
          delivered += !attempt.told.empty() && attempt.told.front().front().fate == Fate::delivered;
        }
      }
    }
  }
  std::cout << GetParam() << ": " << cases << " misbehaviours, " << delivered << " deliveries\n";
  EXPECT_GT(delivered, 500);
  EXPECT_GT(cases - delivered, 2000);
}

struct Told {
  Stage stage;
  Move move;
  std::string words;      // of the log
  Ending ending;          // of the TLS layer; `mutual` also where there was none
  Effect effect;
};

TEST_P(NextHopMisbehaves, and_the_words_and_the_record_tell_what_happened) {
  const std::string lost = "TLS ended without close_notify while waiting for the reply to ";
  const std::string cut = "the next hop ended TLS while waiting for the reply to ";
  const std::vector<Told> all = {
      {Stage::greeting, {"", Then::silence}, "4.4.2 timed out while waiting for the greeting", Ending::mutual, Effect::none},
      {Stage::greeting, {"", Then::fin},
       "4.4.2 the next hop closed the connection while waiting for the greeting", Ending::mutual, Effect::none},
      {Stage::greeting, {"", Then::rst},
       "4.4.2 the next hop reset the connection while waiting for the greeting", Ending::mutual, Effect::none},
      {Stage::greeting, {"554 5.7.1 listed\r\n"},
       "4.7.1 refused in the greeting | 554 5.7.1 listed", Ending::mutual, Effect::none},
      {Stage::hello, {"421 4.3.2 bye\r\n"}, "4.3.2  | 421 4.3.2 bye", Ending::mutual, Effect::none},
      {Stage::hello, {"250 next.example\r\n"},
       "4.7.4 TLS is required, and STARTTLS was not offered", Ending::mutual, Effect::none},
      {Stage::starttls, {"454 4.7.0 no\r\n"},
       "4.7.4 TLS is required, and STARTTLS was refused | 454 4.7.0 no", Ending::mutual, Effect::none},
      {Stage::starttls, {"220 go\r\n250 injected\r\n"},
       "4.7.0 octets behind the reply to STARTTLS", Ending::mutual, Effect::none},
      {Stage::secure_hello, {"", Then::fin}, "4.4.2 " + lost + "EHLO", Ending::fin, Effect::none},
      {Stage::secure_hello, {"554 5.7.1 no\r\n", Then::silence},
       "4.4.2 timed out while waiting for the reply to EHLO", Ending::unanswered, Effect::none},
      {Stage::mail, {"HTTP/1.1 400\r\n"},
       "4.5.0 not an SMTP reply while waiting for the reply to MAIL: \"HTTP/1.1 400\"", Ending::mutual, Effect::rolled_back},
      {Stage::mail, {"250 a\r\n250 b\r\n250 c\r\n250 d\r\n"},
       "4.5.0 250 makes no sense as the reply to DATA | 250 c", Ending::mutual, Effect::rolled_back},
      {Stage::recipient, {"421 4.3.2 bye\r\n", Then::close_notify},
       "4.3.2  | 421 4.3.2 bye", Ending::mutual, Effect::rolled_back},
      {Stage::recipient, {"", Then::rst}, "4.4.2 " + lost + "RCPT", Ending::rst, Effect::rolled_back},
      {Stage::data, {"250 ok\r\n"},
       "4.5.0 250 makes no sense as the reply to DATA | 250 ok", Ending::mutual, Effect::rolled_back},
      {Stage::data, {"354 go\r\n250 stored\r\n"},
       "4.5.0 a reply came unasked: 250 | 250 stored", Ending::mutual, Effect::rolled_back},
      {Stage::message, {"250 2.0.0 stored", Then::fin},
       "4.4.2 " + lost + "the end of mail data", Ending::fin, Effect::rolled_back},
      {Stage::message, {"250 2.0.0 sto", Then::close_notify},
       "4.4.2 " + cut + "the end of mail data", Ending::mutual, Effect::rolled_back},
      {Stage::message, {"", Then::close_notify, "250 2.0.0 stored\r\n"},
       "4.4.2 " + cut + "the end of mail data", Ending::injected, Effect::rolled_back},
      {Stage::message, {"250-2.0.0 sto", Then::goes_on, "red\r\n250 ok\r\n"},
       "4.4.2 " + lost + "the end of mail data", Ending::corrupt, Effect::rolled_back},
      {Stage::message, {"", Then::silence},
       "4.4.2 timed out while waiting for the reply to the end of mail data", Ending::unanswered, Effect::rolled_back},
      {Stage::message, {"250 2.0.0 stored\r\n", Then::close_notify}, "2.0.0  | 250 2.0.0 stored", Ending::mutual, Effect::none},
      {Stage::message, {"250 2.0.0 stored\r\n421 4.3.2 bye\r\n"}, "2.0.0  | 250 2.0.0 stored", Ending::mutual, Effect::none},
      {Stage::message, {"250 2.0.0 stored\r\n", Then::fin}, "2.0.0  | 250 2.0.0 stored", Ending::fin, Effect::after_quit},
      {Stage::message, {"250 2.0.0 stored\r\n", Then::rst}, "2.0.0  | 250 2.0.0 stored", Ending::rst, Effect::after_quit},
      {Stage::quit, {"", Then::silence}, "2.0.0  | 250 2.0.0 stored", Ending::unanswered, Effect::after_quit},
      {Stage::quit, {"", Then::fin}, "2.0.0  | 250 2.0.0 stored", Ending::fin, Effect::after_quit},
      {Stage::quit, {"221 bye\r\n", Then::fin}, "2.0.0  | 250 2.0.0 stored", Ending::unanswered, Effect::after_quit},
      {Stage::quit, {"221 bye\r\n", Then::close_notify}, "2.0.0  | 250 2.0.0 stored", Ending::mutual, Effect::after_quit},
  };
  for (const Told& one : all) {
    SCOPED_TRACE(std::string(name(one.stage)) + ": " + one.move.said);
    NextHop hop(GetParam());
    hop.moves[one.stage] = one.move;
    Attempt attempt(hop, GetParam());
    attempt.run();
    EXPECT_EQ(attempt.why(), one.words);
    ASSERT_EQ(attempt.ends.size(), one.stage > Stage::starttls ? 1u : 0u);
    if (attempt.ends.empty()) continue;
    EXPECT_EQ(name(attempt.ends[0].ending), name(one.ending));
    EXPECT_EQ(name(attempt.ends[0].effect), name(one.effect));
  }
}

TEST_P(NextHopMisbehaves, plaintext_where_the_handshake_is_due_ends_it_before_anything_is_said) {
  const std::string close_notify("\x15\x03\x03\x00\x02\x01\x00", 7);  // R1: unauthenticated, it means nothing
  for (const std::string& injected : {std::string("250-next.example\r\n250 PIPELINING\r\n"), close_notify}) {
    NextHop hop(GetParam());
    hop.moves[Stage::starttls] = {"220 go\r\n", Then::silence};
    Attempt attempt(hop, GetParam());
    bool said = false;
    attempt.between = [&] {
      if (attempt.handshakes() && !std::exchange(said, true)) hop.say(injected);
    };
    attempt.run();
    ASSERT_TRUE(said);
    ASSERT_TRUE(attempt.closed && attempt.closed->failure);
    EXPECT_TRUE(attempt.closed->tls_failed);
    EXPECT_EQ(attempt.sent, 0);
    EXPECT_EQ(attempt.closed->failure->detail.substr(0, 22), "TLS handshake failed: ");
    ASSERT_EQ(attempt.ends.size(), 1u);
    EXPECT_EQ(attempt.ends[0].ending, Ending::handshake);
    EXPECT_EQ(attempt.ends[0].effect, Effect::none);
  }
}

TEST_P(NextHopMisbehaves, R14_a_250_that_comes_before_the_end_of_mail_data_is_on_the_wire_is_none) {
  NextHop hop(GetParam());
  Attempt attempt(hop, GetParam());
  attempt.room = 30;  // octets of the client that are taken at a time: less than the record of the mail data
  int heard = 0;
  attempt.between = [&] {
    if (hop.answered.back().stage == Stage::data && ++heard == 2) hop.say("250 2.0.0 stored\r\n");
  };
  attempt.run();
  ASSERT_GE(heard, 2);
  EXPECT_EQ(attempt.told.at(0).at(0).fate, Fate::deferred);
  EXPECT_TRUE(attempt.told.at(0).at(0).may_have_arrived);
  EXPECT_EQ(attempt.why(), "4.5.0 250 makes no sense as the reply to the end of mail data | 250 2.0.0 stored");
}

TEST_P(NextHopMisbehaves, what_was_offered_outside_TLS_is_forgotten_inside) {
  NextHop hop(GetParam());
  hop.moves[Stage::hello] = {"250-next.example\r\n250-CHUNKING\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 SIZE 1\r\n"};
  hop.moves[Stage::secure_hello] = {"250-next.example\r\n250 STARTTLS\r\n"};
  Attempt attempt(hop, GetParam());
  attempt.run();
  EXPECT_EQ(attempt.told.at(0).at(0).fate, Fate::delivered);
  EXPECT_EQ(hop.taken.at(0), Attempt::kMailData);
  std::vector<Stage> stages;
  for (const Answered& each : hop.answered) stages.push_back(each.stage);
  EXPECT_EQ(stages, std::vector<Stage>(kStages.begin(), kStages.end())) << "no BDAT, no second STARTTLS, one command at a time";
}

TEST_P(NextHopMisbehaves, R16_a_connection_ends_with_QUIT_its_reply_our_close_notify_and_theirs) {
  NextHop hop(GetParam());
  Attempt attempt(hop, GetParam());
  attempt.between = [&] { EXPECT_TRUE(!hop.heard_close_notify || hop.answered.back().stage == Stage::quit); };
  attempt.run(3);
  EXPECT_EQ(attempt.told.size(), 3u);
  EXPECT_TRUE(hop.heard_close_notify);
  EXPECT_EQ(attempt.now, Instant{});
  EXPECT_FALSE(attempt.closed.value().failure);
  EXPECT_EQ(attempt.ends.at(0).ending, Ending::mutual);
  EXPECT_EQ(attempt.ends.at(0).effect, Effect::after_quit);
  EXPECT_EQ(attempt.ends.at(0).transactions, 3u);
}

TEST_P(NextHopMisbehaves, R16_their_close_notify_is_waited_for_and_not_for_ever) {
  NextHop hop(GetParam());
  hop.moves[Stage::quit] = {"221 2.0.0 bye\r\n", Then::silence};
  Attempt attempt(hop, GetParam());
  attempt.run();
  EXPECT_TRUE(hop.heard_close_notify);
  EXPECT_EQ(attempt.now, Instant{} + attempt.profile.close_notify_timeout);
  EXPECT_FALSE(attempt.closed.value().failure);
}

TEST_P(NextHopMisbehaves, R16_a_connection_that_waits_for_a_message_answers_close_notify_and_ends) {
  struct Idle {
    std::string said, behind;
    bool close_notify;
    Ending ending;
    std::string words;
  };
  for (const Idle& one : {Idle{"", "", true, Ending::mutual, "the next hop ended TLS while nothing was asked"},
                          Idle{"421 4.4.2 idle\r\n", "", true, Ending::mutual, ""},
                          Idle{"", "250 injected\r\n", true, Ending::injected, "the next hop ended TLS while nothing was asked"},
                          Idle{"", "", false, Ending::fin, "TLS ended without close_notify while nothing was asked"},
                          Idle{"250 ok\r\n", "", true, Ending::mutual, "a reply came unasked: 250"}}) {
    NextHop hop(GetParam());
    Attempt attempt(hop, GetParam());
    attempt.waits = true;
    attempt.run();
    ASSERT_FALSE(attempt.closed);
    if (!one.said.empty()) hop.say(one.said);
    if (one.close_notify) hop.close();
    hop.out += one.behind;
    hop.ends_with_fin = true;
    attempt.go_on();
    ASSERT_TRUE(attempt.closed && attempt.closed->failure);
    EXPECT_EQ(attempt.closed->failure->detail, one.words);
    EXPECT_EQ(attempt.told.at(0).at(0).fate, Fate::delivered);
    EXPECT_EQ(name(attempt.ends.at(0).ending), name(one.ending));
    EXPECT_EQ(attempt.ends.at(0).effect, Effect::none);
    EXPECT_EQ(hop.heard_close_notify, one.close_notify);
  }
}

TEST_P(NextHopMisbehaves, R7_R16_mail_data_that_cannot_be_read_costs_the_message_its_attempt_and_the_layer_ends_in_order) {
  for (const bool chunking : {false, true}) {
    NextHop hop(GetParam());
    hop.chunking = chunking;
    Attempt attempt(hop, GetParam());
    attempt.loses_mail_data = true;
    attempt.run();
    EXPECT_EQ(attempt.why(), "4.4.2 the disk is gone while sending mail data");
    EXPECT_EQ(attempt.told.at(0).at(0).fate, Fate::deferred);
    EXPECT_FALSE(attempt.told.at(0).at(0).may_have_arrived);
    EXPECT_TRUE(hop.taken.empty());
    EXPECT_TRUE(hop.heard_close_notify);
    EXPECT_TRUE(attempt.closed);
    EXPECT_EQ(attempt.now, Instant{});
    ASSERT_EQ(attempt.ends.size(), 1u);
    EXPECT_EQ(attempt.ends[0].ending, Ending::mutual);
    EXPECT_EQ(attempt.ends[0].effect, Effect::rolled_back);
  }
}

TEST_P(NextHopMisbehaves, a_connection_in_plaintext_ends_where_mail_data_cannot_be_read) {
  NextHop hop(GetParam());
  Attempt attempt(hop, GetParam(), ClientStartTls::never);
  attempt.loses_mail_data = true;
  attempt.run();
  EXPECT_EQ(attempt.why(), "4.4.2 the disk is gone while sending mail data");
  EXPECT_TRUE(hop.taken.empty());
  EXPECT_TRUE(attempt.closed);
}

TEST_P(NextHopMisbehaves, R16_a_message_that_meets_a_connection_which_has_begun_to_end_is_not_sent) {
  for (const bool said_421 : {true, false}) {
    NextHop hop(GetParam());
    Attempt attempt(hop, GetParam());
    attempt.waits = true;
    attempt.run(1, 2);
    const std::size_t before = hop.out.size();
    hop.say(said_421 ? "421 4.3.2 bye\r\n" : "250 2.0.0 what?\r\n");
    smtp::ClientConnection& connection = *attempt.connection;
    connection.receive(hop.out.substr(before), attempt.now);
    ASSERT_TRUE(std::holds_alternative<std::monostate>(connection.next_action(attempt.now)));
    const std::string close_notify(connection.output());
    EXPECT_NE(close_notify, "");
    for (const bool is_written : {false, true}) {
      connection.send(attempt.message(), attempt.now);
      const auto action = connection.next_action(attempt.now);
      const auto* finished = std::get_if<smtp::Finished>(&action);
      ASSERT_NE(finished, nullptr);
      ASSERT_EQ(finished->outcomes.size(), 2u);
      for (const smtp::Outcome& outcome : finished->outcomes) {
        EXPECT_EQ(outcome.fate, Fate::deferred);
        EXPECT_EQ(outcome.reply.code, said_421 ? 421 : 250);
        EXPECT_FALSE(outcome.may_have_arrived);
      }
      if (is_written) continue;
      EXPECT_EQ(connection.output(), close_notify);
      connection.sent(close_notify.size(), attempt.now);
    }
    EXPECT_EQ(connection.output(), "");
    connection.expire(*connection.deadline());
    EXPECT_TRUE(std::holds_alternative<smtp::ClientClosed>(connection.next_action(attempt.now)));
    const auto ends = connection.take_layer_ends();
    EXPECT_EQ(ends.at(0).ending, Ending::unanswered);
    EXPECT_EQ(ends.at(0).effect, Effect::none);
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, NextHopMisbehaves, testing::Values("TLS1.2", "TLS1.3"),
                         [](const auto& one) { return one.param == "TLS1.2" ? "tls12" : "tls13"; });

}  // namespace
}  // namespace adieu::test
