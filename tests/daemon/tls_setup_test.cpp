// What the policy says about TLS, as two ends of a layer meet it.
#include "daemon/tls_setup.h"

#include <gnutls/gnutls.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "adieu/relay/config/load.h"
#include "io/gnutls/channel.h"
#include "support/recording_log.h"

namespace adieu::daemon {
namespace {
namespace fs = std::filesystem;

class TlsSetup : public testing::Test {
 protected:
  TlsSetup() {
    std::string name = (fs::temp_directory_path() / "adieu-tls-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    const gnutls::CertificatePem pem = *gnutls::make_self_signed("relay.example.org", 2);
    std::ofstream(directory_ / "chain.pem") << pem.chain;
    std::ofstream(directory_ / "key.pem") << pem.key;
  }
  ~TlsSetup() override { fs::remove_all(directory_); }

  /// Two layers one after the other, both closed in order; whether the second resumed the first's session.
  bool resumes(const std::string& listener, const std::string& more = {}) {
    const std::string policy = "hostname relay.example.org\nspool rocksdb spool\ncertificate default { chain chain.pem; key key.pem }\n"
                               "listen 127.0.0.1:2525 { tls optional; " + listener + " }\nnext-hop out { host 127.0.0.1:2526 }\n" + more;
    const config::Loaded loaded = config::load_text((directory_ / "adieu.conf").string(), policy);
    EXPECT_TRUE(loaded.config) << loaded.text();
    const auto servers = make_server_channels(*loaded.config, loaded.config->listeners.front(), log_);
    const auto clients = make_client_channels(*loaded.config, loaded.config->next_hops.front());
    EXPECT_TRUE(servers && clients);
    bool resumed = false;
    for (int layer = 0; layer < 2; ++layer) {
      const auto factory = (*clients)("relay.example.org");
      const auto client = factory->make();
      const auto server = (*servers)->make();
      bool closed = false;
      for (int turns = 0; turns < 50 && !closed; ++turns) {
        closed = turn(*client, *server);
        closed &= turn(*server, *client);
      }
      EXPECT_TRUE(closed);
      resumed = server->info().resumed;
    }
    return resumed;
  }

 private:
  /// Works on what came, answers a word with a word and close_notify with close_notify; hands all of it over. True: R was read.
  static bool turn(tls::Channel& from, tls::Channel& to) {
    bool closed = false;
    std::string plaintext;
    for (bool more = true; more;) {
      switch (from.step(plaintext)) {
        case tls::ChannelEvent::wants_input: more = false; break;
        case tls::ChannelEvent::established: from.send("word"); break;
        case tls::ChannelEvent::plaintext: from.close(); break;
        case tls::ChannelEvent::close_notify: closed = true; more = false; break;
        case tls::ChannelEvent::broken: ADD_FAILURE() << from.failure().detail; more = false; break;
      }
    }
    to.receive(from.output());
    from.consume_output(from.output().size());
    return closed;
  }

  fs::path directory_;
  test::RecordingLog log_;
};

/// RFC 9325 section 4.1 and 4.2.
TEST(TlsDefaults, offer_neither_RSA_key_transport_nor_finite_field_Diffie_Hellman_nor_CBC) {
  const auto loaded = config::load_text("adieu.conf", "hostname relay.example.org\nspool rocksdb spool\nlisten 127.0.0.1:2525\n");
  gnutls_priority_t priority = nullptr;
  ASSERT_TRUE(loaded.config) << loaded.text();
  ASSERT_EQ(gnutls_priority_init(&priority, loaded.config->tls.priority.c_str(), nullptr), GNUTLS_E_SUCCESS);
  int suites = 0;
  for (unsigned at = 0, index = 0; gnutls_priority_get_cipher_suite_index(priority, at, &index) != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE; ++at) {
    const char* name = gnutls_cipher_suite_info(index, nullptr, nullptr, nullptr, nullptr, nullptr);
    if (name == nullptr) continue;
    ++suites;
    const std::string suite = name;
    EXPECT_EQ(suite.find("CBC"), std::string::npos) << suite;
    EXPECT_NE(suite.rfind("TLS_RSA_", 0), 0u) << suite;
    EXPECT_NE(suite.rfind("TLS_DHE_", 0), 0u) << suite;
  }
  EXPECT_GE(suites, 8);
  gnutls_priority_deinit(priority);
}

TEST_F(TlsSetup, sessions_that_ended_in_order_are_resumed) { EXPECT_TRUE(resumes("")); }
TEST_F(TlsSetup, without_session_tickets_none_is) { EXPECT_FALSE(resumes("", "tls { session-tickets no }\n")); }
TEST_F(TlsSetup, R13_where_none_may_be_resumed_after_truncation_the_listener_gives_no_ticket) {
  EXPECT_FALSE(resumes("closure { resume-after-truncation no }"));
}

}  // namespace
}  // namespace adieu::daemon
