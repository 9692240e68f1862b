// The layers of a client connection over a TLS layer without cryptography: what a next hop may do while ours is on its way out, or while
// the connection waits for a message. R4, R8, R16, R17.
#include "adieu/protocol/smtp/client_connection.h"

#include <gtest/gtest.h>

#include "support/fake_channel.h"

namespace adieu::test {
namespace {
using namespace std::chrono_literals;
using namespace smtp;

/// Channels whose last one a test may look into.
class SeenChannels final : public tls::ChannelFactory {
 public:
  std::unique_ptr<tls::Channel> make() override {
    auto channel = std::make_unique<FakeChannel>(FakeChannel::Role::client);
    last = channel.get();
    return channel;
  }
  const FakeChannel* last = nullptr;
};

/// A connection that a next hop has let come up to Ready inside TLS; the test speaks for the next hop from there.
struct ClientConnectionTest : testing::Test {
  ClientConnectionTest() {
    profile.session.hostname = "client.example";
    profile.starttls = ClientStartTls::required;
    profile.channels = &channels;
    connection = std::make_unique<ClientConnection>(profile, now);
    hear("220 next.example\r\n");
    come_up();
    EXPECT_TRUE(std::holds_alternative<Ready>(last));
  }
  /// From EHLO in plaintext to what comes of the reply to EHLO inside TLS; the commands.
  std::string come_up() {
    std::string said;
    for (const std::string& heard : {std::string("250-next.example\r\n250 STARTTLS\r\n"), std::string("220 go\r\n"), FakeChannel::hello(),
                                     FakeChannel::data("250-next.example\r\n250-PIPELINING\r\n250 " + keyword + "\r\n")}) {
      const std::string out = flush();
      if (out.ends_with("\r\n")) said += out;
      hear(heard);
    }
    return said;
  }
  void send() {
    OutgoingMessage message;
    message.envelope.reverse_path = {"a", "example.org"};
    message.envelope.forward_paths = {{"b", "example.net"}};
    message.size = 20;
    connection->send(std::move(message), now);
    work();
  }
  /// The one outcome of the message sent last.
  Outcome outcome() const {
    const auto* finished = std::get_if<Finished>(&last);
    return finished != nullptr ? finished->outcomes.at(0) : Outcome{.fate = Fate::delivered, .reply = {}, .status = {}, .detail = "none was told"};
  }
  /// What becomes of it; what there is to do for the shell is not done.
  void hear(Octets octets) {
    connection->receive(octets, now);
    work();
  }
  void work() {
    last = connection->next_action(now);
    for (tls::LayerEnd& end : connection->take_layer_ends()) {
      if (end.secure) ends.push_back(std::move(end));
    }
  }
  std::string flush() {
    std::string all;
    while (!connection->output().empty()) {
      all += connection->output();
      connection->sent(connection->output().size(), now);
      work();
    }
    return all;
  }
  bool is_closed() const { return std::holds_alternative<ClientClosed>(last); }

  std::string keyword = "XTLSRETURN";  // what the next hop offers inside TLS
  SeenChannels channels;
  ClientConnectionProfile profile;
  std::unique_ptr<ClientConnection> connection;
  ClientConnectionAction last;
  std::vector<tls::LayerEnd> ends;
  Instant now{};
};

TEST_F(ClientConnectionTest, R8_the_alert_goes_where_the_layer_breaks_while_nothing_waits) {
  hear(FakeChannel::garbage());
  EXPECT_EQ(FakeChannel::types_of(connection->output()), "A");
  flush();
  EXPECT_TRUE(is_closed());
}

TEST_F(ClientConnectionTest, R8_the_alert_goes_behind_commands_that_wait) {
  send();
  ASSERT_EQ(FakeChannel::types_of(connection->output()), "D");
  hear(FakeChannel::garbage());
  EXPECT_EQ(outcome().fate, Fate::deferred);
  EXPECT_EQ(FakeChannel::types_of(connection->output()), "DA");
}

TEST_F(ClientConnectionTest, R8_R14_the_end_of_a_message_does_not_go_behind_the_break_nor_the_alert_that_would_have_to_follow_it) {
  send();
  flush();
  hear(FakeChannel::data("250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go\r\n"));
  ASSERT_TRUE(std::holds_alternative<WantsMailData>(last));
  connection->supply("Subject: x\r\n\r\nbody\r\n", true);
  work();
  ASSERT_EQ(FakeChannel::types_of(connection->output()), "D");
  hear(FakeChannel::garbage());
  EXPECT_EQ(outcome().fate, Fate::deferred);
  EXPECT_EQ(connection->output(), "");
}

TEST_F(ClientConnectionTest, R4_octets_behind_R_neither_pile_up_nor_put_off_the_end_while_S_finds_no_room) {
  hear(FakeChannel::close_notify() + "x");
  EXPECT_EQ(FakeChannel::types_of(connection->output()), "C");
  const Instant end = now + profile.close_notify_timeout;
  for (int turns = 0; turns < 4; ++turns) {
    EXPECT_EQ(connection->deadline(), Deadline(end));
    now += 1200ms;
    hear(std::string(100'000, 'x'));
    hear(FakeChannel::data("250 2.0.0 stored\r\n"));
    hear(FakeChannel::close_notify());
    EXPECT_EQ(channels.last->unread(), 1u);
    EXPECT_FALSE(is_closed());
  }
  connection->receive_eof(now);
  work();
  EXPECT_FALSE(is_closed());
  now = end;
  connection->expire(now);
  work();
  EXPECT_TRUE(is_closed());
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].ending, tls::Ending::injected);
  EXPECT_EQ(ends[0].detail, "octets behind close_notify");
}

TEST_F(ClientConnectionTest, R4_octets_that_come_later_than_R_put_nothing_off_either) {
  hear(FakeChannel::close_notify());
  const Instant end = now + profile.close_notify_timeout;
  now += 4s;
  hear("x");
  EXPECT_EQ(connection->deadline(), Deadline(end));
  EXPECT_EQ(FakeChannel::types_of(flush()), "C");
  EXPECT_TRUE(is_closed());
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].ending, tls::Ending::injected);
}

TEST_F(ClientConnectionTest, R4_a_reset_behind_octets_behind_R_leaves_the_record_of_the_layer) {
  hear(FakeChannel::close_notify() + "x");
  connection->receive_reset(now);
  work();
  EXPECT_TRUE(is_closed());
  EXPECT_EQ(connection->deadline(), std::nullopt);
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].ending, tls::Ending::injected);
  EXPECT_EQ(ends[0].detail, "octets behind close_notify");
}

/// R came while the connection waited, and the next hop's policy goes on in plaintext.
struct RestingTest : ClientConnectionTest {
  RestingTest() { profile.returns_to_plaintext = true; }

  /// R, then S.
  void rest() {
    hear(FakeChannel::close_notify());
    EXPECT_EQ(FakeChannel::types_of(flush()), "C");
    ASSERT_FALSE(is_closed());
    ASSERT_EQ(ends.size(), 1u);
    EXPECT_EQ(ends[0].ending, tls::Ending::mutual);
    EXPECT_EQ(ends[0].effect, tls::Effect::none);
    EXPECT_EQ(connection->tls(), nullptr);
  }
  /// A new layer, and the message that asked for it.
  void deliver_in_new_layer() {
    send();
    EXPECT_EQ(come_up(), "EHLO client.example\r\nSTARTTLS\r\n" + FakeChannel::data("EHLO client.example\r\n"));
    EXPECT_EQ(FakeChannel::types_of(flush()), "D") << "MAIL, RCPT and DATA, inside TLS";
    hear(FakeChannel::data("250 ok\r\n250 ok\r\n354 go\r\n"));
    ASSERT_TRUE(std::holds_alternative<WantsMailData>(last));
    connection->supply("Subject: x\r\n\r\nbody\r\n", true);
    work();
    flush();
    hear(FakeChannel::data("250 2.0.0 stored\r\n"));
    EXPECT_EQ(outcome().fate, Fate::delivered);
    EXPECT_EQ(outcome().reply.code, 250);
    work();
    ASSERT_TRUE(std::holds_alternative<Ready>(last));
  }
  void expect_not_sent(std::string_view why) {
    EXPECT_EQ(outcome().fate, Fate::deferred);
    EXPECT_FALSE(outcome().may_have_arrived);
    EXPECT_EQ(outcome().reply.code, 0);
    EXPECT_EQ(outcome().detail, why);
    work();
    EXPECT_TRUE(is_closed());
    EXPECT_EQ(flush(), "");
  }
};

TEST_F(RestingTest, R16_a_connection_that_rests_is_silent_and_its_next_message_finds_a_new_layer) {
  for (int layers = 0; layers < 3; ++layers) {
    ends.clear();
    rest();
    EXPECT_EQ(connection->deadline(), std::nullopt);
    EXPECT_EQ(flush(), "");
    deliver_in_new_layer();
  }
}

TEST_F(RestingTest, R16_a_message_that_comes_before_S_is_out_waits_for_the_new_layer) {
  hear(FakeChannel::close_notify());
  send();
  EXPECT_TRUE(std::holds_alternative<std::monostate>(last));
  EXPECT_EQ(FakeChannel::types_of(connection->output()), "C");
  connection->sent(connection->output().size(), now);
  work();
  EXPECT_EQ(come_up(), "EHLO client.example\r\nSTARTTLS\r\n" + FakeChannel::data("EHLO client.example\r\n"));
  EXPECT_EQ(FakeChannel::types_of(flush()), "D");
}

TEST_F(RestingTest, R16_a_connection_that_rests_says_QUIT_in_the_clear) {
  rest();
  connection->quit(now);
  work();
  EXPECT_EQ(flush(), "QUIT\r\n");
  hear("221 2.0.0 bye\r\n");
  ASSERT_TRUE(is_closed());
  EXPECT_FALSE(std::get<ClientClosed>(last).failure);
}

TEST_F(RestingTest, R16_QUIT_before_S_is_out_ends_the_connection_behind_it) {
  hear(FakeChannel::close_notify());
  connection->quit(now);
  work();
  EXPECT_EQ(FakeChannel::types_of(flush()), "C");
  EXPECT_TRUE(is_closed());
}

TEST_F(RestingTest, R16_whatever_is_said_in_the_clear_unasked_ends_it) {
  for (const std::string& said : {std::string("250 2.0.0 stored\r\n"), std::string("421 4.3.2 bye\r\n"), FakeChannel::close_notify() + "\r\n"}) {
    struct : RestingTest {
      void TestBody() override {}
    } other;
    other.rest();
    other.hear(said);
    EXPECT_TRUE(other.is_closed()) << said;
  }
}

TEST_F(RestingTest, R16_a_message_that_meets_half_a_line_in_the_clear_is_not_sent) {
  rest();
  hear("250 2.0.0 sto");
  EXPECT_FALSE(is_closed());
  send();
  expect_not_sent("octets came unasked while nothing was asked");
}

TEST_F(RestingTest, R16_a_message_that_meets_the_end_of_a_connection_that_rests_is_not_sent) {
  rest();
  connection->receive_eof(now);
  send();
  expect_not_sent("the next hop closed the connection while nothing was asked");
}

TEST_F(RestingTest, R16_a_FIN_right_behind_R_leaves_nothing_to_go_on_with) {
  connection->receive(FakeChannel::close_notify(), now);
  connection->receive_eof(now);
  work();
  EXPECT_EQ(FakeChannel::types_of(flush()), "C");
  EXPECT_TRUE(is_closed());
  EXPECT_EQ(ends.at(0).ending, tls::Ending::mutual);
}

TEST_F(RestingTest, R4_R16_octets_right_behind_R_end_it) {
  hear(FakeChannel::close_notify() + "250 2.0.0 stored\r\n");
  flush();
  EXPECT_TRUE(is_closed());
  EXPECT_EQ(ends.at(0).ending, tls::Ending::injected);
}

TEST_F(RestingTest, R17_a_next_hop_that_takes_STARTTLS_back_gets_nothing_in_the_clear) {
  rest();
  send();
  EXPECT_EQ(flush(), "EHLO client.example\r\n");
  hear("250-next.example\r\n250 XTLSRETURN\r\n");
  EXPECT_EQ(flush(), "QUIT\r\n");
  hear("221 2.0.0 bye\r\n");
  expect_not_sent("TLS is required, and STARTTLS was not offered");
}

TEST_F(RestingTest, R17_what_the_next_hop_says_between_two_layers_is_no_reply_to_the_message) {
  rest();
  send();
  flush();
  hear("421 4.3.2 bye\r\n");
  expect_not_sent("421 4.3.2 bye");
}

TEST_F(RestingTest, R16_without_the_policy_the_connection_ends) {
  profile.returns_to_plaintext = false;
  hear(FakeChannel::close_notify());
  EXPECT_EQ(FakeChannel::types_of(flush()), "C");
  EXPECT_TRUE(is_closed());
}

TEST_F(RestingTest, R16_without_the_keyword_in_this_layer_the_connection_ends) {
  rest();
  keyword = "HELP";
  deliver_in_new_layer();
  hear(FakeChannel::close_notify());
  EXPECT_EQ(FakeChannel::types_of(flush()), "C");
  EXPECT_TRUE(is_closed());
}

TEST_F(ClientConnectionTest, R17_a_FIN_right_behind_R_between_two_layers_is_not_waited_out) {
  profile.renew_after = 1s;
  now += 2s;
  send();
  EXPECT_EQ(FakeChannel::types_of(flush()), "C");
  connection->receive(FakeChannel::close_notify(), now);
  connection->receive_eof(now);
  work();
  EXPECT_EQ(outcome().fate, Fate::deferred);
  EXPECT_EQ(outcome().detail, "the next hop did not return to plaintext in order");
  work();
  EXPECT_TRUE(is_closed());
}

}  // namespace
}  // namespace adieu::test
