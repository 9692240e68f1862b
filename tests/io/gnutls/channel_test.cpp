// A TLS layer by GnuTLS between two channels: what goes in comes out, in any division, for every version and kind of key.
#include "io/gnutls/channel.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <array>
#include <tuple>

#include "ends.h"

namespace adieu::test {
namespace {

std::string lines(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; text.size() < size; ++i) text += "line " + std::to_string(i) + "\r\n";
  text.resize(size);
  return text;
}

std::string name_of(const testing::TestParamInfo<std::tuple<std::string, KeyKind>>& one) {
  const std::array kinds = {"P256", "Ed25519", "RSA"};
  return (std::get<0>(one.param) == "TLS1.2" ? "TLS12_" : "TLS13_") +
         std::string(kinds[static_cast<std::size_t>(std::get<1>(one.param))]);
}

class Channel : public testing::TestWithParam<std::tuple<std::string, KeyKind>> {
 protected:
  const std::string version_ = std::get<0>(GetParam());

  static std::shared_ptr<const gnutls::Credentials> credentials() {
    static const auto make = [](KeyKind kind) {
      static const Certificate kAuthority(nullptr, KeyKind::p256, {"An Authority"});
      return gnutls::make_server_credentials(Certificate(&kAuthority, kind, {kHost}).pem(), "NORMAL").value();
    };
    static const std::vector kAll = {make(KeyKind::p256), make(KeyKind::ed25519), make(KeyKind::rsa)};
    return kAll[static_cast<std::size_t>(std::get<1>(GetParam()))];
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, Channel,
                         testing::Combine(testing::Values("TLS1.2", "TLS1.3"),
                                          testing::Values(KeyKind::p256, KeyKind::ed25519, KeyKind::rsa)),
                         name_of);

TEST_P(Channel, tells_what_was_negotiated) {
  Pair ends(version_, credentials());
  EXPECT_EQ(ends.server->info().version, "");
  ASSERT_TRUE(shake_hands(*ends.client, *ends.server));
  for (const tls::Channel* end : {ends.client.get(), ends.server.get()}) {
    EXPECT_EQ(end->info().version, version_);
    EXPECT_NE(end->info().cipher, "");
    EXPECT_FALSE(end->info().resumed);
    EXPECT_EQ(end->info().discards_pending_writes, version_ == "TLS1.2");
    EXPECT_EQ(end->info().peer_identity, "") << "nothing was verified";
  }
  EXPECT_EQ(ends.server->info().server_name, kHost);
}

TEST_P(Channel, carries_data_both_ways_in_records_of_any_size) {
  Pair ends(version_, credentials());
  ASSERT_TRUE(shake_hands(*ends.client, *ends.server));
  for (const std::size_t size : {1u, 100u, 16'384u, 16'385u, 200'000u}) {
    ends.client->send(lines(size));
    EXPECT_EQ(feed(*ends.server, take(*ends.client)).plaintext, lines(size));
    ends.server->send(lines(size));
    EXPECT_EQ(feed(*ends.client, take(*ends.server)).plaintext, lines(size));
  }
}

TEST_P(Channel, reads_a_stream_octet_by_octet) {
  Pair ends(version_, credentials());
  std::string received;
  const auto trickle = [&](tls::Channel& from, tls::Channel& to) {
    bool established = false;
    for (const char octet : take(from)) {
      const Worked worked = feed(to, Octets(&octet, 1));
      established |= worked.established;
      received += worked.plaintext;
      EXPECT_NE(worked.last, ChannelEvent::broken);
    }
    return established;
  };
  bool client_done = work(*ends.client).established;
  bool server_done = false;
  for (int flights = 0; flights < 8; ++flights) {
    server_done |= trickle(*ends.client, *ends.server);
    client_done |= trickle(*ends.server, *ends.client);
  }
  ASSERT_TRUE(client_done && server_done);
  ends.client->send(lines(20'000));
  trickle(*ends.client, *ends.server);
  EXPECT_EQ(received, lines(20'000));
  ends.server->send("250 ok\r\n");
  trickle(*ends.server, *ends.client);
  EXPECT_EQ(received, lines(20'000) + "250 ok\r\n");
}

TEST_P(Channel, reads_data_split_at_every_octet) {
  Pair ends(version_, credentials());
  ASSERT_TRUE(shake_hands(*ends.client, *ends.server));
  std::size_t length = 1;
  for (std::size_t split = 0; split <= length; ++split) {
    ends.client->send("MAIL FROM:<a@example.org>\r\n");
    ends.client->send("RCPT TO:<b@example.net>\r\n");
    const std::string wire = take(*ends.client);
    length = wire.size();
    std::string plaintext = feed(*ends.server, Octets(wire).substr(0, split)).plaintext;
    plaintext += feed(*ends.server, Octets(wire).substr(split)).plaintext;
    ASSERT_EQ(plaintext, "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n") << split;
  }
}

TEST_P(Channel, a_step_gives_one_record_at_the_most) {
  Pair ends(version_, credentials());
  ASSERT_TRUE(shake_hands(*ends.client, *ends.server));
  ends.client->send("one");
  ends.client->send("two");
  ends.server->receive(take(*ends.client));
  std::string plaintext;
  EXPECT_EQ(ends.server->step(plaintext), ChannelEvent::plaintext);
  EXPECT_EQ(plaintext, "one");
  EXPECT_EQ(ends.server->step(plaintext), ChannelEvent::plaintext);
  EXPECT_EQ(plaintext, "onetwo");
  EXPECT_EQ(ends.server->step(plaintext), ChannelEvent::wants_input);
}

TEST(Records, new_keys_in_the_middle_change_nothing) {
  BareClient client(priority_of("TLS1.3"));
  const auto server = gnutls::ServerChannels(server_credentials()).make();
  ASSERT_TRUE(client.shake_hands(*server));
  client.receive(take(*server));
  std::string received;
  for (int i = 0; i < 5; ++i) {
    must(gnutls_session_key_update(client.session(), GNUTLS_KU_PEER));
    std::string wire = client.take();
    wire += client.record("NOOP\r\n");
    const Worked worked = feed(*server, wire);
    EXPECT_EQ(worked.plaintext, "NOOP\r\n");
    EXPECT_EQ(worked.last, ChannelEvent::wants_input);
    server->send("250 ok\r\n");
    client.receive(take(*server));
    EXPECT_GT(client.read(&received), 0);
  }
  EXPECT_EQ(received, "250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n");
  EXPECT_EQ(feed(*server, client.close_notify()).last, ChannelEvent::close_notify);
}

TEST(Records, an_alert_of_TLS12_that_only_warns_changes_nothing_but_many_of_them_end_the_layer) {
  BareClient client(priority_of("TLS1.2"));
  const auto server = gnutls::ServerChannels(server_credentials()).make();
  ASSERT_TRUE(client.shake_hands(*server));
  std::string wire = client.alert(GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION);
  wire += client.record("NOOP\r\n");
  const Worked worked = feed(*server, wire);
  EXPECT_EQ(worked.plaintext, "NOOP\r\n");
  EXPECT_EQ(worked.last, ChannelEvent::wants_input);
  wire.clear();
  for (int i = 0; i < 100; ++i) wire += client.alert(GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION);
  EXPECT_EQ(feed(*server, wire).last, ChannelEvent::broken);
  EXPECT_EQ(server->failure().event, tls::Event::alert);
  EXPECT_EQ(server->failure().detail, "no_renegotiation");
}

TEST(Records, a_renegotiation_is_refused) {
  BareClient client(priority_of("TLS1.2"));
  const auto server = gnutls::ServerChannels(server_credentials()).make();
  ASSERT_TRUE(client.shake_hands(*server));
  client.receive(take(*server));
  EXPECT_EQ(gnutls_handshake(client.session()), GNUTLS_E_AGAIN);
  const Worked worked = feed(*server, client.take());
  EXPECT_EQ(worked.last, ChannelEvent::broken);
  EXPECT_EQ(server->failure().event, tls::Event::alert);
  EXPECT_EQ(server->failure().detail, "no_renegotiation");
  client.receive(take(*server));
  EXPECT_EQ(gnutls_handshake(client.session()), GNUTLS_E_WARNING_ALERT_RECEIVED);
  EXPECT_EQ(gnutls_alert_get(client.session()), GNUTLS_A_NO_RENEGOTIATION);
  EXPECT_EQ(gnutls_handshake(client.session()), GNUTLS_E_FATAL_ALERT_RECEIVED) << "a warning alone ends nothing";
  EXPECT_EQ(gnutls_alert_get(client.session()), GNUTLS_A_HANDSHAKE_FAILURE);
}

TEST(Records, a_session_is_resumed_by_its_ticket_where_the_server_gives_one) {
  const Folder folder;
  const auto pem = gnutls::make_self_signed(kHost, 1).value();
  const std::vector<gnutls::CertificateFiles> files = {{folder.write("chain", pem.chain), folder.write("key", pem.key)}};
  for (const bool tickets : {true, false}) {
    const auto credentials = gnutls::make_server_credentials(files, "NORMAL", tickets).value();
    for (const std::string version : {"TLS1.2", "TLS1.3"}) {
      std::string resume;
      for (const bool again : {false, true}) {
        // Credentials are shared, factories and channels are not: as between two shards.
        const auto server = gnutls::ServerChannels(credentials).make();
        BareClient client(priority_of(version), resume);
        ASSERT_TRUE(client.shake_hands(*server));
        client.receive(take(*server));
        client.read();
        gnutls_datum_t data{};
        if ((gnutls_session_get_flags(client.session()) & GNUTLS_SFLAGS_SESSION_TICKET) != 0) {
          must(gnutls_session_get_data2(client.session(), &data));
          resume = text_and_free(data);
        }
        EXPECT_EQ(!resume.empty(), tickets) << version;
        EXPECT_EQ(server->info().resumed, tickets && again) << version;
        EXPECT_EQ(feed(*server, client.close_notify()).last, ChannelEvent::close_notify);
      }
    }
  }
}

TEST(Records, a_client_resumes_a_session_once_and_only_one_that_was_closed_in_order) {
  const Folder folder;
  const auto pem = gnutls::make_self_signed(kHost, 1).value();
  const std::string chain = folder.write("chain", pem.chain);
  gnutls::ServerChannels servers(
      gnutls::make_server_credentials({{chain, folder.write("key", pem.key)}}, "NORMAL", true).value());
  for (const std::string version : {"TLS1.2", "TLS1.3"}) {
    SCOPED_TRACE(version);
    const auto credentials = gnutls::make_client_credentials(priority_of(version), true, chain).value();
    const auto tickets = std::make_shared<gnutls::Tickets>();
    const auto resumes = [&](bool verify, bool in_order) {
      const auto client = gnutls::ClientChannels(credentials, kHost, verify, tickets).make();
      const auto server = servers.make();
      EXPECT_TRUE(shake_hands(*client, *server));
      EXPECT_EQ(client->info().peer_identity, verify ? kHost : "");
      EXPECT_EQ(client->info().resumed, server->info().resumed);
      if (in_order) client->close();
      return client->info().resumed;
    };
    EXPECT_FALSE(resumes(true, true));
    EXPECT_TRUE(resumes(true, true));
    EXPECT_TRUE(resumes(true, false));
    EXPECT_FALSE(resumes(true, false)) << "the one before was cut, and its ticket had been used";
    EXPECT_FALSE(resumes(false, true));
    EXPECT_FALSE(resumes(true, true)) << "what nobody verified vouches for nobody";
    EXPECT_TRUE(resumes(true, true));
  }
}

TEST(Records, R13_where_only_mutual_ends_may_be_resumed_one_that_was_unanswered_is_not) {
  const Folder folder;
  const auto pem = gnutls::make_self_signed(kHost, 1).value();
  gnutls::ServerChannels servers(
      gnutls::make_server_credentials({{folder.write("chain", pem.chain), folder.write("key", pem.key)}}, "NORMAL", true).value());
  for (const std::string version : {"TLS1.2", "TLS1.3"}) {
    for (const bool only_mutual : {true, false}) {
      SCOPED_TRACE(version + (only_mutual ? ", only mutual" : ""));
      const auto credentials = gnutls::make_client_credentials(priority_of(version), false).value();
      const auto tickets = std::make_shared<gnutls::Tickets>(only_mutual);
      enum class End { unanswered, theirs_last, theirs_first };
      const auto resumes = [&](End end) {
        const auto client = gnutls::ClientChannels(credentials, kHost, false, tickets).make();
        const auto server = servers.make();
        EXPECT_TRUE(shake_hands(*client, *server));
        if (end == End::theirs_first) {
          server->close();
          EXPECT_EQ(feed(*client, take(*server)).last, ChannelEvent::close_notify);
        }
        client->close();
        if (end == End::theirs_last) {
          server->close();
          EXPECT_EQ(feed(*client, take(*server)).last, ChannelEvent::close_notify);
        }
        return client->info().resumed;
      };
      EXPECT_FALSE(resumes(End::theirs_last));
      EXPECT_TRUE(resumes(End::theirs_first));
      EXPECT_TRUE(resumes(End::unanswered));
      EXPECT_EQ(resumes(End::unanswered), !only_mutual);
    }
  }
}

TEST(Records, tickets_of_many_hosts_stay_within_bounds) {
  gnutls::Tickets tickets;
  for (std::size_t i = 0; i < 2 * gnutls::Tickets::kHosts; ++i) tickets.put(std::to_string(i), true, "ticket");
  std::size_t held = 0;
  for (std::size_t i = 0; i < 2 * gnutls::Tickets::kHosts; ++i) held += tickets.take(std::to_string(i), true).size() / 6;
  EXPECT_EQ(held, gnutls::Tickets::kHosts);
}

TEST(Records, an_idle_layer_costs_at_most_twenty_kibibytes) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's heap is another";
#endif
  constexpr std::size_t kLayers = 200;
  for (const std::string version : {"TLS1.2", "TLS1.3"}) {
    std::vector<std::unique_ptr<tls::Channel>> servers;
    servers.reserve(kLayers);
    const auto credentials = server_credentials();
    {
      Pair warm(version, credentials);
      ASSERT_TRUE(shake_hands(*warm.client, *warm.server));
    }
    const std::size_t before = ::mallinfo2().uordblks;
    for (std::size_t i = 0; i < kLayers; ++i) {
      Pair ends(version, credentials);
      ASSERT_TRUE(shake_hands(*ends.client, *ends.server));
      ends.client->send(lines(50'000));
      feed(*ends.server, take(*ends.client));
      ends.server->send(lines(50'000));
      take(*ends.server);
      servers.push_back(std::move(ends.server));
    }
    const std::size_t each = (::mallinfo2().uordblks - before) / kLayers;
    RecordProperty(version == "TLS1.2" ? "TLS12" : "TLS13", static_cast<int>(each));
    EXPECT_LE(each, 20u * 1024) << version;
  }
}

}  // namespace
}  // namespace adieu::test
