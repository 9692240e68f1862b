// What somebody on the way can put before a TLS layer or behind it is never carried out, never answered as if it had been said inside, and never
// part of a message: CVE-2011-0411, the server's cases of "Why TLS Is Better Without STARTTLS" (Poddebniak et al., USENIX Security 2021), their
// mirror images at the layer's end, CVE-2026-45185 among them. R1, R3 to R5.
#include <gtest/gtest.h>

#include "wire.h"

namespace adieu::test {
namespace {

using tls::Effect;
using tls::Ending;

class Injection : public Wire {
 protected:
  /// Up to the 220 of STARTTLS.
  static void start_tls(ServerEnd& end, ClientEnd& peer) {
    end.start();
    peer.say_plain("EHLO c\r\n");
    ASSERT_TRUE(peer.say_plain("STARTTLS\r\n").starts_with("220"));
  }
  static void secure_in(ServerEnd& end, ClientEnd& peer) {
    start_tls(end, peer);
    ASSERT_TRUE(peer.begin_tls());
  }
  std::string client_hello() {
    ServerEnd nobody;
    nobody.closed = true;
    ClientEnd peer(nobody, GetParam());
    peer.begin_tls();
    return peer.delivered;
  }
  static void expect_nothing_done(const ServerEnd& end, const std::string& what) {
    EXPECT_EQ(end.ledger.committed.size(), 0u) << what;
    EXPECT_EQ(end.ledger.rolled_back, 0) << what << ": a transaction was open";
    EXPECT_EQ(end.ledger.open, 0) << what;
  }
};

constexpr std::string_view kInjected = "EHLO injected\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nevil\r\n.\r\n";
const std::string kBdat = "BDAT 7 LAST\r\nhello\r\n";

// --- before the layer

TEST_P(Injection, CVE_2011_0411_whatever_is_pipelined_behind_STARTTLS_ends_the_connection) {
  const std::string tails[] = {std::string(kInjected), "RSET\r\n", "STARTTLS\r\n", "\r\n", "\n", "R", std::string(1, '\0'), client_hello()};
  for (const std::string& tail : tails) {
    ServerEnd other;
    other.start();
    ClientEnd peer(other, GetParam());
    const std::string replies = peer.say_plain("EHLO c\r\nSTARTTLS\r\n" + tail);
    EXPECT_EQ(replies.find("\r\n220 "), std::string::npos) << tail;
    EXPECT_NE(replies.find("\r\n554 5.5.1 "), std::string::npos) << tail;
    EXPECT_TRUE(other.closed) << tail;
    EXPECT_TRUE(other.secure_ends().empty()) << tail;
    expect_nothing_done(other, tail);
  }
}

TEST_P(Injection, CVE_2011_0411_in_whatever_segments_they_come) {
  const std::string all = "EHLO c\r\nSTARTTLS\r\n" + std::string(kInjected);
  for (std::size_t split = 1; split < all.size(); ++split) {
    ServerEnd other;
    other.start();
    other.receive(std::string_view(all).substr(0, split));
    other.receive(std::string_view(all).substr(split));
    EXPECT_TRUE(other.closed) << split;
    EXPECT_EQ(other.sent.find("injected"), std::string::npos) << split;
    expect_nothing_done(other, std::to_string(split));
  }
}

TEST_P(Injection, CVE_2011_0411_octets_that_come_before_the_220_was_handed_over_end_the_connection) {
  server.start();
  client.say_plain("EHLO c\r\n");
  server.room = 0;
  server.receive("STARTTLS\r\n");
  server.receive(client_hello());
  server.room = ~std::size_t{0};
  server.work();
  EXPECT_TRUE(server.closed);
  EXPECT_EQ(client.take_plain(), "");
  ASSERT_EQ(server.ends.size(), 1u);
  EXPECT_EQ(server.ends[0].ending, Ending::injected);
}

TEST_P(Injection, R1_plaintext_in_the_place_of_a_handshake_ends_the_connection_and_is_not_answered) {
  const std::string hello = client_hello();
  const std::string injected(kInjected);
  for (const std::string& octets : {injected, hello + injected, hello.substr(0, 20) + injected, hello.substr(0, hello.size() - 1) + injected}) {
    ServerEnd other;
    ClientEnd peer(other, GetParam());
    start_tls(other, peer);
    const std::size_t before = other.sent.size();
    other.receive(octets);
    other.receive(injected);
    other.expire();
    EXPECT_TRUE(other.closed);
    const std::string said = other.sent.substr(before);
    EXPECT_TRUE(said.empty() || said[0] == '\x15' || said[0] == '\x16') << said;  // an alert, a ServerHello
    for (const char* reply : {"250 2", "250-"}) EXPECT_EQ(said.find(reply), std::string::npos);  // three digits alone may stand in a certificate
    ASSERT_EQ(other.secure_ends().size(), 1u);
    EXPECT_EQ(other.secure_ends()[0].ending, Ending::handshake);
    expect_nothing_done(other, "handshake");
  }
}

TEST_P(Injection, R8_plaintext_inside_an_established_layer_breaks_it) {
  for (const bool same_segment : {true, false}) {
    ServerEnd other;
    ClientEnd peer(other, GetParam());
    secure_in(other, peer);
    if (same_segment) {
      peer.put("NOOP\r\n");
      other.receive(peer.take_records() + std::string(kInjected));
    } else {
      other.receive(kInjected);
    }
    EXPECT_TRUE(other.closed);
    EXPECT_EQ(other.secure_ends().at(0).ending, Ending::corrupt);
    expect_nothing_done(other, "inside");
  }
}

TEST_P(Injection, STARTTLS_inside_TLS_is_refused_and_the_layer_goes_on) {
  secure();
  EXPECT_TRUE(client.say("STARTTLS\r\n").starts_with("503 5.5.1"));
  EXPECT_TRUE(client.say("STARTTLS\r\nNOOP\r\n").starts_with("503 5.5.1"));
  EXPECT_EQ(client.say("EHLO c\r\n").find("STARTTLS"), std::string::npos);
  EXPECT_NE(client.say(kMessage).find("queued"), std::string::npos);
}

/// RFC 3207 section 4.2: session fixation.
TEST_P(Injection, nothing_said_before_STARTTLS_is_known_inside_TLS) {
  server.start();
  client.say_plain("EHLO fixed.example\r\n" + std::string(kEnvelope));
  EXPECT_EQ(server.ledger.open, 1);
  ASSERT_TRUE(client.say_plain("STARTTLS\r\n").starts_with("220"));
  EXPECT_EQ(server.ledger.open, 0);
  ASSERT_TRUE(client.begin_tls());
  EXPECT_EQ(server.connection->session()->client_name().name, "");
  EXPECT_TRUE(client.say("DATA\r\n").starts_with("503"));
  EXPECT_TRUE(client.say("RCPT TO:<b@example.net>\r\n").starts_with("503"));
  EXPECT_TRUE(client.say("MAIL FROM:<a@example.org>\r\n").starts_with("503 5.5.1 Send EHLO"));
  EXPECT_TRUE(client.say(kBdat).starts_with("503"));
  EXPECT_EQ(server.ledger.committed.size(), 0u);
}

// --- behind the layer

TEST_P(Injection, R4_whatever_stands_behind_their_close_notify_before_ours_is_injected_and_not_answered) {
  const std::string tails[] = {std::string(kInjected), "250 2.0.0 Ok: queued as 1\r\n", "x", "\r\n", "STARTTLS\r\n", client_hello(),
                               std::string("\x17\x03\x03\x00\x10", 5) + std::string(16, 'x'), std::string("\x15\x03\x03\x00\x02\x01\x00", 7)};
  for (const std::string& tail : tails) {
    for (const bool same_segment : {true, false}) {
      ServerEnd other;
      ClientEnd peer(other, GetParam());
      secure_in(other, peer);
      peer.say("EHLO c\r\n");
      peer.channel->close();
      if (same_segment) {
        other.receive(peer.take_records() + tail);
      } else {
        other.room = 0;
        other.receive(peer.take_records());
        other.receive(tail);
        other.room = ~std::size_t{0};
        other.work();
      }
      EXPECT_EQ(peer.read(), "");
      EXPECT_TRUE(peer.got_close_notify) << tail << same_segment;
      EXPECT_EQ(peer.channel->unread(), 0u) << "something was said behind ours";
      EXPECT_TRUE(other.closed) << tail << same_segment;
      ASSERT_EQ(other.secure_ends().size(), 1u);
      EXPECT_EQ(other.secure_ends()[0].ending, Ending::injected) << tail << same_segment;
      expect_nothing_done(other, tail);
    }
  }
}

TEST_P(Injection, R4_in_whatever_segments_close_notify_and_the_octets_behind_it_come) {
  std::size_t record = 1;
  for (std::size_t split = 1; split <= record; ++split) {
    ServerEnd other;
    ClientEnd peer(other, GetParam());
    secure_in(other, peer);
    peer.channel->close();
    const std::string octets = peer.take_records();
    record = octets.size();
    other.room = 0;
    other.receive(octets.substr(0, split));
    other.receive(octets.substr(split) + std::string(kInjected));
    other.room = ~std::size_t{0};
    other.work();
    peer.read();
    EXPECT_TRUE(peer.got_close_notify) << split;
    EXPECT_TRUE(other.closed) << split;
    EXPECT_EQ(other.secure_ends().at(0).ending, Ending::injected) << split;
    expect_nothing_done(other, std::to_string(split));
  }
}

TEST_P(Injection, R5_what_comes_in_plaintext_behind_both_close_notify_is_plaintext_and_begins_anew) {
  secure();
  client.say(kEnvelope);
  client.close();
  EXPECT_TRUE(client.say_plain("250 2.0.0 Ok: queued as 1\r\n").starts_with("500 "));
  EXPECT_EQ(server.connection->session()->client_name().name, "");
  EXPECT_EQ(server.connection->tls(), nullptr);
  EXPECT_TRUE(client.say_plain("DATA\r\n").starts_with("503 "));
  EXPECT_TRUE(client.say_plain(kBdat).starts_with("503 "));
  EXPECT_EQ(server.ledger.committed.size(), 0u);
  client.say_plain("EHLO c\r\nMAIL FROM:<c@example.org>\r\nRCPT TO:<d@example.net>\r\nDATA\r\n");
  client.say_plain("in the clear\r\n.\r\n");
  ASSERT_EQ(server.ledger.committed.size(), 1u);
  EXPECT_EQ(server.ledger.committed[0].reverse_path, "c@example.org");
  EXPECT_EQ(server.ledger.committed[0].forward_paths, std::vector<std::string>{"d@example.net"});
  EXPECT_EQ(server.ledger.committed[0].mail_data, "\r\nin the clear\r\n");
}

TEST_P(Injection, R5_a_listener_that_requires_TLS_asks_for_it_before_the_first_layer_and_behind_each) {
  server.profile.tls = smtp::ServerTls::required;
  server.profile.session.limits.errors = 100;
  server.start();
  client.say_plain("EHLO c\r\n");
  for (int layer = 0; layer < 3; ++layer) {
    for (const char* command : {"MAIL FROM:<a@example.org>\r\n", "RCPT TO:<b@example.net>\r\n", "DATA\r\n", "BDAT 7 LAST\r\nhello\r\n", "VRFY a\r\n"}) {
      EXPECT_TRUE(client.say_plain(command).starts_with("530 5.7.0")) << layer << command;
    }
    ASSERT_NE(client.say_plain("EHLO c\r\n").find("STARTTLS"), std::string::npos);
    ASSERT_TRUE(client.say_plain("STARTTLS\r\n").starts_with("220"));
    ASSERT_TRUE(client.begin_tls());
    EXPECT_NE(client.say("EHLO c\r\n" + std::string(kMessage)).find("queued"), std::string::npos);
    client.close();
  }
  EXPECT_EQ(server.ledger.committed.size(), 3u);
}

TEST_P(Injection, CVE_2026_45185_R3_a_bdat_that_began_inside_TLS_is_not_continued_in_plaintext) {
  secure();
  client.put(std::string(kEnvelope) + "BDAT 100 LAST\r\nhalf of it");
  client.close();
  EXPECT_TRUE(client.got_close_notify);
  EXPECT_EQ(server.ledger.rolled_back, 1);
  EXPECT_EQ(server.secure_ends().at(0).effect, Effect::rolled_back);
  EXPECT_TRUE(client.say_plain(std::string(90, 'x') + "\r\n").starts_with("500")) << "the rest of the chunk is no mail data";
  EXPECT_TRUE(client.say_plain(kBdat).starts_with("503"));
  EXPECT_EQ(server.ledger.committed.size(), 0u);
}

TEST_P(Injection, CVE_2026_45185_R3_a_bdat_that_began_inside_TLS_is_not_continued_in_the_next_layer) {
  secure();
  client.say(std::string(kEnvelope) + "BDAT 7\r\nhello\r\n");
  client.close();
  secure_again();
  EXPECT_TRUE(client.say(kBdat).starts_with("503"));
  client.say("EHLO c\r\n");
  EXPECT_TRUE(client.say(kBdat).starts_with("503"));
  EXPECT_EQ(server.ledger.committed.size(), 0u);
  EXPECT_EQ(server.ledger.rolled_back, 1);
}

/// A session cut at each of its octets: the first part inside TLS, then close_notify, the rest in plaintext, at once or when ours has come.
TEST_P(Injection, CVE_2026_45185_R3_R4_a_message_of_which_any_octet_came_outside_TLS_is_no_message) {
  const std::string greeting = "EHLO c\r\n";
  for (const std::string& message : {std::string(kMessage), std::string(kEnvelope) + "BDAT 5\r\nhelloBDAT 2 LAST\r\n\r\n"}) {
    for (const bool at_once : {true, false}) {
      for (std::size_t cut = 0; cut < message.size(); ++cut) {
        const std::string where = (at_once ? "at once, cut at " : "later, cut at ") + std::to_string(cut);
        ServerEnd other;
        ClientEnd peer(other, GetParam());
        secure_in(other, peer);
        peer.say(greeting);
        peer.put(message.substr(0, cut));
        peer.channel->close();
        if (at_once) {
          other.receive(peer.take_records() + message.substr(cut));
          peer.read();
          EXPECT_TRUE(other.closed) << where;
          EXPECT_EQ(other.secure_ends().at(0).ending, Ending::injected) << where;
        } else {
          peer.flush();
          EXPECT_EQ(other.secure_ends().at(0).ending, Ending::mutual) << where;
          peer.say_plain(message.substr(cut));
          peer.say_plain("\r\n.\r\n");
        }
        EXPECT_TRUE(peer.got_close_notify) << where;
        EXPECT_EQ(other.ledger.committed.size(), 0u) << where;
        EXPECT_EQ(other.ledger.open, 0) << where;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, Injection, testing::Values("TLS1.2", "TLS1.3"), [](const auto& one) { return one.param == "TLS1.2" ? "tls12" : "tls13"; });

}  // namespace
}  // namespace adieu::test
