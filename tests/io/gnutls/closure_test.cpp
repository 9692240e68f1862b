// What ends a TLS layer, as GnuTLS tells it: only an authenticated close_notify reads as one (R1, R8, R20).
#include <gtest/gtest.h>

#include "ends.h"

namespace adieu::test {
namespace {

class Closure : public testing::TestWithParam<std::string> {
 protected:
  const std::string version_ = GetParam();
};
INSTANTIATE_TEST_SUITE_P(Versions, Closure, testing::Values("TLS1.2", "TLS1.3"),
                         [](const auto& one) { return one.param == "TLS1.2" ? "TLS12" : "TLS13"; });

TEST_P(Closure, R4_both_directions_end_each_with_its_own_close_notify) {
  Pair ends(version_);
  ASSERT_TRUE(shake_hands(*ends.client, *ends.server));
  ends.client->send("QUIT\r\n");
  ends.client->close();
  const Worked served = feed(*ends.server, take(*ends.client));
  EXPECT_EQ(served.plaintext, "QUIT\r\n");
  EXPECT_EQ(served.last, ChannelEvent::close_notify);
  EXPECT_EQ(ends.server->unread(), 0u);
  if (version_ == "TLS1.3") ends.server->send("221 2.0.0 adieu\r\n");
  ends.server->close();
  const Worked closed = feed(*ends.client, take(*ends.server));
  EXPECT_EQ(closed.plaintext, version_ == "TLS1.3" ? "221 2.0.0 adieu\r\n" : "");
  EXPECT_EQ(closed.last, ChannelEvent::close_notify);
}

TEST_P(Closure, R7_close_notify_is_said_once) {
  Pair ends(version_);
  ASSERT_TRUE(shake_hands(*ends.client, *ends.server));
  ends.server->close();
  const std::size_t once = ends.server->output().size();
  EXPECT_GT(once, 0u);
  ends.server->close();
  EXPECT_EQ(ends.server->output().size(), once);
}

TEST_P(Closure, R7_what_still_comes_after_ours_is_read) {
  Pair ends(version_);
  ASSERT_TRUE(shake_hands(*ends.client, *ends.server));
  ends.server->close();
  ends.client->send("NOOP\r\n");
  ends.client->close();
  const Worked worked = feed(*ends.server, take(*ends.client));
  EXPECT_EQ(worked.plaintext, "NOOP\r\n");
  EXPECT_EQ(worked.last, ChannelEvent::close_notify);
}

TEST_P(Closure, R4_a_second_layer_begins_on_the_same_stream) {
  for (int layer = 0; layer < 3; ++layer) {
    Pair ends(version_);
    ASSERT_TRUE(shake_hands(*ends.client, *ends.server));
    ends.client->close();
    const std::string clear = "EHLO again\r\n";
    EXPECT_EQ(feed(*ends.server, take(*ends.client) + clear).last, ChannelEvent::close_notify);
    EXPECT_EQ(ends.server->unread(), clear.size());
    ends.server->close();
    EXPECT_EQ(feed(*ends.client, take(*ends.server) + "250 x").last, ChannelEvent::close_notify);
    EXPECT_EQ(ends.client->unread(), 5u);
  }
}

TEST_P(Closure, R4_octets_behind_close_notify_are_counted_exactly_however_they_look) {
  std::string as_record("\x17\x03\x03\x40\x00", 5);
  as_record.append(16'384, 'x');
  for (const std::string& behind :
       {std::string(), std::string("E"), std::string("EHLO\r\n"), std::string(40'000, 'z'), as_record}) {
    Pair ends(version_);
    ASSERT_TRUE(shake_hands(*ends.client, *ends.server));
    ends.client->send("RSET\r\n");
    ends.client->close();
    EXPECT_EQ(feed(*ends.server, take(*ends.client) + behind).last, ChannelEvent::close_notify);
    EXPECT_EQ(ends.server->unread(), behind.size());
  }
}

/// The client's whole stream (handshake, data, close_notify), of which the server gets the first `cut` octets and then FIN.
struct Cut {
  std::size_t whole = 0;  // octets of the stream, where `cut` lies behind it
  bool established = false;
  std::string plaintext;
  ChannelEvent last = ChannelEvent::wants_input;
  tls::ChannelFailure failure;
};
Cut cut_at(const std::string& version, std::size_t cut) {
  Pair ends(version);
  Cut result;
  std::size_t passed = 0;
  const auto pass = [&] {
    std::string wire = take(*ends.client);
    result.whole += wire.size();
    wire.resize(std::min(wire.size(), cut - std::min(cut, passed)));
    passed += wire.size();
    const Worked worked = feed(*ends.server, wire);
    result.established |= worked.established;
    result.plaintext += worked.plaintext;
    result.last = worked.last;
  };
  bool client_done = work(*ends.client).established;
  for (int flights = 0; flights < 8 && !(client_done && ends.client->output().empty()); ++flights) {
    pass();
    client_done |= feed(*ends.client, take(*ends.server)).established;
  }
  if (client_done) {
    ends.client->send("MAIL FROM:<>\r\n");
    pass();
    ends.client->close();
    pass();
  }
  if (result.last != ChannelEvent::close_notify) result.last = end(*ends.server).last;
  result.failure = ends.server->failure();
  return result;
}

TEST_P(Closure, R8_cut_by_FIN_at_every_octet_only_a_whole_close_notify_reads_as_one) {
  const Cut whole = cut_at(version_, ~std::size_t{0});
  ASSERT_EQ(whole.last, ChannelEvent::close_notify);
  ASSERT_GT(whole.whole, 100u);
  bool within = false;
  for (std::size_t cut = 0; cut < whole.whole; ++cut) {
    const Cut result = cut_at(version_, cut);
    ASSERT_EQ(result.last, ChannelEvent::broken) << cut;
    ASSERT_EQ(result.failure.event, tls::Event::fin) << cut << " " << result.failure.detail;
    ASSERT_TRUE(result.plaintext.empty() || result.plaintext == "MAIL FROM:<>\r\n") << cut;
    within |= result.established && result.failure.detail == "within a record";
  }
  EXPECT_TRUE(within) << "a cut inside a record is told from one between two";
}

TEST_P(Closure, R8_a_FIN_is_not_answered_with_an_alert) {
  Pair ends(version_);
  ASSERT_TRUE(shake_hands(*ends.client, *ends.server));
  EXPECT_EQ(end(*ends.server).last, ChannelEvent::broken);
  EXPECT_EQ(ends.server->output(), "");
  EXPECT_EQ(ends.server->failure().detail, "");
}

TEST_P(Closure, R8_no_flipped_bit_reads_as_plaintext_or_close_notify) {
  for (const bool closes : {false, true}) {
    std::size_t length = 1;
    for (std::size_t at = 0; at < length; ++at) {
      for (const unsigned mask : {1u, 2u, 4u, 8u, 16u, 32u, 64u, 128u, 255u}) {
        Pair ends(version_);
        ASSERT_TRUE(shake_hands(*ends.client, *ends.server));
        if (closes) {
          ends.client->close();
        } else {
          ends.client->send("DATA\r\n");
        }
        std::string record = take(*ends.client);
        length = record.size();
        record[at] = static_cast<char>(static_cast<unsigned char>(record[at]) ^ mask);
        Worked worked = feed(*ends.server, record);
        const bool needs_more = worked.last == ChannelEvent::wants_input;  // a length that has grown
        if (needs_more) worked = end(*ends.server);
        ASSERT_EQ(worked.plaintext, "") << at << " ^ " << mask;
        ASSERT_EQ(worked.last, ChannelEvent::broken) << at << " ^ " << mask;
        const tls::Event event = ends.server->failure().event;
        ASSERT_EQ(event, needs_more ? tls::Event::fin : tls::Event::corrupt) << at << " ^ " << mask;
        ends.server->close();
        std::string rest;
        ASSERT_EQ(ends.server->step(rest), ChannelEvent::broken);
      }
    }
  }
}

TEST_P(Closure, R8_a_corrupt_record_is_corrupt_though_a_FIN_came_with_it) {
  Pair ends(version_);
  ASSERT_TRUE(shake_hands(*ends.client, *ends.server));
  ends.server->receive(std::string("\x17\x03\x03\x00\x01x", 6));
  EXPECT_EQ(end(*ends.server).last, ChannelEvent::broken);
  EXPECT_EQ(ends.server->failure().event, tls::Event::corrupt);
}

TEST_P(Closure, R8_plaintext_where_a_record_was_due_is_corrupt) {
  Pair ends(version_);
  ASSERT_TRUE(shake_hands(*ends.client, *ends.server));
  EXPECT_EQ(feed(*ends.server, "QUIT\r\nQUIT\r\nQUIT\r\n").last, ChannelEvent::broken);
  EXPECT_EQ(ends.server->failure().event, tls::Event::corrupt);
}

TEST_P(Closure, R8_no_close_notify_follows_a_failure) {
  BareClient client(priority_of(version_));
  const auto server = gnutls::ServerChannels(server_credentials()).make();
  ASSERT_TRUE(client.shake_hands(*server));
  feed(*server, "QUIT\r\nQUIT\r\nQUIT\r\n");
  server->close();
  client.receive(take(*server));
  EXPECT_EQ(client.read(), GNUTLS_E_FATAL_ALERT_RECEIVED) << "the alert that the protocol asks for";
  EXPECT_LT(client.read(), 0);
}

TEST_P(Closure, R8_a_close_notify_in_the_clear_is_not_one) {
  Pair ends(version_);
  ASSERT_TRUE(shake_hands(*ends.client, *ends.server));
  EXPECT_EQ(feed(*ends.server, std::string("\x15\x03\x03\x00\x02\x01\x00", 7)).last, ChannelEvent::broken);
}

TEST_P(Closure, R8_a_record_played_twice_is_corrupt) {
  Pair ends(version_);
  ASSERT_TRUE(shake_hands(*ends.client, *ends.server));
  ends.client->send("RSET\r\n");
  const std::string record = take(*ends.client);
  EXPECT_EQ(feed(*ends.server, record).plaintext, "RSET\r\n");
  const Worked again = feed(*ends.server, record);
  EXPECT_EQ(again.plaintext, "");
  EXPECT_EQ(again.last, ChannelEvent::broken);
  EXPECT_EQ(ends.server->failure().event, tls::Event::corrupt);
}

TEST_P(Closure, R8_a_fatal_alert_is_told_by_its_name_and_not_answered) {
  BareClient client(priority_of(version_));
  const auto server = gnutls::ServerChannels(server_credentials()).make();
  ASSERT_TRUE(client.shake_hands(*server));
  EXPECT_EQ(feed(*server, client.alert(GNUTLS_AL_FATAL, GNUTLS_A_INTERNAL_ERROR)).last, ChannelEvent::broken);
  EXPECT_EQ(server->failure().event, tls::Event::alert);
  EXPECT_EQ(server->failure().detail, "internal_error");
  EXPECT_EQ(server->output(), "");
}

TEST_P(Closure, R1_a_close_notify_during_the_handshake_is_a_failure_at_every_stage) {
  const std::string alert("\x15\x03\x03\x00\x02\x01\x00", 7);
  {
    const auto server = gnutls::ServerChannels(server_credentials()).make();
    EXPECT_EQ(feed(*server, alert).last, ChannelEvent::broken) << "before the client's hello";
  }
  {
    Pair ends(version_);
    work(*ends.client);
    const Worked worked = feed(*ends.server, take(*ends.client) + alert);
    EXPECT_EQ(worked.last, ChannelEvent::broken) << "behind the client's hello";
    EXPECT_FALSE(worked.established);
  }
  {
    Pair ends(version_);
    work(*ends.client);
    EXPECT_EQ(feed(*ends.client, alert).last, ChannelEvent::broken) << "in the server's place";
  }
}

TEST_P(Closure, R1_an_alert_during_the_handshake_is_told_by_its_name_and_not_answered) {
  Pair ends(version_);
  work(*ends.client);
  take(*ends.client);
  EXPECT_EQ(feed(*ends.client, std::string("\x15\x03\x03\x00\x02\x02\x28", 7)).last, ChannelEvent::broken);
  EXPECT_EQ(ends.client->failure().event, tls::Event::alert);
  EXPECT_EQ(ends.client->failure().detail, "handshake_failure");
  EXPECT_EQ(ends.client->output(), "");
}

TEST_P(Closure, R1_cleartext_in_a_handshake_is_a_failure) {
  const auto server = gnutls::ServerChannels(server_credentials()).make();
  EXPECT_EQ(feed(*server, "EHLO client.example\r\n").last, ChannelEvent::broken);
}

TEST_P(Closure, R20_user_canceled_then_close_notify_is_R) {
  for (const bool together : {true, false}) {
    BareClient client(priority_of(version_));
    const auto server = gnutls::ServerChannels(server_credentials()).make();
    ASSERT_TRUE(client.shake_hands(*server));
    std::string wire = client.record("RSET\r\n");
    wire += client.alert(GNUTLS_AL_WARNING, GNUTLS_A_USER_CANCELED);
    std::string plaintext;
    if (!together) {
      const Worked first = feed(*server, wire);
      EXPECT_EQ(first.last, ChannelEvent::wants_input);
      plaintext = first.plaintext;
      wire.clear();
    }
    wire += client.close_notify() + "EHLO";
    const Worked worked = feed(*server, wire);
    EXPECT_EQ(plaintext + worked.plaintext, "RSET\r\n");
    EXPECT_EQ(worked.last, ChannelEvent::close_notify);
    EXPECT_EQ(server->unread(), 4u);
  }
}

TEST_P(Closure, R20_user_canceled_alone_is_not_R) {
  BareClient client(priority_of(version_));
  const auto server = gnutls::ServerChannels(server_credentials()).make();
  ASSERT_TRUE(client.shake_hands(*server));
  EXPECT_EQ(feed(*server, client.alert(GNUTLS_AL_WARNING, GNUTLS_A_USER_CANCELED)).last, ChannelEvent::wants_input);
  EXPECT_EQ(end(*server).last, ChannelEvent::broken);
  EXPECT_EQ(server->failure().event, tls::Event::fin);
}

/// TLS 1.3 only: user_canceled ends GnuTLS's own session object, what follows it does not.
struct Canceling {
  explicit Canceling(const std::string& cipher) : client("NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+" + cipher) {
    EXPECT_TRUE(client.shake_hands(*server));
  }
  /// The client's next record; `padding` octets of zero behind the content type, as Java sends them.
  std::string alert(const std::string& content, std::size_t padding = 0) {
    if (padding == 0) return gnutls::seal_record(client.session(), kAlertRecord, content).value();
    std::string inner = content;
    inner += static_cast<char>(kAlertRecord);
    return gnutls::seal_record(client.session(), 0, inner.append(padding - 1, '\0')).value();
  }

  std::unique_ptr<tls::Channel> server = gnutls::ServerChannels(server_credentials()).make();
  BareClient client;
};
class Canceled : public testing::TestWithParam<std::string> {
 protected:
  Canceling ends_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Ciphers, Canceled, testing::Values("AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305", "AES-128-CCM"),
                         [](const auto& one) {
                           std::string name = one.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST_P(Canceled, R20_padded_user_canceled_then_padded_close_notify_is_R) {
  std::string wire = ends_.alert(kUserCanceled, 100);
  wire += ends_.alert(kCloseNotify, 16'000);
  wire += "EHLO";
  EXPECT_EQ(feed(*ends_.server, wire).last, ChannelEvent::close_notify);
  EXPECT_EQ(ends_.server->unread(), 4u);
}

TEST_P(Canceled, R20_holds_octet_by_octet) {
  std::string wire = ends_.alert(kUserCanceled, 3);
  wire += ends_.alert(kCloseNotify, 5);
  for (std::size_t i = 0; i < wire.size(); ++i) {
    const ChannelEvent event = feed(*ends_.server, Octets(wire).substr(i, 1)).last;
    ASSERT_EQ(event, i + 1 < wire.size() ? ChannelEvent::wants_input : ChannelEvent::close_notify) << i;
  }
}

TEST_P(Canceled, R20_replies_and_our_close_notify_still_go_out) {
  ends_.client.receive(take(*ends_.server));
  std::string wire = ends_.alert(kUserCanceled);
  wire += ends_.alert(kCloseNotify);
  ends_.server->send("250 before\r\n");
  ASSERT_EQ(feed(*ends_.server, wire).last, ChannelEvent::close_notify);
  const std::string large(40'000, 'x');
  ends_.server->send("250 ok\r\n");
  ends_.server->send(large);
  ends_.server->close();
  ends_.server->close();
  ends_.client.receive(take(*ends_.server));
  std::string plaintext;
  long code = 0;
  do code = ends_.client.read(&plaintext);
  while (code > 0);
  EXPECT_EQ(code, 0) << "R: " << gnutls_strerror(static_cast<int>(code));
  EXPECT_EQ(plaintext, "250 before\r\n250 ok\r\n" + large);
}

TEST_P(Canceled, R20_ours_may_have_gone_before) {
  ends_.server->close();
  ends_.client.receive(take(*ends_.server));
  std::string wire = ends_.alert(kUserCanceled);
  wire += ends_.alert(kCloseNotify);
  ASSERT_EQ(feed(*ends_.server, wire).last, ChannelEvent::close_notify);
  ends_.server->close();
  EXPECT_EQ(ends_.server->output(), "");
  EXPECT_EQ(ends_.client.read(), 0);
}

TEST_P(Canceled, R20_cut_by_FIN_at_every_octet_of_the_close_notify_is_not_R) {
  const std::size_t length = ends_.alert(kCloseNotify).size();
  for (std::size_t cut = 0; cut < length; ++cut) {
    Canceling ends(GetParam());
    ASSERT_EQ(feed(*ends.server, ends.alert(kUserCanceled)).last, ChannelEvent::wants_input);
    ASSERT_EQ(feed(*ends.server, ends.alert(kCloseNotify).substr(0, cut)).last, ChannelEvent::wants_input);
    ASSERT_EQ(end(*ends.server).last, ChannelEvent::broken);
    ASSERT_EQ(ends.server->failure().event, tls::Event::fin);
    ends.server->close();
    ASSERT_EQ(ends.server->output(), "");
  }
}

TEST_P(Canceled, R20_a_forged_close_notify_is_not_R) {
  const std::size_t length = ends_.alert(kCloseNotify).size();
  for (std::size_t at = 0; at < length; ++at) {
    Canceling ends(GetParam());
    feed(*ends.server, ends.alert(kUserCanceled));
    std::string forged = ends.alert(kCloseNotify);
    forged[at] = static_cast<char>(forged[at] ^ 1);
    Worked worked = feed(*ends.server, forged);
    const bool needs_more = worked.last == ChannelEvent::wants_input;  // a length that has grown
    if (needs_more) worked = end(*ends.server);
    ASSERT_EQ(worked.last, ChannelEvent::broken) << at;
    ASSERT_EQ(ends.server->failure().event, needs_more ? tls::Event::fin : tls::Event::corrupt) << at;
  }
}

TEST_P(Canceled, R20_user_canceled_then_anything_else_is_not_R) {
  std::string data = ends_.alert(kUserCanceled);
  data += gnutls::seal_record(ends_.client.session(), 23, "QUIT\r\n").value();
  const Worked worked = feed(*ends_.server, data + ends_.alert(kCloseNotify));
  EXPECT_EQ(worked.plaintext, "");
  EXPECT_EQ(worked.last, ChannelEvent::broken);
}

TEST_P(Canceled, R20_user_canceled_then_a_close_notify_in_the_clear_is_not_R) {
  EXPECT_EQ(feed(*ends_.server, ends_.alert(kUserCanceled) + std::string("\x15\x03\x03\x00\x02\x01\x00", 7)).last,
            ChannelEvent::broken);
}

TEST_P(Canceled, R20_user_canceled_then_a_length_beyond_a_record_is_corrupt_at_once) {
  EXPECT_EQ(feed(*ends_.server, ends_.alert(kUserCanceled) + std::string("\x17\x03\x03\xff\xff", 5)).last, ChannelEvent::broken);
  EXPECT_EQ(ends_.server->failure().event, tls::Event::corrupt);
}

}  // namespace
}  // namespace adieu::test
