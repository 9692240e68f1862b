// The fake channel keeps the contract that it stands in for: else what is tested above it proves nothing.
#include "support/fake_channel.h"

#include <gtest/gtest.h>

namespace adieu::test {
namespace {

using tls::ChannelEvent;

TEST(FakeChannel, two_of_them_shake_hands_talk_and_close_both_ways) {
  FakeChannel client(FakeChannel::Role::client);
  FakeChannel server(FakeChannel::Role::server);
  std::string text;
  server.receive(client.output());
  EXPECT_EQ(server.step(text), ChannelEvent::established);
  client.receive(server.output());
  server.consume_output(server.output().size());
  EXPECT_EQ(client.step(text), ChannelEvent::established);
  server.send(std::string(20'000, 'x'));
  server.close();
  server.close();
  EXPECT_EQ(FakeChannel::types_of(server.output()), "DDC");
  client.receive(server.output());
  EXPECT_EQ(client.step(text), ChannelEvent::plaintext);
  EXPECT_EQ(client.step(text), ChannelEvent::plaintext);
  EXPECT_EQ(text, std::string(20'000, 'x'));
  EXPECT_EQ(client.step(text), ChannelEvent::close_notify);
}

TEST(FakeChannel, octets_behind_close_notify_are_counted_and_not_read) {
  const std::string wire = FakeChannel::hello() + FakeChannel::data("QUIT\r\n") + FakeChannel::close_notify() + "EHLO";
  FakeChannel server(FakeChannel::Role::server);
  std::string text;
  for (const char octet : wire.substr(0, wire.size() - 5)) {
    server.receive(Octets(&octet, 1));
    while (server.step(text) != ChannelEvent::wants_input) {
    }
  }
  server.receive(wire.substr(wire.size() - 5));
  EXPECT_EQ(text, "QUIT\r\n");
  EXPECT_EQ(server.step(text), ChannelEvent::close_notify);
  EXPECT_EQ(server.unread(), 4u);
}

TEST(FakeChannel, every_end_but_close_notify_is_a_failure) {
  const auto end = [](const std::string& wire) {
    FakeChannel server(FakeChannel::Role::server);
    std::string text;
    server.receive(wire);
    server.receive_eof();
    ChannelEvent event = server.step(text);
    if (event == ChannelEvent::established) event = server.step(text);
    EXPECT_EQ(event, ChannelEvent::broken);
    return server.failure();
  };
  EXPECT_EQ(end("").event, tls::Event::fin);
  EXPECT_EQ(end(FakeChannel::hello() + "D").event, tls::Event::fin);
  EXPECT_EQ(end(FakeChannel::close_notify()).event, tls::Event::corrupt);
  EXPECT_EQ(end(FakeChannel::hello() + FakeChannel::garbage()).event, tls::Event::corrupt);
  EXPECT_EQ(end(FakeChannel::hello() + FakeChannel::alert("internal_error")).detail, "internal_error");
}

}  // namespace
}  // namespace adieu::test
