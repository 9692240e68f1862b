// A shell for the pure client session in tests, and the server that a test speaks for. Dialogues are held however the server's
// octets are divided: whole, split at every octet, one at a time.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <functional>

#include "adieu/protocol/smtp/client_session.h"

namespace adieu::test {
using namespace adieu::smtp;

/// How the server's octets arrive: `first` of them, then blocks of `rest`.
struct Division {
  std::size_t first = ~std::size_t{0}, rest = ~std::size_t{0};
};

/// A session and the server that a test speaks for. What the session says is handed over at once, until `blocked`.
class Talk {
 public:
  explicit Talk(Division division, ClientLayer layer = kSecure, std::function<void(ClientProfile&)> change = {})
      : division_(division) {
    profile_.hostname = "client.example";
    profile_.reply_line = 128;
    profile_.reply_lines = 8;
    if (change) change(profile_);
    session = std::make_unique<ClientSession>(profile_, layer, now);
    work();
  }
  static constexpr ClientLayer kSecure{.secure = true, .starttls = ClientStartTls::never, .start = ClientLayer::Start::hello};
  static constexpr ClientLayer plain(ClientStartTls starttls) {
    return {.secure = false, .starttls = starttls, .start = ClientLayer::Start::greeting};
  }

  /// What the session has said since the last call.
  std::string said() { return std::exchange(output_, {}); }
  /// What it answers to `reply`.
  std::string hear(std::string_view reply) {
    for (std::size_t block = division_.first; !reply.empty(); block = division_.rest) {
      session->receive(reply.substr(0, block), now);
      reply.remove_prefix(std::min(block, reply.size()));
      work();
    }
    return said();
  }
  std::string send(std::vector<std::string> recipients = {"b"}, std::string mail_data = "Subject: x\r\n\r\n.dot\r\n",
                   mail::BodyType body = mail::BodyType::unspecified) {
    EXPECT_TRUE(std::exchange(ready, false));
    mail_data_ = std::move(mail_data);
    supplied_ = 0;
    OutgoingMessage message;
    message.envelope.reverse_path = {"a", "example.org"};
    for (auto& recipient : recipients) message.envelope.forward_paths.push_back({std::move(recipient), "example.net"});
    message.envelope.body = body;
    message.size = mail_data_.size();
    session->send(std::move(message), now);
    work();
    return said();
  }
  void lose(std::string_view why = "TLS ended without close_notify") {
    session->end_of_layer(why);
    work();
  }
  std::string quit() {
    session->quit(now);
    work();
    return said();
  }
  /// The session says EHLO, hears `extensions`, and is ready.
  Talk& greet(std::initializer_list<std::string_view> extensions = {}) {
    EXPECT_EQ(said(), profile_.protocol == ClientProtocol::lmtp ? "LHLO client.example\r\n" : "EHLO client.example\r\n");
    std::string reply = "250-mx.example at your service\r\n";
    for (std::string_view each : extensions) reply.append("250-").append(each).append("\r\n");
    EXPECT_EQ(hear(reply + "250 HELP\r\n"), "");
    EXPECT_TRUE(ready);
    return *this;
  }
  void work() {
    for (;;) {
      ClientAction action = session->next_action();
      if (std::holds_alternative<Ready>(action)) {
        ready = true;
      } else if (std::holds_alternative<ClientBeginTls>(action)) {
        begins_tls = true;
      } else if (const auto* wants = std::get_if<WantsMailData>(&action)) {
        ++asked;
        largest = std::max(largest, wants->octets);
        if (wants->from_start) supplied_ = 0;
        if (holds_mail_data) return;
        supply(wants->octets);
      } else if (auto* finished = std::get_if<Finished>(&action)) {
        outcomes = std::move(finished->outcomes);
        ++messages;
      } else if (auto* over = std::get_if<ClientEnd>(&action)) {
        end = std::move(*over);
      } else if (blocked || session->output().empty()) {
        return;
      } else {
        output_ += session->output();
        session->sent(session->output().size(), now);
      }
    }
  }
  void supply(std::size_t octets) {
    const std::string part = mail_data_.substr(supplied_, octets);
    supplied_ += part.size();
    session->supply(part, supplied_ == mail_data_.size());
  }

  std::unique_ptr<ClientSession> session;
  bool ready = false, begins_tls = false;
  bool blocked = false;           // the transport takes nothing
  bool holds_mail_data = false;
  int messages = 0, asked = 0;
  std::size_t largest = 0;
  std::vector<Outcome> outcomes;  // of the last message
  std::optional<ClientEnd> end;
  Instant now{};

 private:
  ClientProfile profile_;
  Division division_;
  std::string output_;
  std::string mail_data_;
  std::size_t supplied_ = 0;
};

inline constexpr std::string_view kMail = "MAIL FROM:<a@example.org>\r\n";
inline constexpr std::string_view kRcpt = "RCPT TO:<b@example.net>\r\n";
inline constexpr std::string_view kText = "Subject: x\r\n\r\n..dot\r\n.\r\n";  // as it goes by DATA
inline std::string together(std::initializer_list<std::string_view> parts) {
  std::string all;
  for (std::string_view part : parts) all += part;
  return all;
}

inline void every_way(const std::function<void(Division)>& dialogue) {
  for (std::size_t first = 1; first <= 80; ++first) {
    SCOPED_TRACE("first " + std::to_string(first));
    dialogue({.first = first});
    if (testing::Test::HasFailure()) return;
  }
  SCOPED_TRACE("one at a time");
  dialogue({.first = 1, .rest = 1});
}
inline constexpr Division kWhole{};

/// Replies to MAIL, RCPT, DATA and the end of mail data that let a message through.
inline constexpr std::array<std::string_view, 4> kGood = {"250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n"};

}  // namespace adieu::test
