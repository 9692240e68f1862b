// A connection of a client over a real socket: what the kernel holds behind R when S is about to go.
#include "adieu/relay/receive/inbound.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "daemon/wire.h"
#include "io/uv/stream.h"
#include "support/recording_log.h"

namespace adieu::test {
namespace {

/// Answers at once, but keeps the commit until the test answers it.
class HoldingHandler final : public receive::MailHandler {
 public:
  std::optional<smtp::Answer> ask(const receive::Client&, smtp::Question question, std::function<void(smtp::Answer)> later) override {
    if (!std::holds_alternative<smtp::CommitQuestion>(question)) return answer(std::move(question), ledger);
    held = [this, question = std::move(question), later = std::move(later)]() mutable { later(answer(std::move(question), ledger)); };
    return std::nullopt;
  }
  Ledger ledger;
  std::function<void()> held;
};

class InboundTest : public testing::Test {
 protected:
  InboundTest()
      : client_channels_(*gnutls::make_client_credentials(priority_for("TLS1.3"), false), "relay.example.org", false) {
    listener_.connection.session.hostname = "relay.example.org";
    listener_.connection.tls = smtp::ServerTls::optional;
    listener_.channels = std::make_unique<gnutls::ServerChannels>(*gnutls::make_server_credentials(test_certificate(), "NORMAL:+VERS-TLS1.2"));
    listener_.connection.channels = listener_.channels.get();
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    socket_ = uv::Descriptor(ends[0]);
    Accepted accepted{std::make_unique<uv::Stream>(loop_, uv::Descriptor(ends[1])), {}};
    inbound_ = std::make_unique<receive::Inbound>(loop_, std::move(accepted), listener_, handler_, closures_, [this] { ended_ = true; });
    inbound_->start();
  }

  void write(std::string_view octets) { ASSERT_EQ(uv::send(socket_.get(), octets).octets, octets.size()); }
  /// What the server has said, once it has done all that it can.
  std::string read() {
    for (int turns = 0; turns < 5; ++turns) loop_.turn(false);
    std::string all(100'000, '\0');
    all.resize(uv::receive(socket_.get(), all.data(), all.size()).octets);
    return all;
  }
  std::string say(std::string_view text) {
    write(text);
    return read();
  }
  void begin_tls() {
    channel_ = client_channels_.make();
    for (int turns = 0; turns < 5; ++turns) {
      std::string none;
      if (channel_->step(none) == tls::ChannelEvent::established) return;
      hand_over();
      channel_->receive(read());
    }
    FAIL() << "no handshake";
  }
  void hand_over() {
    write(channel_->output());
    channel_->consume_output(channel_->output().size());
  }

  uv::Loop loop_;
  RecordingLog log_;
  observe::Closures closures_{log_, 10, [this] { return loop_.wall(); }};
  receive::ListenerProfile listener_;
  HoldingHandler handler_;
  uv::Descriptor socket_;
  std::unique_ptr<receive::Inbound> inbound_;
  bool ended_ = false;
  gnutls::ClientChannels client_channels_;
  std::unique_ptr<tls::Channel> channel_;
};

// TLS 1.3, where R leaves the replies that are due their time: so S can be made to wait.
TEST_F(InboundTest, R4_what_the_kernel_holds_behind_R_is_read_before_S_goes) {
  for (const bool injects : {false, true}) {
    SCOPED_TRACE(injects);
    say("EHLO client.example\r\n");
    ASSERT_TRUE(say("STARTTLS\r\n").starts_with("220 "));
    begin_tls();
    channel_->send("EHLO client.example\r\n" + std::string(kMessage));
    channel_->close();
    hand_over();
    read();
    ASSERT_TRUE(handler_.held) << "R has been read, S waits for the commit";
    if (injects) write("NOOP\r\n");
    std::exchange(handler_.held, nullptr)();  // within this turn of the loop: nobody has told it of the NOOP
    const std::string records = read();
    EXPECT_NE(records, "");
    EXPECT_EQ(records.find("250 "), std::string::npos) << "not a word in the clear";
    EXPECT_EQ(ended_, injects);
    if (!injects) {
      EXPECT_EQ(say("NOOP\r\n").substr(0, 4), "250 ");
    }
  }
  EXPECT_EQ(handler_.ledger.committed.size(), 2u);
  EXPECT_EQ(handler_.ledger.unconfirmed, 2) << "R was read before either 250 was handed over (R11)";
  ASSERT_TRUE(log_.count("ending=injected effect=ack-unconfirmed")) << "the 250 may have been read by somebody else";
}

}  // namespace
}  // namespace adieu::test
