// When an opportunistic next hop may be tried again in plaintext: where not a word was heard inside TLS. What is told of it. TLS 1.2 and 1.3.
#include <gtest/gtest.h>

#include "daemon/next_hop.h"

namespace adieu::test {
namespace {

using smtp::ClientStartTls;
using Then = Move::Then;
using tls::Ending;

class TlsFallback : public testing::TestWithParam<std::string> {
 protected:
  /// The one attempt of a client whose next hop makes that move at that stage.
  struct Result {
    bool tls_failed = false;
    std::string words;
    std::vector<tls::LayerEnd> ends;
  };
  static Result attempt(Stage stage, const Move& move, ClientStartTls starttls = ClientStartTls::when_offered) {
    NextHop hop(GetParam());
    hop.moves[stage] = move;
    Attempt attempt(hop, GetParam(), starttls);
    attempt.run();
    EXPECT_TRUE(attempt.closed) << "the connection ends";
    return {attempt.closed && attempt.closed->tls_failed, attempt.why(), attempt.ends};
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, TlsFallback, testing::Values("TLS1.2", "TLS1.3"),
                         [](const auto& one) { return one.param == "TLS1.2" ? "tls12" : "tls13"; });

TEST_P(TlsFallback, follows_where_the_next_hop_ends_instead_of_answering_STARTTLS) {
  for (const ClientStartTls starttls : {ClientStartTls::when_offered, ClientStartTls::required}) {
    for (const Move& move : {Move{"", Then::fin}, Move{"", Then::rst}, Move{"", Then::silence}, Move{"220", Then::fin}, Move{"421 4.3.2 bye\r\n", Then::fin},
                             Move{"what?\r\n"}}) {
      EXPECT_TRUE(attempt(Stage::starttls, move, starttls).tls_failed) << move.said;
    }
  }
  EXPECT_EQ(attempt(Stage::starttls, {"", Then::fin}).words, "4.4.2 the next hop closed the connection while waiting for the reply to STARTTLS");
}

TEST_P(TlsFallback, follows_where_TLS_ends_in_the_handshake_and_the_record_tells_how) {
  struct Told {
    Move move;
    std::string word;
  };
  for (const Told& one : {Told{{"220 go\r\n", Then::fin}, "fin"}, Told{{"220 go\r\n", Then::rst}, "rst, the next hop reset the connection"},
                          Told{{"220 go\r\n", Then::silence}, "timeout"}}) {
    const Result result = attempt(Stage::starttls, one.move);
    EXPECT_TRUE(result.tls_failed) << one.word;
    EXPECT_EQ(result.words, "4.7.5 TLS handshake failed: " + one.word);
    ASSERT_EQ(result.ends.size(), 1u) << one.word;
    EXPECT_EQ(result.ends[0].ending, Ending::handshake);
    EXPECT_EQ(result.ends[0].detail, one.word);
  }
}

TEST_P(TlsFallback, follows_where_TLS_ends_right_behind_the_handshake) {
  for (const Move& move : {Move{"", Then::fin}, Move{"", Then::rst}, Move{"", Then::close_notify}, Move{"", Then::silence}}) {
    EXPECT_TRUE(attempt(Stage::secure_hello, move).tls_failed) << static_cast<int>(move.then);
  }
}

TEST_P(TlsFallback, does_not_follow_what_was_said_inside_TLS_nor_octets_that_somebody_put_there) {
  EXPECT_FALSE(attempt(Stage::secure_hello, {"554 5.7.1 no\r\n", Then::fin}).tls_failed);
  EXPECT_FALSE(attempt(Stage::secure_hello, {"250", Then::fin}).tls_failed);
  EXPECT_FALSE(attempt(Stage::mail, {"", Then::fin}).tls_failed);
  EXPECT_FALSE(attempt(Stage::starttls, {"220 go\r\n250 injected\r\n"}).tls_failed);
  EXPECT_FALSE(attempt(Stage::greeting, {"", Then::fin}).tls_failed);
  EXPECT_FALSE(attempt(Stage::hello, {"", Then::fin}).tls_failed);
  EXPECT_FALSE(attempt(Stage::quit, {"", Then::fin}).tls_failed);
}

TEST_P(TlsFallback, a_handshake_that_a_client_gives_up_is_told_as_fin) {
  ServerEnd server;
  server.start();
  server.receive("EHLO c\r\n");
  server.receive("STARTTLS\r\n");
  server.receive_eof();
  ASSERT_EQ(server.secure_ends().size(), 1u);
  EXPECT_EQ(server.secure_ends()[0].ending, Ending::handshake);
  EXPECT_EQ(server.secure_ends()[0].detail, "fin");
}

/// What the page says of a listener without TLS.
TEST(PipelinedStartTls, is_refused_by_a_listener_without_TLS_and_what_follows_it_is_plaintext_as_it_is) {
  ServerEnd server(smtp::ServerTls::off);
  server.start();
  server.sent.clear();
  server.receive("EHLO c\r\nSTARTTLS\r\nNOOP\r\n");
  EXPECT_NE(server.sent.find("\r\n502 "), std::string::npos) << server.sent;
  EXPECT_TRUE(server.sent.ends_with("\r\n250 2.0.0 Ok\r\n")) << server.sent;
  EXPECT_FALSE(server.closed);
}

}  // namespace
}  // namespace adieu::test
