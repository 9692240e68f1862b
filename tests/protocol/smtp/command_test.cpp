#include "adieu/protocol/smtp/command.h"

#include <gtest/gtest.h>

#include "adieu/protocol/smtp/reply_catalog.h"

namespace adieu::smtp::command {
namespace {

template <class T>
T parsed(std::string_view line) {
  auto result = parse(line);
  if (const auto* reply = std::get_if<Reply>(&result)) {
    ADD_FAILURE() << line << " -> " << reply->line();
    return {};
  }
  auto& found = std::get<Command>(result);
  if (!std::holds_alternative<T>(found)) {
    ADD_FAILURE() << line << " is another command";
    return {};
  }
  return std::get<T>(std::move(found));
}

std::string refusal(std::string_view line) {
  const auto result = parse(line);
  const auto* reply = std::get_if<Reply>(&result);
  return reply == nullptr ? "accepted" : std::to_string(reply->code) + " " + reply->status.text();
}

TEST(Command, mail_takes_paths_of_rfc_5321) {
  EXPECT_TRUE(parsed<Mail>("MAIL FROM:<>").reverse_path.is_null());
  EXPECT_EQ(parsed<Mail>("mail from:<a.b+c@example.org>").reverse_path.text(), "a.b+c@example.org");
  EXPECT_EQ(parsed<Mail>("MAIL FROM: <a@example.org>").reverse_path.domain, "example.org");
  EXPECT_EQ(parsed<Mail>("MAIL FROM:<\"a \\\" @b\"@example.org>").reverse_path.local_part, "\"a \\\" @b\"");
  EXPECT_EQ(parsed<Mail>("MAIL FROM:<a@[192.0.2.1]>").reverse_path.domain, "[192.0.2.1]");
  EXPECT_EQ(parsed<Mail>("MAIL FROM:<a@[IPv6:2001:db8::1]>").reverse_path.domain, "[IPv6:2001:db8::1]");
  EXPECT_EQ(parsed<Mail>("MAIL FROM:<@r1.example,@r2.example:a@example.org>").reverse_path.text(), "a@example.org");
}
TEST(Command, mail_refuses_what_is_no_path) {
  for (const char* path : {"a@example.org", "<a@example.org", "<a>", "<@example.org>", "<a@>", "<a@-x.org>", "<a@x-.org>", "<a@x..org>", "<.a@x.org>",
                           "<a.@x.org>", "<a b@x.org>", "<a@[1.2.3]>", "<a@[IPv6:1.2.3.4]>", "<a@[::1]>", "<a@x_y.org>", "<<a@x.org>>", "< a@x.org>", "<\"a@x.org>"}) {
    EXPECT_EQ(refusal(std::string("MAIL FROM:") + path), "501 5.1.7") << path;
  }
  EXPECT_EQ(refusal("MAIL FROM:<" + std::string(65, 'a') + "@x.org>"), "501 5.1.7");
  EXPECT_EQ(refusal("MAIL"), "501 5.5.4");
  EXPECT_EQ(refusal("MAIL TO:<a@x.org>"), "501 5.5.4");
}
TEST(Command, mail_takes_the_parameters_that_are_offered_and_no_others) {
  const Mail mail = parsed<Mail>("MAIL FROM:<a@x.org> SIZE=12345 BODY=8bitmime");
  EXPECT_EQ(mail.declared_size, 12345u);
  EXPECT_EQ(mail.body, mail::BodyType::eight_bit_mime);
  EXPECT_EQ(refusal("MAIL FROM:<a@x.org> SMTPUTF8"), "555 5.5.4");
  EXPECT_EQ(refusal("MAIL FROM:<a@x.org> SIZE=1 SIZE=2"), "501 5.5.4");
  EXPECT_EQ(refusal("MAIL FROM:<a@x.org> SIZE=-1"), "501 5.5.4");
  EXPECT_EQ(refusal("MAIL FROM:<a@x.org> SIZE=99999999999999999999999"), "501 5.5.4");
  EXPECT_EQ(refusal("MAIL FROM:<a@x.org> BODY=BINARYMIME"), "501 5.5.4");
  EXPECT_EQ(refusal("MAIL FROM:<a@x.org>SIZE=1"), "501 5.5.4");
}
TEST(Command, rcpt_knows_postmaster_without_a_domain_and_no_null_path) {
  EXPECT_EQ(parsed<Rcpt>("RCPT TO:<PostMaster>").forward_path.local_part, "PostMaster");
  EXPECT_EQ(parsed<Rcpt>("RCPT TO:<postmaster@x.org>").forward_path.domain, "x.org");
  EXPECT_EQ(refusal("RCPT TO:<>"), "501 5.1.3");
  EXPECT_EQ(refusal("RCPT TO:<root>"), "501 5.1.3");
  EXPECT_EQ(refusal("RCPT TO:<a@x.org> NOTIFY=NEVER"), "555 5.5.4");
}
TEST(Command, bdat_takes_a_size_and_perhaps_last) {
  EXPECT_EQ(parsed<Bdat>("BDAT 86").octets, 86u);
  EXPECT_FALSE(parsed<Bdat>("BDAT 86").last);
  EXPECT_TRUE(parsed<Bdat>("bdat 0 last").last);
  for (const char* line : {"BDAT", "BDAT x", "BDAT -1", "BDAT 1 FIRST", "BDAT 1LAST", "BDAT 99999999999999999999999"}) EXPECT_EQ(refusal(line), "501 5.5.4") << line;
}
TEST(Command, those_without_an_argument_take_none) {
  for (const char* line : {"DATA x", "RSET x", "QUIT x", "STARTTLS x"}) EXPECT_EQ(refusal(line), "501 5.5.4") << line;
  parsed<Quit>("quit ");
  parsed<Noop>("NOOP anything goes");
}
TEST(Command, a_greeting_needs_one_word) {
  EXPECT_EQ(parsed<Ehlo>("EHLO [127.0.0.1]").name, "[127.0.0.1]");
  EXPECT_EQ(refusal("EHLO"), "501 5.5.4");
  EXPECT_EQ(refusal("HELO a b"), "501 5.5.4");
}
TEST(Command, others_are_not_recognised) {
  for (const char* line : {"", " ", "MAILFROM:<a@x.org>", "EXPN list", "MAI", "\xff"}) EXPECT_EQ(refusal(line), "500 5.5.2") << line;
}
TEST(Mailbox, is_parsed_without_brackets) {
  EXPECT_TRUE(mail::parse_mailbox("a@example.org"));
  EXPECT_FALSE(mail::parse_mailbox("<a@example.org>"));
  EXPECT_FALSE(mail::parse_mailbox("a@example.org "));
  EXPECT_TRUE(mail::is_domain("mx-1.example.org"));
  EXPECT_FALSE(mail::is_domain("[127.0.0.1]"));
  EXPECT_FALSE(mail::is_domain(""));
}

}  // namespace
}  // namespace adieu::smtp::command
