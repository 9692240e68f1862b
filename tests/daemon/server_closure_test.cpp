// The rules of adieu-closure(7) on the server's side, with real TLS records and a virtual clock. Every test is run with TLS 1.2 and 1.3.
#include <gtest/gtest.h>

#include "wire.h"

namespace adieu::test {
namespace {

using tls::Effect;
using tls::Ending;

class Closure : public Wire {};

TEST_P(Closure, R4_both_close_notify_lead_back_to_plaintext_and_a_second_layer_on_the_same_connection) {
  secure();
  EXPECT_NE(client.say(kMessage).find("queued"), std::string::npos);
  client.close();
  EXPECT_TRUE(client.got_close_notify);
  EXPECT_FALSE(server.closed);
  secure_again();
  EXPECT_NE(client.say("EHLO c\r\n" + std::string(kMessage)).find("queued"), std::string::npos);
  client.close();
  EXPECT_EQ(server.ledger.committed.size(), 2u);
  ASSERT_EQ(server.secure_ends().size(), 2u);
  for (const auto& end : server.secure_ends()) {
    EXPECT_EQ(end.ending, Ending::mutual);
    EXPECT_EQ(end.effect, Effect::none);
    EXPECT_EQ(end.transactions, 1u);
    EXPECT_EQ(end.info.version, GetParam());
  }
}

TEST_P(Closure, R4_a_connection_goes_through_a_hundred_layers) {
  secure();
  client.close();
  for (int layer = 1; layer < 100; ++layer) {
    secure_again();
    if (HasFatalFailure()) return;
    client.close();
    ASSERT_TRUE(client.got_close_notify);
  }
  EXPECT_EQ(server.secure_ends().size(), 100u);
  EXPECT_FALSE(server.closed);
}

TEST_P(Closure, R5_nothing_learned_inside_TLS_is_known_behind_it) {
  secure();
  client.say(kEnvelope);
  client.close();
  EXPECT_EQ(client.take_plain(), "") << "no greeting is sent";
  EXPECT_TRUE(client.say_plain("MAIL FROM:<a@example.org>\r\n").starts_with("503 5.5.1 Send EHLO"));
  EXPECT_TRUE(client.say_plain("RCPT TO:<b@example.net>\r\n").starts_with("503"));
}

TEST_P(Closure, R5_a_listener_that_requires_TLS_demands_it_again) {
  server.profile.tls = smtp::ServerTls::required;
  secure();
  client.close();
  client.say_plain("EHLO c\r\n");
  EXPECT_TRUE(client.say_plain("MAIL FROM:<a@example.org>\r\n").starts_with("530 5.7.0"));
}

TEST_P(Closure, R5_error_counters_stay) {
  server.profile.session.limits.errors = 3;
  secure();
  client.say("NONSENSE\r\nNONSENSE\r\n");
  client.close();
  EXPECT_NE(client.say_plain("NONSENSE\r\n").find("421 4.7.0"), std::string::npos);
  EXPECT_TRUE(server.closed);
}

TEST_P(Closure, R5_the_limit_on_messages_counts_over_layers) {
  server.profile.session.limits.transactions = 1;
  secure();
  client.say(kMessage);
  client.close();
  secure_again();
  EXPECT_TRUE(client.say("EHLO c\r\n").starts_with("250"));
  EXPECT_TRUE(client.say(kMessage).starts_with("421"));
  EXPECT_EQ(server.ledger.committed.size(), 1u);
}

TEST_P(Closure, R5_the_limit_on_layers_counts_over_layers_and_is_told) {
  server.profile.session.limits.layers = 2;
  secure();
  client.close();
  secure_again();
  client.close();
  client.say_plain("EHLO c\r\n");
  EXPECT_EQ(client.say_plain("STARTTLS\r\n"), "421 4.7.0 Too many TLS layers on one connection, connect again\r\n");
  EXPECT_TRUE(server.closed);
  EXPECT_EQ(server.secure_ends().size(), 2u);
  ASSERT_FALSE(server.ends.empty());
  EXPECT_TRUE(server.ends.back().over_limit);
  EXPECT_EQ(server.ends.back().detail, "too many TLS layers");
}

TEST_P(Closure, R9_mail_data_without_end_behind_a_refusal_ends_the_connection_with_S) {
  server.profile.session.limits.message_size = 65'536;
  secure();
  client.say("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n");
  std::string said;
  for (int i = 0; i < 200 && !server.closed && said.empty(); ++i) said = client.say(std::string(998, 'x') + "\r\n");
  EXPECT_TRUE(said.starts_with("421 4.7.0 ")) << said;
  client.read();
  EXPECT_TRUE(client.got_close_notify);
  server.receive_eof();
  ASSERT_EQ(server.secure_ends().size(), 1u);
  EXPECT_EQ(server.secure_ends()[0].effect, Effect::rolled_back);
  EXPECT_TRUE(server.secure_ends()[0].over_limit);
  EXPECT_EQ(server.ledger.open, 0);
}

TEST_P(Closure, R2_a_client_that_half_closes_behind_its_close_notify_gets_the_replies) {
  secure();
  client.put(kMessage);
  client.channel->close();
  server.receive(client.take_records());
  server.receive_eof();
  const std::string replies = client.read();
  EXPECT_EQ(server.ledger.committed.size(), 1u);
  EXPECT_NE(replies.find("queued"), std::string::npos);
  EXPECT_TRUE(client.got_close_notify);
  EXPECT_TRUE(server.closed) << "nobody is left to go on in plaintext";
  EXPECT_EQ(server.secure_ends().at(0).ending, Ending::mutual);
}

TEST_P(Closure, R2_what_came_before_their_close_notify_is_carried_out) {
  secure();
  client.put(kMessage);
  client.channel->close();
  const std::string replies = client.flush();
  EXPECT_EQ(server.ledger.committed.size(), 1u);
  EXPECT_NE(replies.find("queued"), std::string::npos);
  EXPECT_TRUE(client.got_close_notify);
  EXPECT_EQ(server.secure_ends().at(0).ending, Ending::mutual);
}

TEST_P(Closure, records_that_come_together_are_all_worked_on) {
  secure();
  client.say(std::string(kEnvelope) + "DATA\r\n");
  for (const char* part : {"hello\r\n", "world\r\n", ".\r\n", "NOOP\r\n"}) client.put(part);
  const std::string replies = client.flush();
  EXPECT_EQ(server.ledger.committed.size(), 1u);
  EXPECT_EQ(std::count(replies.begin(), replies.end(), '\n'), 2);
}

TEST_P(Closure, R2_a_commit_under_way_when_they_close) {
  server.holds_commit = true;
  secure();
  client.put(kMessage);
  client.channel->close();
  client.flush();
  ASSERT_TRUE(server.held);
  if (tls13()) {
    // Its reply is sent, then our close_notify.
    EXPECT_FALSE(client.got_close_notify);
    server.commit();
    EXPECT_NE(client.read().find("queued"), std::string::npos);
    EXPECT_EQ(server.ledger.committed.size(), 1u);
    EXPECT_EQ(server.secure_ends().at(0).effect, Effect::ack_unconfirmed) << "they closed before the reply went out";
  } else {
    // TLS 1.2 discards pending writes: the transaction is rolled back.
    EXPECT_EQ(server.ledger.open, 0);
    EXPECT_EQ(server.ledger.committed.size(), 0u);
    EXPECT_EQ(server.secure_ends().at(0).effect, Effect::rolled_back);
  }
  client.read();
  EXPECT_TRUE(client.got_close_notify);
  EXPECT_EQ(server.secure_ends().at(0).ending, Ending::mutual);
}

TEST_P(Closure, R6_policy_quit_ends_the_connection) {
  server.profile.returns_to_plaintext = false;
  secure();
  EXPECT_EQ(client.say("EHLO c\r\n").find("XTLSRETURN"), std::string::npos);
  client.close();
  EXPECT_TRUE(client.got_close_notify);
  EXPECT_TRUE(server.closed);
}

TEST_P(Closure, R6_a_quit_with_their_close_notify_in_one_segment_is_answered) {
  secure();
  client.put("QUIT\r\n");
  client.channel->close();
  EXPECT_TRUE(client.flush().starts_with("221"));
  EXPECT_TRUE(client.got_close_notify);
  EXPECT_TRUE(server.closed);
  EXPECT_EQ(server.secure_ends().at(0).ending, Ending::mutual);
  EXPECT_EQ(server.secure_ends().at(0).effect, Effect::after_quit);
}

TEST_P(Closure, R6_an_implicit_TLS_listener_ends_the_connection) {
  server.profile.tls = smtp::ServerTls::implicit;
  server.start();
  ASSERT_TRUE(client.begin_tls());
  EXPECT_TRUE(client.flush().starts_with("220 "));
  client.close();
  EXPECT_TRUE(client.got_close_notify);
  EXPECT_TRUE(server.closed);
}

TEST_P(Closure, R7_after_quit_ours_is_sent_and_theirs_awaited) {
  secure();
  EXPECT_TRUE(client.say("QUIT\r\n").starts_with("221"));
  EXPECT_TRUE(client.got_close_notify);
  EXPECT_FALSE(server.closed);
  client.close();
  EXPECT_TRUE(server.closed);
  EXPECT_EQ(server.secure_ends().at(0).ending, Ending::mutual);
  EXPECT_EQ(server.secure_ends().at(0).effect, Effect::after_quit);
}

TEST_P(Closure, R7_theirs_is_awaited_for_a_bounded_time) {
  secure();
  client.say("QUIT\r\n");
  const Instant before = server.now;
  server.expire();
  EXPECT_TRUE(server.closed);
  EXPECT_EQ(server.now - before, server.profile.close_notify_timeout);
  EXPECT_EQ(server.secure_ends().at(0).ending, Ending::unanswered);
}

TEST_P(Closure, R7_no_TLS_connection_that_works_ends_without_ours) {
  for (const char* how : {"timeout", "errors", "shutdown", "transactions"}) {
    ServerEnd other;
    other.profile.session.limits.errors = 2;
    other.profile.session.limits.transactions = 1;
    other.start();
    ClientEnd peer(other, GetParam());
    peer.say_plain("EHLO c\r\nSTARTTLS\r\n");
    ASSERT_TRUE(peer.begin_tls());
    peer.say("EHLO c\r\n" + std::string(kMessage));
    if (how == std::string("timeout")) {
      other.now = *other.connection->deadline();
      other.connection->expire(other.now);
      other.work();
    } else if (how == std::string("errors")) {
      peer.say("X\r\nX\r\n");
    } else if (how == std::string("shutdown")) {
      other.connection->shut_down(other.now);
      other.work();
    } else {
      peer.say(kMessage);
    }
    peer.read();
    EXPECT_TRUE(peer.got_close_notify) << how;
    other.expire();
    EXPECT_TRUE(other.closed) << how;
    EXPECT_EQ(other.secure_ends().at(0).ending, Ending::unanswered) << how;
  }
}

TEST_P(Closure, R7_a_shutdown_whose_time_is_over_says_ours_and_rolls_back) {
  for (const bool committing : {false, true}) {
    ServerEnd other;
    other.holds_commit = committing;
    other.start();
    ClientEnd peer(other, GetParam());
    peer.say_plain("EHLO c\r\nSTARTTLS\r\n");
    ASSERT_TRUE(peer.begin_tls());
    peer.say("EHLO c\r\n" + (committing ? std::string(kMessage) : std::string(kEnvelope) + "DATA\r\nhalf"));
    other.connection->cut(other.now);
    other.work();
    EXPECT_NE(peer.read().find("421 4.3.2"), std::string::npos) << committing;
    EXPECT_TRUE(peer.got_close_notify) << committing;
    EXPECT_EQ(other.ledger.open, 0) << committing;
    EXPECT_EQ(other.ledger.committed.size(), 0u) << committing;
    other.connection->give_up(other.now);
    other.work();
    EXPECT_TRUE(other.closed) << committing;
    ASSERT_EQ(other.secure_ends().size(), 1u) << committing;
    EXPECT_EQ(other.secure_ends().at(0).ending, Ending::unanswered) << committing;
    EXPECT_EQ(other.secure_ends().at(0).effect, Effect::rolled_back) << committing;
  }
}

TEST_P(Closure, R7_what_a_cut_cannot_hand_over_is_given_up_and_told) {
  secure();
  client.say(std::string(kEnvelope) + "DATA\r\n");
  server.room = 0;
  server.connection->cut(server.now);
  server.work();
  server.connection->give_up(server.now);
  server.work();
  EXPECT_TRUE(server.closed);
  ASSERT_EQ(server.secure_ends().size(), 1u);
  EXPECT_EQ(server.secure_ends().at(0).ending, Ending::timeout);
  EXPECT_EQ(server.secure_ends().at(0).effect, Effect::rolled_back);
}

TEST_P(Closure, R8_a_record_that_fails_authentication_breaks_the_layer_and_nothing_more_is_answered) {
  secure();
  client.put(kMessage);
  std::string out(client.channel->output());
  out[out.size() - 3] = static_cast<char>(out[out.size() - 3] ^ 1);
  server.receive(out);
  EXPECT_TRUE(server.closed);
  EXPECT_EQ(server.ledger.committed.size(), 0u);
  EXPECT_EQ(server.secure_ends().at(0).ending, Ending::corrupt);
}

TEST_P(Closure, R9_fin_in_the_middle_of_mail_data_rolls_back) {
  secure();
  client.say(std::string(kEnvelope) + "DATA\r\n");
  client.say("half");
  EXPECT_EQ(server.ledger.open, 1);
  server.receive_eof();
  EXPECT_EQ(server.ledger.open, 0);
  EXPECT_EQ(server.secure_ends().at(0).ending, Ending::fin);
  EXPECT_EQ(server.secure_ends().at(0).effect, Effect::rolled_back);
}

TEST_P(Closure, R10_a_message_whose_250_was_not_handed_over_is_revoked) {
  secure();
  client.say(std::string(kEnvelope) + "DATA\r\n");
  server.room = 0;
  client.say("hello\r\n.\r\n");
  server.receive_reset();
  EXPECT_TRUE(server.closed);
  EXPECT_EQ(server.ledger.committed.size(), 0u);
  EXPECT_EQ(server.ledger.revoked, 1);
  EXPECT_EQ(server.secure_ends().at(0).effect, Effect::revoked);
}

TEST_P(Closure, R10_a_commit_that_ends_after_its_connection_did_is_dropped) {
  server.holds_commit = true;
  secure();
  client.say(kMessage);
  ASSERT_TRUE(server.held);
  server.receive_reset();
  EXPECT_EQ(server.ledger.open, 0);
  EXPECT_EQ(server.ledger.committed.size(), 0u);
}

TEST_P(Closure, R11_a_message_whose_250_was_handed_over_stays_and_is_marked) {
  secure();
  client.say(kMessage);
  server.receive_eof();
  EXPECT_EQ(server.ledger.committed.size(), 1u);
  EXPECT_EQ(server.secure_ends().at(0).effect, Effect::ack_unconfirmed);
  ASSERT_EQ(server.secure_ends().at(0).messages.size(), 1u);
  EXPECT_EQ(server.secure_ends().at(0).messages[0].queue_id, "ID");
  EXPECT_EQ(server.secure_ends().at(0).messages[0].reverse_path.text(), "a@example.org");
}

TEST_P(Closure, the_record_names_what_was_cut_and_of_a_session_that_ended_well_nothing) {
  secure();
  client.say(std::string(kEnvelope) + "DATA\r\nhalf of it\r\n");
  server.receive_eof();
  ASSERT_EQ(server.secure_ends().at(0).effect, Effect::rolled_back);
  ASSERT_EQ(server.secure_ends().at(0).messages.size(), 1u);
  const mail::MessageSummary cut = server.secure_ends().at(0).messages[0];
  EXPECT_EQ(cut.forward_paths.at(0).text(), "b@example.net");
  EXPECT_EQ(cut.size, 14u) << "with the empty line in front of a text without a header";
  ServerEnd other;
  other.start();
  ClientEnd peer(other, GetParam());
  peer.say_plain("EHLO c\r\n");
  peer.say_plain("STARTTLS\r\n");
  ASSERT_TRUE(peer.begin_tls());
  peer.say("EHLO c\r\n" + std::string(kMessage));
  peer.say("QUIT\r\n");
  other.receive_eof();
  ASSERT_EQ(other.secure_ends().size(), 1u);
  EXPECT_TRUE(other.secure_ends()[0].messages.empty());
}

TEST_P(Closure, R11_a_later_authenticated_octet_confirms_it) {
  secure();
  client.say(kMessage);
  client.say("NOOP\r\n");
  server.receive_eof();
  EXPECT_EQ(server.secure_ends().at(0).effect, Effect::none);
}

TEST_P(Closure, R11_a_quit_that_came_before_the_250_was_said_confirms_nothing) {
  server.holds_commit = true;
  secure();
  client.say(std::string(kMessage) + "QUIT\r\n");
  server.commit();
  server.receive_eof();
  ASSERT_EQ(server.ledger.committed.size(), 1u);
  EXPECT_EQ(server.secure_ends().at(0).effect, Effect::ack_unconfirmed);
  EXPECT_EQ(server.ledger.unconfirmed, 1);
}

TEST_P(Closure, R11_a_close_notify_that_was_read_before_the_250_was_handed_over_confirms_nothing) {
  if (!tls13()) return;  // TLS 1.2 drops the reply: R2_a_commit_under_way_when_they_close
  server.holds_commit = true;
  secure();
  client.put(kMessage);
  client.close();
  server.commit();
  ASSERT_EQ(server.secure_ends().size(), 1u);
  EXPECT_EQ(server.secure_ends().at(0).ending, Ending::mutual);
  EXPECT_EQ(server.secure_ends().at(0).effect, Effect::ack_unconfirmed);
  EXPECT_EQ(server.ledger.committed.size(), 1u);
  EXPECT_EQ(server.ledger.unconfirmed, 1);
}

TEST_P(Closure, R11_a_close_notify_behind_the_250_confirms_it) {
  secure();
  client.say(kMessage);
  client.close();
  ASSERT_EQ(server.secure_ends().size(), 1u);
  EXPECT_EQ(server.secure_ends().at(0).effect, Effect::none);
  EXPECT_EQ(server.ledger.unconfirmed, 0);
}

TEST_P(Closure, R11_octets_that_wait_in_our_memory_when_the_250_is_handed_over_confirm_nothing) {
  server.holds_commit = true;
  secure();
  std::string pipelined(kMessage);
  for (int i = 0; i < 40'000; ++i) pipelined += "NOOP\r\n";  // more than the session takes while the commit is under way
  client.say(pipelined);
  server.commit();
  server.receive_eof();
  EXPECT_EQ(server.ledger.unconfirmed, 1);
  EXPECT_EQ(server.secure_ends().at(0).effect, Effect::ack_unconfirmed);
}

TEST_P(Closure, R11_what_is_said_behind_an_answered_quit_confirms_what_stood_before_it) {
  server.holds_commit = true;
  secure();
  client.say(std::string(kMessage) + "QUIT\r\n");
  server.commit();
  client.say("NOOP\r\n");  // read and discarded (R7), but a word of the client
  server.receive_eof();
  EXPECT_EQ(server.ledger.unconfirmed, 0);
  EXPECT_EQ(server.secure_ends().at(0).effect, Effect::after_quit);
}

TEST_P(Closure, R11_of_two_messages_only_that_is_marked_whose_250_was_handed_over_behind_the_last_word) {
  secure();
  client.say(kMessage);
  client.say(kMessage);
  server.receive_eof();
  ASSERT_EQ(server.ledger.committed.size(), 2u);
  EXPECT_EQ(server.ledger.unconfirmed, 1);
}

TEST_P(Closure, R11_a_message_is_marked_though_the_next_one_rolls_back) {
  server.holds_commit = true;
  secure();
  client.say(std::string(kMessage) + std::string(kEnvelope));
  server.commit();
  server.receive_eof();
  ASSERT_EQ(server.ledger.committed.size(), 1u);
  EXPECT_EQ(server.secure_ends().at(0).effect, Effect::rolled_back);
  EXPECT_EQ(server.ledger.unconfirmed, 1);
}

TEST_P(Closure, R11_in_plaintext_our_own_421_confirms_nothing) {
  for (const char* how : {"timeout", "shutdown", "quit"}) {
    ServerEnd other;
    other.holds_commit = how == std::string("quit");
    other.start();
    ClientEnd peer(other, GetParam());
    peer.say_plain("EHLO c\r\n" + std::string(kMessage) + (other.holds_commit ? "QUIT\r\n" : ""));
    if (other.holds_commit) {
      other.commit();  // the QUIT stood behind the message: whoever said it may have gone before the 250
    } else if (how == std::string("timeout")) {
      other.expire();
    } else {
      other.connection->shut_down(other.now);
      other.work();
    }
    EXPECT_TRUE(other.closed) << how;
    EXPECT_EQ(other.ledger.committed.size(), 1u) << how;
    EXPECT_EQ(other.ledger.unconfirmed, 1) << how;
  }
}

TEST_P(Closure, the_record_of_a_handshake_that_failed_tells_nothing_of_the_plaintext_before_it) {
  server.start();
  client.say_plain("EHLO c\r\n");
  client.say_plain(std::string(kMessage) + "STARTTLS\r\n");
  server.receive_eof();
  ASSERT_EQ(server.secure_ends().size(), 1u);
  EXPECT_EQ(server.secure_ends().at(0).ending, Ending::handshake);
  EXPECT_EQ(server.secure_ends().at(0).effect, Effect::none);
  EXPECT_EQ(server.secure_ends().at(0).transactions, 0u);
  EXPECT_EQ(server.ledger.unconfirmed, 1) << "the message may still be unconfirmed (R11)";
}

TEST_P(Closure, R6_a_shutdown_before_the_handshake_is_not_forgotten_behind_it) {
  for (const bool in_transaction : {false, true}) {
    ServerEnd other;
    other.start();
    ClientEnd peer(other, GetParam());
    peer.say_plain("EHLO c\r\n");
    if (in_transaction) {
      peer.say_plain(kEnvelope);
      other.connection->shut_down(other.now);
      other.work();
      peer.say_plain("STARTTLS\r\n");
    } else {
      other.room = 0;
      peer.say_plain("STARTTLS\r\n");
      other.connection->shut_down(other.now);
      other.room = ~std::size_t{0};
      other.work();
    }
    EXPECT_TRUE(other.closed) << in_transaction;
    EXPECT_EQ(other.ledger.open, 0) << in_transaction;
  }
}

TEST_P(Closure, R1_an_alert_during_a_handshake_ends_the_connection) {
  server.start();
  client.say_plain("EHLO c\r\nSTARTTLS\r\n");
  // close_notify in the clear, as anybody on the way could write it.
  server.receive(std::string("\x15\x03\x03\x00\x02\x01\x00", 7) + "EHLO injected\r\n");
  EXPECT_TRUE(server.closed);
  EXPECT_EQ(server.secure_ends().at(0).ending, Ending::handshake);
}

TEST_P(Closure, R1_a_handshake_has_its_time) {
  server.start();
  client.say_plain("EHLO c\r\nSTARTTLS\r\n");
  server.expire();
  EXPECT_TRUE(server.closed);
  EXPECT_EQ(server.secure_ends().at(0).ending, Ending::handshake);
}

TEST_P(Closure, R9_plaintext_connections_roll_back_and_revoke_too) {
  server.start();
  client.say_plain("EHLO c\r\n" + std::string(kEnvelope) + "DATA\r\n");
  client.say_plain("half\r\n");
  server.receive_eof();
  EXPECT_EQ(server.ledger.rolled_back, 1);
  EXPECT_TRUE(server.closed);
}

/// One short message over the whole way, cut at every octet that the client sends, by FIN and by RST.
/// A transport that takes a part of the 250 only: never kept.
TEST_P(Closure, R10_cut_at_every_octet_of_the_reply) {
  for (std::size_t taken = 0; taken < 100; ++taken) {
    ServerEnd other;
    other.start();
    ClientEnd peer(other, GetParam());
    peer.say_plain("EHLO c\r\n");
    peer.say_plain("STARTTLS\r\n");
    ASSERT_TRUE(peer.begin_tls());
    peer.say("EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n");
    const std::size_t before = other.sent.size();
    other.room = taken;
    peer.say("hello\r\n.\r\n");
    const bool whole = other.connection->output().empty();
    const bool handed_over = whole && other.sent.size() - before <= taken;
    other.receive_reset();
    ASSERT_EQ(other.ledger.committed.size(), handed_over ? 1u : 0u) << taken << " octets taken";
    ASSERT_EQ(other.ledger.revoked, handed_over ? 0 : 1) << taken;
    if (handed_over) return;
  }
  FAIL() << "the reply was never whole";
}

INSTANTIATE_TEST_SUITE_P(Versions, Closure, testing::Values("TLS1.2", "TLS1.3"), [](const auto& one) {
  return one.param == "TLS1.2" ? "tls12" : "tls13";
});

}  // namespace
}  // namespace adieu::test
