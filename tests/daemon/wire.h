// Two ends of a TCP connection in memory, with a virtual clock: the pure ServerConnection with GnuTLS in it on one side, a GnuTLS client that a test
// writes on the other. What is handed over is exact, so every cut is.
#pragma once

#include <gtest/gtest.h>

#include "adieu/protocol/smtp/server_connection.h"
#include "io/gnutls/channel.h"
#include "support/session_shell.h"

namespace adieu::test {

inline const gnutls::CertificatePem& test_certificate() {
  static const gnutls::CertificatePem kPem = *gnutls::make_self_signed("relay.example.org", 2);
  return kPem;
}

inline std::string priority_for(std::string_view version) { return "NORMAL:-VERS-ALL:+VERS-" + std::string(version); }

/// Server connection, its questions answered at once into a ledger, or kept open when `holds_commit`.
class ServerEnd {
 public:
  explicit ServerEnd(smtp::ServerTls tls = smtp::ServerTls::optional) : channels_(*gnutls::make_server_credentials(test_certificate(), "NORMAL:+VERS-TLS1.2")) {
    profile.session.hostname = "relay.example.org";
    profile.tls = tls;
    profile.channels = &channels_;
  }

  void start() {
    connection = std::make_unique<smtp::ServerConnection>(profile, now);
    work();
  }
  void receive(std::string_view octets) {
    if (closed || octets.empty()) return;
    connection->receive(octets, now);
    work();
  }
  void receive_eof() {
    if (closed) return;
    connection->receive_eof(now);
    work();
  }
  void receive_reset() {
    if (closed) return;
    connection->receive_reset(now);
    work();
  }
  void expire() {
    while (!closed && connection->deadline()) {
      now = *connection->deadline();
      connection->expire(now);
      work();
    }
  }
  /// The answer to the commit that `holds_commit` kept.
  void commit() {
    ASSERT_TRUE(held);
    connection->answer(held->number, answer(std::move(held->question), ledger));
    held.reset();
    work();
  }
  void work() {
    for (;;) {
      auto action = connection->next_action(now);
      for (tls::LayerEnd& end : connection->take_layer_ends()) ends.push_back(std::move(end));
      if (auto* asked = std::get_if<smtp::AskedQuestion>(&action)) {
        if (holds_commit && std::holds_alternative<smtp::CommitQuestion>(asked->question)) {
          held = std::move(*asked);
          continue;
        }
        connection->answer(asked->number, answer(std::move(asked->question), ledger));
        continue;
      }
      if (std::holds_alternative<smtp::CloseTransport>(action)) {
        closed = true;
        return;
      }
      const std::string out(connection->output().substr(0, room));
      if (out.empty()) return;
      sent += out;
      room -= out.size();
      connection->sent(out.size(), now);
    }
  }
  /// The TLS layers' ends alone.
  std::vector<tls::LayerEnd> secure_ends() const {
    std::vector<tls::LayerEnd> all;
    for (const auto& end : ends) {
      if (end.secure) all.push_back(end);
    }
    return all;
  }

  smtp::ServerConnectionProfile profile;
  bool holds_commit = false;
  std::size_t room = ~std::size_t{0};   // octets that the transport still takes
  Instant now{};
  std::unique_ptr<smtp::ServerConnection> connection;
  std::optional<smtp::AskedQuestion> held;
  Ledger ledger;
  std::vector<tls::LayerEnd> ends;
  std::string sent;                     // all that was handed over
  bool closed = false;

 private:
  gnutls::ServerChannels channels_;
};

/// A client that can speak in the clear and inside TLS, and whose octets can be held back to be cut.
class ClientEnd {
 public:
  ClientEnd(ServerEnd& server, std::string_view version)
      : server_(server), credentials_(*gnutls::make_client_credentials(priority_for(version), false)), channels_(credentials_, "relay.example.org", false) {}

  /// What the server has said in the clear since the last call.
  std::string take_plain() {
    std::string text = server_.sent.substr(taken_);
    taken_ = server_.sent.size();
    return text;
  }
  std::string say_plain(std::string_view text) {
    deliver(text);
    return take_plain();
  }
  /// The handshake; false when the connection ended instead.
  bool begin_tls() {
    channel = channels_.make();
    got_close_notify = false;
    for (int turns = 0; turns < 20; ++turns) {
      const bool established = step() == tls::ChannelEvent::established;
      hand_over();
      if (established) return true;
    }
    return false;
  }
  void put(std::string_view text) { channel->send(text); }
  /// Hands over what is in the channel; returns what the server said inside TLS.
  std::string flush() {
    hand_over();
    return read();
  }
  std::string say(std::string_view text) {
    put(text);
    return flush();
  }
  std::string read() {
    std::string text;
    for (;;) {
      const std::size_t before = text.size();
      std::string part;
      const auto event = step(&part);
      text += part;
      if (event == tls::ChannelEvent::close_notify) got_close_notify = true;
      if (event != tls::ChannelEvent::plaintext || text.size() == before) return text;
    }
  }
  /// What is in the channel, for a test that hands it over itself.
  std::string take_records() {
    std::string out(channel->output());
    channel->consume_output(out.size());
    return out;
  }
  /// Our close_notify; then whatever the server says up to its own.
  void close() {
    channel->close();
    flush();
  }

  std::unique_ptr<tls::Channel> channel;
  bool got_close_notify = false;
  std::string delivered;                // all octets this client has sent
  std::size_t cut = ~std::size_t{0};    // no octet beyond this one is delivered
  std::size_t flipped = ~std::size_t{0};  // this one is delivered with a bit changed

 private:
  tls::ChannelEvent step(std::string* plaintext = nullptr) {
    if (taken_ < server_.sent.size()) {
      channel->receive(std::string_view(server_.sent).substr(taken_));
      taken_ = server_.sent.size();
    }
    if (got_close_notify) return tls::ChannelEvent::wants_input;
    std::string ignored;
    return channel->step(plaintext != nullptr ? *plaintext : ignored);
  }
  void hand_over() { deliver(take_records()); }
  void deliver(std::string_view octets) {
    const std::size_t left = cut - std::min(cut, delivered.size());
    octets = octets.substr(0, left);
    std::string changed(octets);
    if (flipped - delivered.size() < changed.size()) changed[flipped - delivered.size()] ^= 4;
    delivered += octets;
    server_.receive(changed);
  }

  ServerEnd& server_;
  std::shared_ptr<const gnutls::Credentials> credentials_;
  gnutls::ClientChannels channels_;
  std::size_t taken_ = 0;
};

constexpr std::string_view kEnvelope = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n";
constexpr std::string_view kMessage = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nhello\r\n.\r\n";

/// Both ends, for tests with a version of TLS as their parameter.
class Wire : public testing::TestWithParam<std::string> {
 protected:
  /// Up to an established TLS layer with EHLO said in it.
  void secure() {
    server.start();
    secure_again();
    ASSERT_TRUE(client.say("EHLO client.example\r\n").starts_with("250-"));
  }
  void secure_again() {
    ASSERT_NE(client.say_plain("EHLO client.example\r\n").find("STARTTLS"), std::string::npos);
    ASSERT_TRUE(client.say_plain("STARTTLS\r\n").starts_with("220"));
    ASSERT_TRUE(client.begin_tls());
  }
  bool tls13() const { return GetParam() == "TLS1.3"; }

  ServerEnd server;
  ClientEnd client{server, GetParam()};
};

}  // namespace adieu::test
