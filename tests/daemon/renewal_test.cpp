// R17: a client connection that renews its TLS layer, against our own server, which returns to plaintext, and against what may go wrong there.
#include <gtest/gtest.h>

#include "adieu/protocol/smtp/client_connection.h"
#include "daemon/wire.h"

namespace adieu::test {
namespace {
using namespace std::chrono_literals;

/// The client; the server at the other end; and one who stands between and may change what the server says in plaintext.
class Renewal {
 public:
  explicit Renewal(std::string_view version)
      : channels_(*gnutls::make_client_credentials(priority_for(version), false), "relay.example.org", false) {
    profile.session.hostname = "client.example";
    profile.channels = &channels_;
    profile.renew_after_messages = 2;
  }

  /// Sends `count` messages one after another; returns how many were delivered, and stops when the connection is over.
  int send(int count) {
    if (!client_) {
      server.start();
      client_ = std::make_unique<smtp::ClientConnection>(profile, now);
    }
    int delivered = 0;
    int sent = 0;
    for (int turns = 0; turns < 2000; ++turns) {
      auto action = std::exchange(ready_, false) ? smtp::ClientConnectionAction(smtp::Ready{}) : client_->next_action(now);
      for (tls::LayerEnd& end : client_->take_layer_ends()) ends.push_back(std::move(end));
      if (std::holds_alternative<smtp::Ready>(action)) {
        if (sent == count) {
          ready_ = true;
          return delivered;
        }
        ++sent;
        smtp::OutgoingMessage message;
        message.envelope.reverse_path = {"a", "example.org"};
        message.envelope.forward_paths = {{"b", "example.net"}};
        message.size = kMailData.size();
        client_->send(std::move(message), now);
      } else if (std::holds_alternative<smtp::WantsMailData>(action)) {
        client_->supply(kMailData, true);
      } else if (const auto* finished = std::get_if<smtp::Finished>(&action)) {
        outcomes.push_back(finished->outcomes.front());
        delivered += finished->outcomes.front().fate == smtp::Fate::delivered;
      } else if (std::holds_alternative<smtp::ClientClosed>(action)) {
        closed = true;
        return delivered;
      } else if (!exchange()) {
        if (!client_->deadline()) break;
        now = server.now = *client_->deadline();
        client_->expire(now);
      }
    }
    ADD_FAILURE() << "neither done nor closed";
    return delivered;
  }

  ServerEnd server;
  smtp::ClientConnectionProfile profile;
  std::vector<tls::LayerEnd> ends;
  std::vector<smtp::Outcome> outcomes;
  std::function<void(std::string&)> attacker;   // changes what goes to the client
  std::string in_plaintext;                     // what the client has said in the clear
  Instant now{};
  bool closed = false;
  bool cut = false;                             // nothing more comes to the client but FIN

 private:
  static constexpr std::string_view kMailData = "Subject: x\r\n\r\nbody\r\n";

  bool exchange() {
    const std::string out(client_->output());
    if (!out.empty()) {
      if (out.starts_with("EHLO") || out.starts_with("STARTTLS") || out.starts_with("MAIL")) in_plaintext += out;
      client_->sent(out.size(), now);
      server.receive(out);
    }
    std::string in = server.sent.substr(taken_);
    taken_ = server.sent.size();
    if (cut) in.clear();
    if (attacker) attacker(in);
    if (!in.empty()) client_->receive(in, now);
    if ((server.closed || cut) && in.empty() && !eof_) {
      eof_ = true;
      client_->receive_eof(now);
      return true;
    }
    return !out.empty() || !in.empty();
  }

  gnutls::ClientChannels channels_;
  std::unique_ptr<smtp::ClientConnection> client_;
  std::size_t taken_ = 0;
  bool eof_ = false;
  bool ready_ = false;
};

class Renewed : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Tls, Renewed, testing::Values("TLS1.2", "TLS1.3"), [](const auto& each) { return each.index == 0 ? "Tls12" : "Tls13"; });

TEST_P(Renewed, R17_each_layer_carries_as_many_messages_as_it_may_and_none_goes_in_the_clear) {
  Renewal renewal(GetParam());
  EXPECT_EQ(renewal.send(7), 7);
  EXPECT_FALSE(renewal.closed);
  EXPECT_EQ(renewal.server.ledger.committed.size(), 7u);
  ASSERT_EQ(renewal.server.secure_ends().size(), 3u);
  for (const tls::LayerEnd& end : renewal.server.secure_ends()) {
    EXPECT_EQ(end.ending, tls::Ending::mutual);
    EXPECT_EQ(end.effect, tls::Effect::none);
    EXPECT_EQ(end.transactions, 2u);
    EXPECT_FALSE(end.info.resumed);
  }
  int mutual = 0;
  for (const tls::LayerEnd& end : renewal.ends) mutual += end.secure && end.ending == tls::Ending::mutual && end.transactions == 2;
  EXPECT_EQ(mutual, 3);
  EXPECT_EQ(renewal.in_plaintext.find("MAIL"), std::string::npos);
}

TEST_P(Renewed, R17_a_layer_that_is_too_old_is_renewed_before_the_next_message) {
  Renewal renewal(GetParam());
  renewal.profile.renew_after_messages = 0;
  renewal.profile.renew_after = 10min;
  EXPECT_EQ(renewal.send(3), 3);
  EXPECT_TRUE(renewal.server.secure_ends().empty());
  renewal.now = renewal.server.now += 10min;
  EXPECT_EQ(renewal.send(1), 1);
  EXPECT_EQ(renewal.server.secure_ends().size(), 1u);
}

TEST_P(Renewed, R17_a_next_hop_that_does_not_offer_it_is_left_in_peace) {
  Renewal renewal(GetParam());
  renewal.server.profile.returns_to_plaintext = false;
  EXPECT_EQ(renewal.send(7), 7);
  EXPECT_TRUE(renewal.server.secure_ends().empty());
}

TEST_P(Renewed, R17_a_next_hop_that_ends_the_connection_gets_nothing_in_the_clear_and_the_message_waits) {
  Renewal renewal(GetParam());
  int seen = 0;
  renewal.attacker = [&](std::string&) {
    if (renewal.server.secure_ends().size() == 1 && seen++ == 0) renewal.server.receive_eof();
  };
  EXPECT_EQ(renewal.send(4), 2);
  EXPECT_TRUE(renewal.closed);
  ASSERT_EQ(renewal.outcomes.size(), 3u);
  EXPECT_EQ(renewal.outcomes[2].fate, smtp::Fate::deferred);
  EXPECT_FALSE(renewal.outcomes[2].may_have_arrived);
  EXPECT_EQ(renewal.server.ledger.committed.size(), 2u);
}

TEST_P(Renewed, R17_starttls_stripped_between_two_layers_ends_the_connection) {
  Renewal renewal(GetParam());
  renewal.attacker = [&](std::string& octets) {
    if (renewal.server.secure_ends().empty()) return;
    if (const std::size_t at = octets.find("STARTTLS"); at != std::string::npos) octets.replace(at, 8, "XXXXXXXX");
  };
  EXPECT_EQ(renewal.send(4), 2);
  EXPECT_TRUE(renewal.closed);
  EXPECT_EQ(renewal.outcomes.back().fate, smtp::Fate::deferred);
  EXPECT_FALSE(renewal.outcomes.back().may_have_arrived);
  EXPECT_EQ(renewal.in_plaintext.find("MAIL"), std::string::npos);
}

TEST_P(Renewed, R17_octets_behind_the_close_notify_of_the_next_hop_are_no_reply) {
  Renewal renewal(GetParam());
  renewal.attacker = [&](std::string& octets) {
    if (renewal.server.secure_ends().size() == 1 && !octets.empty()) octets += "250-x\r\n250 STARTTLS\r\n220 go\r\n";
  };
  EXPECT_EQ(renewal.send(4), 2);
  EXPECT_TRUE(renewal.closed);
  EXPECT_EQ(renewal.outcomes.back().fate, smtp::Fate::deferred);
  EXPECT_EQ(renewal.server.ledger.committed.size(), 2u);
}

TEST_P(Renewed, R17_a_next_hop_that_never_answers_our_close_notify_is_not_waited_for) {
  Renewal renewal(GetParam());
  renewal.attacker = [&](std::string& octets) {
    if (!renewal.server.secure_ends().empty()) octets.clear();
  };
  EXPECT_EQ(renewal.send(4), 2);
  EXPECT_TRUE(renewal.closed);
  EXPECT_EQ(renewal.now, Instant{} + renewal.profile.close_notify_timeout);
  EXPECT_EQ(renewal.ends.back().ending, tls::Ending::unanswered);
  EXPECT_EQ(renewal.outcomes.back().fate, smtp::Fate::deferred);
}

TEST_P(Renewed, R17_whatever_goes_wrong_between_two_layers_the_message_waits_and_nothing_of_it_is_said) {
  struct Wrong {
    std::string_view reply;    // how the server's begins, in the clear between two layers
    std::string instead;
    bool then_fin;
    std::string_view words;
  };
  for (const Wrong& wrong : {
           Wrong{"250-", "421 4.3.2 bye\r\n", false, ""},
           Wrong{"250-", "450 4.3.2 later\r\n", false, "refused in the reply to EHLO"},
           Wrong{"250-", "554 5.7.1 never\r\n", false, "TLS is required, and STARTTLS was not offered"},
           Wrong{"250-", "", true, "the next hop closed the connection while waiting for the reply to EHLO"},
           Wrong{"250-", "250-relay.example.org\r\n250 STARTTLS", true, "the next hop closed the connection while waiting for the reply to EHLO"},
           Wrong{"250-", "250-relay.example.org\r\n250 STARTTLS\r\n250 ok\r\n", false, "octets came before their command went"},
           Wrong{"220 ", "454 4.7.0 no\r\n", false, "TLS is required, and STARTTLS was refused"},
           Wrong{"220 ", "220 go\r\n250 ok\r\n", false, "octets behind the reply to STARTTLS"},
           Wrong{"220 ", "", true, "the next hop closed the connection while waiting for the reply to STARTTLS"},
           Wrong{"220 ", "220 go\r\n", true, "TLS handshake failed: "},
       }) {
    SCOPED_TRACE(wrong.instead + (wrong.then_fin ? "FIN" : ""));
    Renewal renewal(GetParam());
    bool done = false;
    renewal.attacker = [&](std::string& octets) {
      if (done || renewal.server.secure_ends().empty() || !octets.starts_with(wrong.reply)) return;
      done = true;
      octets = wrong.instead;
      renewal.cut = wrong.then_fin;
    };
    EXPECT_EQ(renewal.send(4), 2);
    EXPECT_TRUE(done);
    EXPECT_TRUE(renewal.closed);
    ASSERT_EQ(renewal.outcomes.size(), 3u);
    EXPECT_EQ(renewal.outcomes.back().fate, smtp::Fate::deferred);
    EXPECT_FALSE(renewal.outcomes.back().may_have_arrived);
    EXPECT_EQ(renewal.outcomes.back().detail.substr(0, wrong.words.size()), wrong.words);
    EXPECT_EQ(renewal.outcomes.back().reply.code, 0) << "the message goes by another connection at once";
    EXPECT_EQ(renewal.in_plaintext.find("MAIL"), std::string::npos);
    EXPECT_EQ(renewal.server.ledger.committed.size(), 2u);
    EXPECT_EQ(renewal.ends.front().ending, tls::Ending::mutual);
  }
}

}  // namespace
}  // namespace adieu::test
