// What a dialogue cannot show: time, counts over layers, and how much of an input is read.
#include "adieu/protocol/smtp/server_session.h"

#include <gtest/gtest.h>

#include "support/session_shell.h"

namespace adieu::smtp {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class Session : public testing::Test {
 protected:
  Session() { profile.hostname = "relay.example.org"; }

  void begin(ServerLayer layer = {}, SessionCounts counts = {}) {
    session = std::make_unique<ServerSession>(profile, layer, now, counts);
    work();
  }
  void work() {
    for (;;) {
      ServerAction action = session->next_action();
      if (auto* question = std::get_if<Question>(&action)) {
        ++questions;
        session->answer(test::answer(std::move(*question), ledger));
        continue;
      }
      if (const auto* over = std::get_if<EndSession>(&action)) end = name(over->reason);
      said += session->output();
      const bool idle = session->output().empty();
      session->sent(session->output().size());
      if (idle || !end.empty()) return;
    }
  }
  /// What is said to these octets.
  std::string say(std::string_view octets) {
    said.clear();
    session->receive(octets, now);
    work();
    return said;
  }
  /// Up to the 354.
  void begin_data() {
    say("HELO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n");
    ASSERT_TRUE(said.ends_with("354 End data with <CR><LF>.<CR><LF>\r\n")) << said;
  }
  bool expires() {
    const Deadline when = session->deadline();
    if (!when || *when > now) return false;
    session->expire(now);
    work();
    return true;
  }

  ServerProfile profile;
  Instant now{};
  std::unique_ptr<ServerSession> session;
  test::Ledger ledger;
  std::string said;
  std::string end;
  int questions = 0;
};

TEST_F(Session, a_command_line_counts_from_its_first_octet) {
  begin();
  say("HELO c\r\n");
  now += minutes(4);
  const Instant began = now;
  EXPECT_EQ(session->deadline(), began + minutes(1)) << "for a command to begin";
  for (int i = 0; i < 100; ++i) {
    say("x");
    EXPECT_EQ(session->deadline(), began + profile.limits.command_timeout);
    now += seconds(2);
  }
  now = began + profile.limits.command_timeout;
  EXPECT_TRUE(expires());
  EXPECT_TRUE(said.ends_with("421 4.4.2 Timeout, closing the connection\r\n")) << said;
}

TEST_F(Session, a_command_line_that_is_too_long_already_has_no_more_time_either) {
  begin();
  const Instant began = now;
  for (int i = 0; i < 299; ++i) {
    say(std::string(1000, 'x'));
    now += seconds(1);
  }
  EXPECT_EQ(session->deadline(), began + profile.limits.command_timeout);
}

TEST_F(Session, a_line_that_begins_behind_another_counts_from_then) {
  begin();
  say("NO");
  now += minutes(4);
  say("OP\r\nNO");
  EXPECT_EQ(session->deadline(), now + profile.limits.command_timeout);
  now += minutes(1);
  say("OP\r\n");
  EXPECT_EQ(session->deadline(), now + profile.limits.command_timeout) << "time for the next command";
}

TEST_F(Session, mail_data_that_only_trickles_ends) {
  begin();
  begin_data();
  const Instant began = now;
  while (!expires()) {
    say("x");
    now += minutes(2);
    ASSERT_LT(now, began + minutes(60));
  }
  EXPECT_GE(now, began + kDataGrace * profile.limits.data_timeout);
  EXPECT_EQ(end, "timeout");
  session.reset();
  EXPECT_EQ(ledger.rolled_back, 1);
}

TEST_F(Session, mail_data_on_a_slow_line_may_take_its_time) {
  begin();
  begin_data();
  for (int i = 0; i < 1000; ++i) {
    say(std::string(998, 'x') + "\r\n");
    now += seconds(10);
    ASSERT_FALSE(expires()) << i;
  }
  EXPECT_TRUE(say(".\r\n").starts_with("250 ")) << said;
}

TEST_F(Session, a_chunk_that_only_trickles_ends) {
  begin();
  say("EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nBDAT 1000000\r\n");
  const Instant began = now;
  while (!expires()) {
    say("x");
    now += minutes(2);
    ASSERT_LT(now, began + minutes(60));
  }
  EXPECT_EQ(end, "timeout");
}

TEST_F(Session, our_limits_are_no_errors_of_the_client) {
  profile.limits.recipients = 2;
  profile.limits.errors = 3;
  begin();
  say("HELO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\n");
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(say("RCPT TO:<d" + std::to_string(i) + "@example.net>\r\n").starts_with("452 4.5.3 ")) << said;
  EXPECT_TRUE(say("DATA\r\nx\r\n.\r\n").starts_with("354 ")) << said;
  ASSERT_EQ(ledger.committed.size(), 1u) << "those that were accepted have the message";
  EXPECT_EQ(ledger.committed[0].forward_paths.size(), 2u);
  for (int i = 0; i < 20; ++i) {
    say("MAIL FROM:<full@example.org>\r\nRCPT TO:<later@example.net>\r\n");
    EXPECT_NE(said.find("451 4.3.0 "), std::string::npos) << said;
    say("RCPT TO:<b@example.net>\r\nDATA\r\nx\r\n.\r\n");
    EXPECT_NE(said.find("452 4.3.1 "), std::string::npos) << said;
  }
  EXPECT_EQ(session->standing().counts.errors, 0u);
  say("x\r\ny\r\n");
  EXPECT_EQ(end, "");
  say("z\r\n");
  EXPECT_EQ(end, "too many errors");
}

TEST_F(Session, what_a_client_has_sent_behind_a_command_that_is_put_off_is_no_error_of_its) {
  profile.limits.errors = 3;
  begin();
  say("EHLO c\r\n");
  for (int i = 0; i < 20; ++i) {
    say("MAIL FROM:<later@example.org>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\nDATA\r\n");
    EXPECT_NE(said.find("451 4.3.0 "), std::string::npos) << said;
    EXPECT_TRUE(said.ends_with("503 5.5.1 Send MAIL first\r\n")) << said;
    say("MAIL FROM:<a@example.org>\r\nRCPT TO:<later@example.net>\r\nDATA\r\nRSET\r\n");
    EXPECT_NE(said.find("554 5.5.1 No valid recipients\r\n"), std::string::npos) << said;
  }
  EXPECT_EQ(session->standing().counts.errors, 0u);
  say("MAIL FROM:<a@example.org>\r\nDATA\r\n");
  EXPECT_EQ(session->standing().counts.errors, 1u) << "nothing was put off here";
}

TEST_F(Session, the_same_recipient_again_is_accepted_and_kept_once) {
  profile.limits.recipients = 3;
  begin();
  say("HELO c\r\nMAIL FROM:<a@example.org>\r\n");
  for (const char* path : {"b@example.net", "b@EXAMPLE.net", "B@example.net", "\"b\"@example.net", "b@example.net"}) {
    EXPECT_EQ(say("RCPT TO:<" + std::string(path) + ">\r\n"), "250 2.1.5 Ok\r\n") << path;
  }
  const int asked = questions;
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(say("RCPT TO:<b@example.NET>\r\n"), "250 2.1.5 Ok\r\n");
  EXPECT_EQ(questions, asked);
  EXPECT_TRUE(say("RCPT TO:<d@example.net>\r\n").starts_with("452 ")) << "three are there";
  say("DATA\r\nx\r\n.\r\n");
  ASSERT_EQ(ledger.committed.size(), 1u);
  EXPECT_EQ(ledger.committed[0].forward_paths, (std::vector<std::string>{"b@example.net", "B@example.net", "\"b\"@example.net"}))
      << "the domain has no case, the local-part is its host's to compare";
  say("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<refused@example.net>\r\nRCPT TO:<refused@example.net>\r\n");
  EXPECT_EQ(questions, asked + 1 + 1 + 1 + 1 + 1 + 1) << "append, commit; another transaction knows nothing of the first; who was refused is asked about again";
}

TEST_F(Session, behind_a_refusal_mail_data_is_read_up_to_twice_the_limit) {
  profile.limits.message_size = 65'536;
  begin();
  begin_data();
  const std::string line = std::string(998, 'x') + "\r\n";
  std::size_t sent = 0;
  while (end.empty() && sent < 10 * profile.limits.message_size) {
    say(line);
    sent += line.size();
  }
  EXPECT_EQ(end, "too much mail data");
  EXPECT_TRUE(said.starts_with("421 4.7.0 Far more")) << said;
  EXPECT_GE(sent, 2 * profile.limits.message_size);
  EXPECT_LE(sent, 2 * profile.limits.message_size + line.size());
}

TEST_F(Session, so_it_is_with_chunks_with_those_that_are_out_of_order_and_with_nuls_that_are_dropped) {
  profile.limits.message_size = 65'536;
  profile.bare_newlines = BareNewlines::normalize;
  for (const std::string_view opening :
       {"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nBDAT 99999999999\r\n", "BDAT 99999999999\r\n",
        "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"}) {
    for (const char octet : {'x', '\0'}) {
      end.clear();
      begin();
      say("EHLO c\r\n" + std::string(opening));
      std::size_t sent = 0;
      while (end.empty() && sent < 10 * profile.limits.message_size) {
        say(std::string(1000, octet));
        sent += 1000;
      }
      EXPECT_EQ(end, "too much mail data") << opening;
      EXPECT_LE(sent, 2 * profile.limits.message_size + 1000);
    }
  }
}

TEST_F(Session, a_message_that_fits_is_never_cut_by_what_its_dots_cost_on_the_wire) {
  profile.limits.message_size = 90;
  begin();
  begin_data();
  std::string wire;
  for (int i = 0; i < 30; ++i) wire += "..\r\n";
  EXPECT_TRUE(say(wire + ".\r\n").starts_with("250 ")) << said;
}

TEST_F(Session, a_layer_beyond_the_limit_is_not_begun) {
  ServerLayer layer;
  layer.offers_starttls = true;
  profile.limits.layers = 100;
  begin(layer, {.layers = 99});
  EXPECT_TRUE(say("EHLO c\r\nSTARTTLS\r\n").ends_with("220 2.0.0 Ready to start TLS\r\n"));
  begin(layer, {.layers = 100});
  EXPECT_TRUE(say("EHLO c\r\nSTARTTLS\r\n").ends_with("421 4.7.0 Too many TLS layers on one connection, connect again\r\n")) << said;
  EXPECT_EQ(end, "too many TLS layers");
}

TEST_F(Session, a_name_longer_than_any_host_name_is_refused) {
  begin();
  EXPECT_EQ(say("EHLO " + std::string(256, 'a') + "\r\n").substr(0, 9), "501 5.5.4");
  EXPECT_EQ(say("HELO " + std::string(256, 'a') + "\r\n").substr(0, 9), "501 5.5.4");
  EXPECT_EQ(say("MAIL FROM:<a@example.org>\r\n").substr(0, 9), "503 5.5.1");
  EXPECT_EQ(say("EHLO " + std::string(255, 'a') + "\r\n").substr(0, 4), "250-");
}

TEST_F(Session, commands_as_devices_write_them_are_taken_unless_the_policy_says_no) {
  begin();
  EXPECT_EQ(say("HELO\r\n"), "250 relay.example.org\r\n");
  EXPECT_EQ(say("HELO My Printer\r\n"), "250 relay.example.org greets My Printer\r\n");
  EXPECT_EQ(say("MAIL FROM:  a@example.org\r\nRCPT TO :\tb@example.net\r\nDATA\r\nSubject: x\r\n.\r\n").substr(0, 9), "250 2.1.0");
  ASSERT_EQ(ledger.committed.size(), 1u);
  EXPECT_EQ(ledger.committed[0].reverse_path, "a@example.org");
  EXPECT_EQ(ledger.committed[0].forward_paths.at(0), "b@example.net");
  profile.lenient_commands = false;
  begin();
  EXPECT_EQ(say("HELO\r\n").substr(0, 3), "501");
  say("HELO c\r\n");
  EXPECT_EQ(say("MAIL FROM:  <a@example.org>\r\n").substr(0, 9), "501 5.1.7");
}

}  // namespace
}  // namespace adieu::smtp
