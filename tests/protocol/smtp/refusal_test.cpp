// What a session hands to the log of what it refused: each refusal once, with what it was about, however the input was divided.
#include "adieu/protocol/smtp/refusal.h"

#include <gtest/gtest.h>

#include "support/session_shell.h"

namespace adieu::smtp {
namespace {

struct Told {
  std::string replies;
  std::string refusals;  // a line each
};

std::string line_of(const Refusal& refusal) {
  std::string line = std::to_string(refusal.reply.code) + " " + refusal.reply.status.text() + " " + std::string(refusal.command) + " helo=" + refusal.client_name;
  if (refusal.message.has_reverse_path) line += " from=" + refusal.message.reverse_path.text();
  for (const mail::Mailbox& to : refusal.message.forward_paths) line += " to=" + to.text();
  if (refusal.message.size != 0) line += " size=" + std::to_string(refusal.message.size);
  return line + (refusal.about_syntax() ? " syntax\n" : "\n");
}

Told talk(std::string_view input, std::size_t division, const ServerLayer& layer = {.greets = false}) {
  ServerProfile profile;
  profile.hostname = "relay.example.org";
  profile.limits.message_size = 65'536;
  profile.limits.recipients = 100;
  profile.limits.errors = 7;
  test::Ledger ledger;
  ServerSession session(profile, layer, Instant());
  Told told;
  const auto work = [&] {
    for (;;) {
      ServerAction action = session.next_action();
      for (const Refusal& refusal : session.take_refusals()) told.refusals += line_of(refusal);
      if (auto* question = std::get_if<Question>(&action)) {
        session.answer(test::answer(std::move(*question), ledger));
        continue;
      }
      if (session.output().empty()) return;
      told.replies += session.output();
      session.sent(session.output().size());
    }
  };
  work();
  for (; !input.empty(); input.remove_prefix(std::min(division, input.size()))) {
    session.receive(input.substr(0, division), Instant());
    work();
  }
  return told;
}

void expect(const std::string& input, const std::string& refusals, const ServerLayer& layer = {.greets = false}) {
  for (const std::size_t division : {input.size(), std::size_t{7}, std::size_t{1}}) EXPECT_EQ(talk(input, division, layer).refusals, refusals) << division;
}

constexpr const char* kStart = "EHLO c\r\nMAIL FROM:<a@example.org>\r\n";

TEST(Refusals, of_recipients_name_the_recipient_and_the_reverse_path) {
  expect(std::string(kStart) + "RCPT TO:<refused@example.net>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<later@example.net>\r\n",
         "550 5.7.1 RCPT helo=c from=a@example.org to=refused@example.net\n"
         "451 4.3.0 RCPT helo=c from=a@example.org to=later@example.net\n");
}

TEST(Refusals, of_messages_name_all_recipients_and_the_size) {
  expect("EHLO c\r\nMAIL FROM:<a@example.org> SIZE=70000\r\n", "552 5.3.4 MAIL helo=c from=a@example.org size=70000\n");
  expect(std::string(kStart) + "RCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\nDATA\r\nX: 1\r\n\r\na\nb\r\n.\r\n",
         "550 5.5.2 DATA helo=c from=a@example.org to=b@example.net to=c@example.net size=14\n");
  expect("EHLO c\r\nMAIL FROM:<full@example.org>\r\nRCPT TO:<b@example.net>\r\nBDAT 10 LAST\r\nX: 1\r\n\r\nb\n",
         "550 5.5.2 BDAT helo=c from=full@example.org to=b@example.net size=11\n");
  expect("EHLO c\r\nMAIL FROM:<full@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nX: 1\r\n\r\nab\r\n.\r\n",
         "452 4.3.1 DATA helo=c from=full@example.org to=b@example.net size=12\n");
}

TEST(Refusals, of_commands_that_make_no_sense_or_come_out_of_order_are_told_apart) {
  expect("MAIL FROM:<a@example.org>\r\nEHLO c\r\nWHAT\r\nRCPT TO:<b@example.net>\r\nMAIL FROM:<a@example.org>\r\nDATA\r\nRCPT TO:<@@>\r\n",
         "503 5.5.1 MAIL helo= from=a@example.org syntax\n"
         "500 5.5.2  helo=c syntax\n"
         "503 5.5.1 RCPT helo=c to=b@example.net syntax\n"
         "554 5.5.1 DATA helo=c syntax\n"
         "501 5.1.3 RCPT helo=c syntax\n");
}

TEST(Refusals, of_what_needs_tls_and_of_one_error_too_many_are_no_matter_of_syntax) {
  expect("EHLO c\r\nMAIL FROM:<a@example.org>\r\n", "530 5.7.0 MAIL helo=c from=a@example.org\n", {.offers_starttls = true, .requires_tls = true, .greets = false});
  const std::string refusals = talk("EHLO c\r\nWHAT\r\nWHAT\r\nWHAT\r\nWHAT\r\nWHAT\r\nWHAT\r\nWHAT\r\nWHAT\r\n", 7).refusals;
  EXPECT_NE(refusals.find("syntax\n421 4.7.0  helo=c\n"), std::string::npos) << refusals;
  EXPECT_TRUE(refusals.ends_with("421 4.7.0  helo=c\n")) << refusals;
}

TEST(Refusals, are_none_where_a_client_is_served_or_falls_silent) {
  expect(std::string(kStart) + "RCPT TO:<b@example.net>\r\nDATA\r\nab\r\n.\r\nNOOP\r\nQUIT\r\n", "");
  ServerProfile profile;
  ServerSession session(profile, {}, Instant());
  session.expire(*session.deadline());
  EXPECT_TRUE(session.output().ends_with("421 4.4.2 Timeout, closing the connection\r\n"));
  EXPECT_TRUE(session.take_refusals().empty());
}

}  // namespace
}  // namespace adieu::smtp
