// One layer over a channel without cryptography: what is the transport's and what is not, to the octet, and what its record says.
#include "adieu/protocol/tls/layer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/fake_channel.h"

namespace adieu::test {
namespace {
using namespace std::chrono_literals;
using tls::ChannelEvent;
using tls::Ending;
using tls::Event;
using tls::Layer;

constexpr std::size_t kHello = 3;  // octets of our hello, and of our close_notify

/// A layer of a server, in plaintext; the test is its session, its transport and its peer.
struct TlsLayer : testing::Test {
  void begin_tls() { layer.begin_tls(std::make_unique<FakeChannel>(FakeChannel::Role::server), now, now + 60s); }
  /// TLS up, and our hello handed over.
  void come_up() {
    begin_tls();
    layer.receive(FakeChannel::hello());
    ASSERT_EQ(step(), ChannelEvent::established);
    ASSERT_EQ(layer.sent(kHello), 0u);
  }
  void hear(Octets wire) { EXPECT_EQ(layer.receive(wire), Layer::Place::channel); }
  ChannelEvent step() {
    heard.clear();
    return layer.step(heard);
  }
  void say(Octets words) {
    said += words;
    layer.encrypt(said, said.size());
  }
  std::string output() const { return std::string(layer.output({})); }
  void flush() { said.erase(0, layer.sent(output().size())); }

  Instant now{1h};
  Layer layer{now};
  std::string said;   // the session's output
  std::string heard;  // the plaintext of the last step
};

TEST_F(TlsLayer, in_plaintext_octets_are_the_sessions_own_both_ways) {
  EXPECT_FALSE(layer.is_tls());
  EXPECT_EQ(layer.info(), nullptr);
  EXPECT_EQ(layer.receive("EHLO c\r\n"), Layer::Place::session);
  EXPECT_EQ(step(), ChannelEvent::wants_input);
  say("250 ok\r\n");
  EXPECT_EQ(layer.in_records(), 0u);
  EXPECT_EQ(layer.output(said), "250 ok\r\n");
  EXPECT_EQ(layer.sent(5), 5u);
  EXPECT_EQ(layer.octets_in(), 8u);
  EXPECT_EQ(layer.unread(), 0u);
  EXPECT_EQ(layer.deadline(), Deadline());
}

TEST_F(TlsLayer, R10_what_the_session_said_is_handed_over_with_the_last_octet_of_its_records) {
  come_up();
  const std::string first = "250 first\r\n";
  const std::string second(FakeChannel::kMaxRecord + 1, 'x');  // two records
  say(first);
  const std::size_t first_end = output().size();
  say(second);
  const std::size_t second_end = output().size();
  ASSERT_EQ(FakeChannel::types_of(output()), "DDD");
  std::size_t handed_over = 0;
  for (std::size_t taken = 1; taken <= second_end; ++taken) {
    handed_over += layer.sent(1);
    const std::size_t whole = taken < first_end ? 0 : taken < second_end ? first.size() : said.size();
    ASSERT_EQ(handed_over, whole) << taken;
    ASSERT_EQ(layer.in_records(), said.size() - whole) << taken;
  }
}

TEST_F(TlsLayer, R10_the_transport_may_take_the_output_in_two_parts_divided_anywhere) {
  for (std::size_t cut = 0;; ++cut) {
    layer = Layer(now);
    said.clear();
    come_up();
    std::vector<std::size_t> ends;
    std::vector<std::size_t> sums;
    for (const char* reply : {"250 a\r\n", "250 bb\r\n", "354 c\r\n"}) {
      say(reply);
      ends.push_back(output().size());
      sums.push_back(said.size());
    }
    if (cut > ends.back()) break;
    std::size_t whole = 0;
    for (std::size_t i = 0; i < ends.size(); ++i) whole = ends[i] <= cut ? sums[i] : whole;
    ASSERT_EQ(layer.sent(cut), whole) << cut;
    ASSERT_EQ(layer.sent(ends.back() - cut), said.size() - whole) << cut;
  }
}

TEST_F(TlsLayer, of_the_sessions_output_only_what_is_new_becomes_records_and_only_up_to_the_end_that_is_asked_for) {
  come_up();
  said = "250 ok\r\n221 bye\r\n";
  layer.encrypt(said, 8);
  layer.encrypt(said, 8);
  EXPECT_EQ(layer.in_records(), 8u);
  EXPECT_EQ(FakeChannel::plaintext_of(output()), "250 ok\r\n");
  layer.encrypt(said, said.size());
  EXPECT_EQ(FakeChannel::plaintext_of(output()), said);
  EXPECT_EQ(FakeChannel::types_of(output()), "DD");
}

TEST_F(TlsLayer, R1_nothing_but_the_handshakes_completion_leads_on) {
  begin_tls();
  EXPECT_TRUE(layer.is_tls() && layer.is_handshaking());
  EXPECT_EQ(layer.deadline(), Deadline(now + 60s));
  EXPECT_EQ(layer.info(), nullptr);
  hear(FakeChannel::close_notify());
  EXPECT_EQ(step(), ChannelEvent::broken);
  EXPECT_TRUE(layer.break_by(layer.failure().event, layer.failure().detail));
  EXPECT_TRUE(layer.is_broken() && layer.is_over());
  EXPECT_FALSE(layer.leads_to_plaintext());
  EXPECT_EQ(layer.end(now).ending, Ending::handshake);
}

TEST_F(TlsLayer, a_handshake_that_is_complete_has_no_deadline_and_tells_what_was_negotiated) {
  come_up();
  EXPECT_FALSE(layer.is_handshaking());
  EXPECT_EQ(layer.deadline(), Deadline());
  ASSERT_NE(layer.info(), nullptr);
  EXPECT_EQ(layer.info()->version, "TLS1.3");
}

TEST_F(TlsLayer, R7_S_is_out_with_its_last_octet_and_not_before) {
  come_up();
  say("221 bye\r\n");
  layer.close(now + 5s);
  ASSERT_EQ(FakeChannel::types_of(output()), "DC");
  for (std::size_t left = output().size(); left > 0; --left) {
    ASSERT_FALSE(layer.sent_close_notify()) << left;
    layer.sent(1);
  }
  EXPECT_TRUE(layer.sent_close_notify());
  EXPECT_FALSE(layer.is_over()) << "R is still to come";
  hear(FakeChannel::close_notify());
  EXPECT_EQ(step(), ChannelEvent::close_notify);
  EXPECT_TRUE(layer.is_over());
}

TEST_F(TlsLayer, R7_S_is_said_once_and_its_deadline_stands) {
  come_up();
  layer.close(now + 5s);
  layer.close(now + 9s);
  EXPECT_EQ(output(), FakeChannel::close_notify());
  EXPECT_EQ(layer.deadline(), Deadline(now + 5s));
}

TEST_F(TlsLayer, R7_S_without_R_is_unanswered) {
  come_up();
  layer.close(now + 5s);
  flush();
  EXPECT_TRUE(layer.break_by(Event::timeout, ""));
  EXPECT_EQ(layer.end(now).ending, Ending::unanswered);
  EXPECT_EQ(layer.deadline(), Deadline());
}

TEST_F(TlsLayer, R4_behind_R_and_S_comes_plaintext_that_knows_nothing_of_the_layer_and_another_layer) {
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(layer.receive("STARTTLS\r\n"), Layer::Place::session);
    come_up();
    EXPECT_EQ(layer.octets_in(), kHello);
    layer.explain("why");
    hear(FakeChannel::data("NOOP\r\n") + FakeChannel::close_notify());
    EXPECT_EQ(step(), ChannelEvent::plaintext);
    EXPECT_EQ(heard, "NOOP\r\n");
    EXPECT_FALSE(layer.received_close_notify());
    EXPECT_EQ(step(), ChannelEvent::close_notify);
    EXPECT_TRUE(layer.received_close_notify());
    EXPECT_EQ(step(), ChannelEvent::wants_input) << "behind R nothing is read";
    say("250 ok\r\n");
    layer.close(now + 5s);
    EXPECT_FALSE(layer.leads_to_plaintext());
    flush();
    EXPECT_FALSE(layer.received_close_notify());
    ASSERT_TRUE(layer.leads_to_plaintext());
    layer.begin_plaintext(now);
    EXPECT_FALSE(layer.is_tls() || layer.is_over() || layer.sent_close_notify());
    EXPECT_EQ(layer.octets_in(), 0u);
    EXPECT_EQ(layer.in_records(), 0u);
    EXPECT_EQ(layer.deadline(), Deadline());
  }
  EXPECT_EQ(layer.end(now).detail, "");
}

using TlsLayerDeathTest = TlsLayer;

TEST_F(TlsLayerDeathTest, R4_plaintext_and_another_layer_begin_only_behind_both) {
  come_up();
  EXPECT_DEATH(layer.begin_plaintext(now), "both close_notify");
  hear(FakeChannel::close_notify());
  ASSERT_EQ(step(), ChannelEvent::close_notify);
  EXPECT_DEATH(layer.begin_plaintext(now), "both close_notify");
  layer.close(now + 5s);
  flush();
  EXPECT_DEATH(begin_tls(), "begins in plaintext");
}

TEST_F(TlsLayer, R4_octets_behind_R_are_counted_neither_read_nor_kept_and_S_goes_all_the_same) {
  come_up();
  hear(FakeChannel::close_notify());
  ASSERT_EQ(step(), ChannelEvent::close_notify);
  EXPECT_EQ(layer.receive("EHLO c\r\n"), Layer::Place::behind_close_notify);
  EXPECT_EQ(layer.unread(), 0u);
  EXPECT_TRUE(layer.break_by(Event::octets_behind, "octets behind close_notify"));
  EXPECT_TRUE(layer.is_injected());
  layer.close(now + 5s);
  EXPECT_EQ(layer.receive("more"), Layer::Place::nowhere);
  EXPECT_TRUE(layer.break_by(Event::timeout, "shutdown"));
  flush();
  EXPECT_TRUE(layer.sent_close_notify() && layer.is_over());
  EXPECT_FALSE(layer.leads_to_plaintext());
  const tls::LayerEnd end = layer.end(now);
  EXPECT_EQ(end.ending, Ending::injected);
  EXPECT_EQ(end.detail, "octets behind close_notify") << "what broke it first";
  EXPECT_EQ(end.octets_in, kHello + kHello + 12);
  EXPECT_EQ(end.octets_out, kHello + kHello);
}

TEST_F(TlsLayerDeathTest, R4_octets_in_one_piece_with_R_stay_unread_and_no_plaintext_begins) {
  come_up();
  hear(FakeChannel::close_notify() + "EHLO c\r\n");
  ASSERT_EQ(step(), ChannelEvent::close_notify);
  EXPECT_EQ(layer.unread(), 8u);
  layer.close(now + 5s);
  flush();
  EXPECT_TRUE(layer.is_over());
  EXPECT_FALSE(layer.leads_to_plaintext());
  EXPECT_DEATH(layer.begin_plaintext(now), "nothing was behind");
}

TEST_F(TlsLayer, R2_a_FIN_behind_R_leaves_S_to_be_sent_and_no_plaintext_behind_it) {
  come_up();
  hear(FakeChannel::close_notify());
  ASSERT_EQ(step(), ChannelEvent::close_notify);
  layer.receive_eof();
  EXPECT_FALSE(layer.break_by(Event::fin, ""));
  layer.close(now + 5s);
  flush();
  EXPECT_TRUE(layer.is_over());
  EXPECT_FALSE(layer.is_broken() || layer.leads_to_plaintext());
  EXPECT_EQ(layer.end(now).ending, Ending::mutual);
}

TEST_F(TlsLayer, R8_our_alert_waits_where_the_channel_had_one_to_say) {
  come_up();
  say("250 ok\r\n");
  hear(FakeChannel::garbage());
  EXPECT_EQ(step(), ChannelEvent::broken);
  EXPECT_TRUE(layer.alert_waits());
  EXPECT_EQ(FakeChannel::types_of(output()), "DA");

  layer = Layer(now);
  come_up();
  say("250 ok\r\n");
  hear(FakeChannel::alert("internal_error"));
  EXPECT_EQ(step(), ChannelEvent::broken);
  EXPECT_FALSE(layer.alert_waits());
}

TEST_F(TlsLayer, R8_a_layer_that_broke_reads_no_more_and_what_is_dropped_does_not_go_out) {
  come_up();
  say("250 ok\r\n");
  hear(FakeChannel::data("NOOP\r\n"));
  layer.break_by(Event::rst, "");
  layer.wait_until(now + 5s);
  EXPECT_EQ(layer.receive(FakeChannel::data("NOOP\r\n")), Layer::Place::nowhere);
  EXPECT_EQ(step(), ChannelEvent::wants_input);
  EXPECT_EQ(layer.deadline(), Deadline(now + 5s));
  layer.drop();
  EXPECT_EQ(output(), "");
  EXPECT_EQ(layer.deadline(), Deadline());
}

TEST_F(TlsLayer, R8_the_record_has_the_name_of_what_broke_the_layer) {
  struct Break {
    Event event;
    Ending secure;
    Ending plaintext;
  };
  for (const Break& one :
       {Break{Event::fin, Ending::fin, Ending::fin}, Break{Event::rst, Ending::rst, Ending::rst},
        Break{Event::timeout, Ending::timeout, Ending::timeout}, Break{Event::octets_behind, Ending::corrupt, Ending::injected}}) {
    layer = Layer(now);
    EXPECT_TRUE(layer.break_by(one.event, "how"));
    EXPECT_FALSE(layer.is_broken()) << "plaintext has no state to break";
    EXPECT_EQ(layer.end(now).ending, one.plaintext);
    layer = Layer(now);
    come_up();
    EXPECT_TRUE(layer.break_by(one.event, "how"));
    EXPECT_EQ(layer.end(now).ending, one.secure);
  }
}

TEST_F(TlsLayer, the_record_has_the_facts_of_the_layer_and_leaves_what_it_cost_to_the_connection) {
  come_up();
  const std::string heard_wire = FakeChannel::data("MAIL\r\n");
  hear(heard_wire);
  ASSERT_EQ(step(), ChannelEvent::plaintext);
  say("250 ok\r\n");
  layer.sent(2);
  layer.explain("too many errors");
  EXPECT_TRUE(layer.break_by(Event::fin, ""));
  const tls::LayerEnd end = layer.end(now + 7s);
  EXPECT_TRUE(end.secure);
  EXPECT_EQ(end.ending, Ending::fin);
  EXPECT_EQ(end.effect, tls::Effect::none);
  EXPECT_EQ(end.detail, "too many errors");
  EXPECT_EQ(end.info.cipher, "FAKE");
  EXPECT_EQ(end.peer_name, "");
  EXPECT_EQ(end.octets_in, kHello + heard_wire.size());
  EXPECT_EQ(end.octets_out, kHello + 2);
  EXPECT_EQ(end.transactions, 0u);
  EXPECT_TRUE(end.messages.empty());
  EXPECT_EQ(end.lasted, Duration(7s));
}

TEST_F(TlsLayer, the_record_of_a_plaintext_layer_that_ended_in_order_is_mutual_and_not_secure) {
  layer.receive("QUIT\r\n");
  layer.sent(9);
  const tls::LayerEnd end = layer.end(now + 1s);
  EXPECT_FALSE(end.secure);
  EXPECT_EQ(end.ending, Ending::mutual);
  EXPECT_EQ(end.info.version, "");
  EXPECT_EQ(end.octets_in, 6u);
  EXPECT_EQ(end.octets_out, 9u);
}

}  // namespace
}  // namespace adieu::test
