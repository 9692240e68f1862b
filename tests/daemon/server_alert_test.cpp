// R8: where TLS asks for an alert it goes, also where replies wait; a 2xx to an end of data does not. Over memory, with GnuTLS on both sides; what
// breaks the layer comes in one segment with what stands before it. TLS 1.2 and 1.3.
#include <gtest/gtest.h>

#include "io/gnutls/ends.h"
#include "wire.h"

namespace adieu::test {
namespace {

using tls::Effect;
using tls::Ending;

constexpr int kNoAlert = -1;

std::string record(char type, const std::string& content) {
  return std::string{type, 3, 3, static_cast<char>(content.size() >> 8), static_cast<char>(content.size() & 255)} + content;
}
std::string sealed(BareClient& client, std::uint8_t type, const std::string& content) {
  return gnutls::seal_record(client.session(), type, content).value();
}

/// What a client says where a record in order was due, and the alert that TLS asks for.
struct Breach {
  const char* what;
  std::string (*octets)(BareClient& client);
  gnutls_alert_description_t alert;
  bool tls13_only = false;
  bool is_one_more_forgery_in_tls12 = false;  // a record that stands in the clear where keys are in use
};
constexpr std::uint8_t kHandshakeRecord = 22;
const std::vector<Breach> kBreaches = {
    {"a record that fails authentication", [](BareClient&) { return record(23, std::string(60, 'x')); }, GNUTLS_A_BAD_RECORD_MAC},
    {"a record of no type there is", [](BareClient&) { return record(99, std::string(60, 'x')); }, GNUTLS_A_UNEXPECTED_MESSAGE},
    {"change_cipher_spec", [](BareClient&) { return record(20, "\x01"); }, GNUTLS_A_UNEXPECTED_MESSAGE, false, true},
    {"plaintext", [](BareClient&) { return std::string("NOOP\r\nNOOP\r\n"); }, GNUTLS_A_UNEXPECTED_MESSAGE},
    {"KeyUpdate of 99", [](BareClient& client) { return sealed(client, kHandshakeRecord, std::string("\x18\x00\x00\x01\x63", 5)); },
     GNUTLS_A_ILLEGAL_PARAMETER, true},
    {"a new ClientHello", [](BareClient& client) { return sealed(client, kHandshakeRecord, std::string("\x01\x00\x00\x02\x03\x03", 6)); },
     GNUTLS_A_UNEXPECTED_MESSAGE, true},
    {"half an alert", [](BareClient& client) { return sealed(client, kAlertRecord, "\x01"); }, GNUTLS_A_UNEXPECTED_MESSAGE, true},
    {"two alerts in one record", [](BareClient& client) { return sealed(client, kAlertRecord, kCloseNotify + kCloseNotify); },
     GNUTLS_A_DECODE_ERROR, true},
    {"user_canceled and close_notify in one record",
     [](BareClient& client) { return sealed(client, kAlertRecord, kUserCanceled + kCloseNotify); }, GNUTLS_A_DECODE_ERROR, true},
};

/// A server's connection and a client that can say anything.
class Ends {
 public:
  Ends(const std::string& version, smtp::ServerTls tls) : server(tls), client(priority_for(version)), complete_(version == "TLS1.3") {
    server.start();
    if (tls == smtp::ServerTls::implicit) return;
    server.receive("EHLO c\r\n");
    server.receive("STARTTLS\r\n");
    taken_ = server.sent.size();
  }
  /// The client's flight that ends with Finished, not handed over.
  std::string finished() {
    gnutls_handshake(client.session());
    server.receive(client.take());
    listen();
    gnutls_handshake(client.session());
    return client.take();
  }
  /// Up to an established layer in which EHLO was answered.
  void secure() {
    server.receive(finished());
    listen();
    complete();
    say("EHLO c\r\n");
  }
  /// What is answered.
  std::string say(const std::string& text) {
    server.receive(client.record(text));
    return heard();
  }
  std::string heard() {
    listen();
    std::string said;
    while (client.read(&said) > 0) {
    }
    return said;
  }
  /// Reads to the end; the alert's number.
  int last_alert(std::string* said = nullptr) {
    listen();
    complete();
    long code = client.read(said);
    while (code > 0) code = client.read(said);
    return code == GNUTLS_E_FATAL_ALERT_RECEIVED ? gnutls_alert_get(client.session()) : kNoAlert;
  }

  ServerEnd server;
  BareClient client;

 private:
  void listen() {
    client.receive(server.sent.substr(taken_));
    taken_ = server.sent.size();
  }
  /// TLS 1.2: the server's Finished is the last.
  void complete() {
    if (!std::exchange(complete_, true)) must(gnutls_handshake(client.session()));
  }

  std::size_t taken_ = 0;
  bool complete_;
};

class Alert : public testing::TestWithParam<std::string> {
 protected:
  template <class Test>
  void for_each_breach(Test test) {
    for (const Breach& breach : kBreaches) {
      if (breach.tls13_only && GetParam() == "TLS1.2") continue;
      SCOPED_TRACE(breach.what);
      Breach due = breach;
      if (GetParam() == "TLS1.2" && due.is_one_more_forgery_in_tls12) due.alert = GNUTLS_A_BAD_RECORD_MAC;
      test(due);
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, Alert, testing::Values("TLS1.2", "TLS1.3"),
                         [](const auto& one) { return one.param == "TLS1.2" ? "tls12" : "tls13"; });

TEST_P(Alert, R8_goes_where_the_layer_breaks_right_behind_Finished) {
  for (const smtp::ServerTls tls : {smtp::ServerTls::implicit, smtp::ServerTls::optional}) {
    for_each_breach([&](const Breach& breach) {
      Ends ends(GetParam(), tls);
      const std::string flight = ends.finished();
      ends.server.receive(flight + breach.octets(ends.client));
      EXPECT_TRUE(ends.server.closed);
      EXPECT_EQ(ends.last_alert(), breach.alert);
      ASSERT_EQ(ends.server.secure_ends().size(), 1u);
      EXPECT_EQ(ends.server.secure_ends()[0].ending, Ending::corrupt);
    });
  }
}

TEST_P(Alert, R8_goes_where_the_layer_breaks_right_behind_a_command) {
  for (const char* const commands : {"NOOP\r\n", "NOOP\r\nRSET\r\nVRFY x\r\n", "MAIL FROM:<a@example.org>\r\n", "QUIT\r\n", "NOO"}) {
    SCOPED_TRACE(commands);
    for_each_breach([&](const Breach& breach) {
      Ends ends(GetParam(), smtp::ServerTls::optional);
      ends.secure();
      const std::string said = ends.client.record(commands);
      ends.server.receive(said + breach.octets(ends.client));
      EXPECT_TRUE(ends.server.closed);
      EXPECT_EQ(ends.last_alert(), breach.alert);
      EXPECT_EQ(ends.server.ledger.open, 0);
    });
  }
}

TEST_P(Alert, R8_R10_goes_where_the_layer_breaks_right_behind_a_message_and_the_message_is_revoked_without_its_2xx) {
  for (const std::string& message : {std::string(kMessage), std::string(kEnvelope) + "BDAT 7 LAST\r\nhello\r\n", std::string(kMessage) + std::string(kMessage)}) {
    for_each_breach([&](const Breach& breach) {
      Ends ends(GetParam(), smtp::ServerTls::optional);
      ends.secure();
      const std::string records = ends.client.record(message);
      ends.server.receive(records + breach.octets(ends.client));
      EXPECT_TRUE(ends.server.closed);
      std::string said;
      EXPECT_EQ(ends.last_alert(&said), breach.alert);
      EXPECT_EQ(said.find("queued"), std::string::npos);
      EXPECT_TRUE(ends.server.ledger.committed.empty());
      EXPECT_GE(ends.server.ledger.revoked, 1);
      EXPECT_EQ(ends.server.secure_ends().at(0).effect, Effect::revoked);
    });
  }
}

/// The transport takes `room` octets and then none until the layer has broken; whatever it took, the client can tell records from alert.
TEST_P(Alert, R8_goes_behind_replies_of_which_the_transport_took_any_part) {
  bool all = false;
  for (std::size_t room = 0; !all; ++room) {
    SCOPED_TRACE(room);
    Ends ends(GetParam(), smtp::ServerTls::optional);
    ends.secure();
    ends.server.room = room;
    ends.server.receive(ends.client.record("NOOP\r\nMAIL FROM:<a@example.org>\r\n"));
    all = ends.server.connection->output().empty();
    ends.server.receive(kBreaches[0].octets(ends.client));
    ends.server.room = ~std::size_t{0};
    if (!ends.server.closed) ends.server.work();
    EXPECT_TRUE(ends.server.closed);
    std::string said;
    EXPECT_EQ(ends.last_alert(&said), GNUTLS_A_BAD_RECORD_MAC);
    EXPECT_EQ(said.substr(0, 3), "250");
    EXPECT_EQ(ends.server.ledger.open, 0);
  }
}

/// Where the transport is full the 2xx does not become a record, so that the alert can still take its place.
TEST_P(Alert, R8_R10_goes_in_the_place_of_a_2xx_that_waited_behind_other_replies) {
  Ends ends(GetParam(), smtp::ServerTls::optional);
  ends.secure();
  ends.server.holds_commit = true;
  ends.server.room = 3;
  ends.server.receive(ends.client.record(std::string(kMessage)));
  ends.server.commit();
  ASSERT_FALSE(ends.server.connection->output().empty());
  ends.server.receive(kBreaches[0].octets(ends.client));
  ends.server.room = ~std::size_t{0};
  ends.server.work();
  EXPECT_TRUE(ends.server.closed);
  std::string said;
  EXPECT_EQ(ends.last_alert(&said), GNUTLS_A_BAD_RECORD_MAC);
  EXPECT_NE(said.find("354"), std::string::npos);
  EXPECT_EQ(said.find("queued"), std::string::npos);
  EXPECT_EQ(ends.server.ledger.revoked, 1);
}

/// A record of which the transport has begun to take octets can be neither taken back nor left out before another: the one case without an alert.
TEST_P(Alert, R8_R10_a_2xx_that_the_transport_took_in_part_is_never_completed) {
  bool all = false;
  for (std::size_t room = 0; !all; ++room) {
    SCOPED_TRACE(room);
    Ends ends(GetParam(), smtp::ServerTls::optional);
    ends.secure();
    ASSERT_TRUE(ends.say(std::string(kEnvelope) + "DATA\r\n").ends_with("354 End data with <CR><LF>.<CR><LF>\r\n"));
    ends.server.room = room;
    ends.server.receive(ends.client.record("hello\r\n.\r\n"));
    all = ends.server.connection->output().empty();
    ends.server.room = ~std::size_t{0};
    ends.server.receive(kBreaches[0].octets(ends.client));
    EXPECT_TRUE(ends.server.closed);
    std::string said;
    EXPECT_EQ(ends.last_alert(&said), all ? static_cast<int>(GNUTLS_A_BAD_RECORD_MAC) : kNoAlert);
    EXPECT_EQ(said.find("queued") != std::string::npos, all);
    EXPECT_EQ(ends.server.ledger.committed.size(), all ? 1u : 0u);
    EXPECT_EQ(ends.server.ledger.revoked, all ? 0 : 1);
  }
}

}  // namespace
}  // namespace adieu::test
