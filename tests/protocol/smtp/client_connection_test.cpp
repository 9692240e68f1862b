// The layers of a client connection over a TLS layer without cryptography: what a next hop may do while ours is on its way out. R4, R8, R16.
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
    for (const std::string& heard :
         {std::string("220 next.example\r\n"), std::string("250-next.example\r\n250 STARTTLS\r\n"), std::string("220 go\r\n"),
          FakeChannel::hello(), FakeChannel::data("250-next.example\r\n250 PIPELINING\r\n")}) {
      flush();
      hear(heard);
    }
    EXPECT_TRUE(std::holds_alternative<Ready>(last));
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

  SeenChannels channels;
  ClientConnectionProfile profile;
  std::unique_ptr<ClientConnection> connection;
  ClientConnectionAction last;
  std::vector<tls::LayerEnd> ends;
  Instant now{};
};

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

}  // namespace
}  // namespace adieu::test
