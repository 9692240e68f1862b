#include "adieu/protocol/smtp/command.h"

#include <gtest/gtest.h>

#include "adieu/protocol/smtp/reply_catalog.h"

namespace adieu::smtp::command {
namespace {

template <class T>
T parsed(std::string_view line, Syntax syntax = Syntax::strict) {
  auto result = parse(line, syntax);
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

std::string refusal(std::string_view line, Syntax syntax = Syntax::strict) {
  const auto result = parse(line, syntax);
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
  EXPECT_EQ(refusal("MAIL FROM:<a@" + std::string(256, 'a') + ">"), "501 5.1.7") << "section 4.5.3.1.2";
  EXPECT_EQ(refusal("MAIL"), "501 5.5.4");
  EXPECT_EQ(refusal("MAIL TO:<a@x.org>"), "501 5.5.4");
}
TEST(Command, a_local_part_is_as_long_as_the_line_allows) {
  const std::string local_part = "bounces+" + std::string(1500, 'a') + "=example.net";
  EXPECT_EQ(parsed<Mail>("MAIL FROM:<" + local_part + "@x.org>").reverse_path.local_part, local_part);
  EXPECT_EQ(parsed<Rcpt>("RCPT TO:<" + local_part + "@x.org>").forward_path.local_part, local_part);
  EXPECT_EQ(parsed<Rcpt>("RCPT TO:<\"" + std::string(300, ' ') + "\"@x.org>").forward_path.local_part.size(), 302u);
  EXPECT_EQ(mail::parse_mailbox(local_part + "@x.org")->local_part, local_part);
}
TEST(Command, leniency_takes_what_devices_write_and_leaves_the_address_alone) {
  constexpr Syntax kLenient = Syntax::lenient;
  for (const char* line : {"MAIL FROM:  <A.b@Example.org>", "MAIL FROM:\t<A.b@Example.org>", "MAIL FROM: \t <A.b@Example.org>", "MAIL FROM :<A.b@Example.org>",
                           "MAIL FROM\t: <A.b@Example.org>", "MAIL\tFROM:<A.b@Example.org>", "MAIL FROM:A.b@Example.org", "MAIL FROM: A.b@Example.org ",
                           "mail from : A.b@Example.org\t"}) {
    EXPECT_EQ(parsed<Mail>(line, kLenient).reverse_path.text(), "A.b@Example.org") << line;
    const std::string strictly = refusal(line);
    EXPECT_TRUE(strictly == "501 5.1.7" || strictly == "501 5.5.4" || strictly == "500 5.5.2") << line << " -> " << strictly;
  }
  EXPECT_EQ(parsed<Mail>("MAIL FROM:a@x.org SIZE=5\tBODY=7BIT", kLenient).declared_size, 5u);
  EXPECT_TRUE(parsed<Mail>("MAIL FROM:  <>", kLenient).reverse_path.is_null());
  EXPECT_EQ(parsed<Rcpt>("RCPT TO:\"a b\"@[192.0.2.1]", kLenient).forward_path.text(), "\"a b\"@[192.0.2.1]");
  EXPECT_EQ(parsed<Rcpt>("RCPT TO : Postmaster", kLenient).forward_path.text(), "Postmaster");
  EXPECT_EQ(parsed<Bdat>("BDAT\t86\tLAST", kLenient).octets, 86u);
  EXPECT_EQ(parsed<Helo>("HELO", kLenient).name, "");
  EXPECT_EQ(parsed<Helo>("HELO My Printer", kLenient).name, "My Printer");
  EXPECT_EQ(parsed<Ehlo>("EHLO\tprinter ", kLenient).name, "printer");
}
TEST(Command, leniency_takes_nothing_that_could_mean_two_things) {
  for (const char* path : {"", "<a@x.org", "a@x.org>", "<a@x.org> <b@x.org>", "a@x.org,b@x.org", "a@x.org b@x.org", "a@x.org;b@x.org", "< a@x.org>", "<a@x.org >",
                           "a b@x.org", "a @x.org", "a@ x.org", "\"Name\" <a@x.org>", "Name <a@x.org>", "@r.example:a@x.org", "a@x.org.", "<a\tb@x.org>",
                           "\"a\tb\"@x.org", "(comment) a@x.org", "a@x.org(comment)", "<<a@x.org>>", "a", "<a@x.org>SIZE=1", "SIZE=1"}) {
    for (const char* command : {"MAIL FROM:", "RCPT TO: "}) {
      const std::string got = refusal(std::string(command) + path, Syntax::lenient);
      EXPECT_TRUE(got.starts_with("501 ")) << command << path << " -> " << got;
    }
  }
  EXPECT_EQ(refusal("MAIL FROM:postmaster", Syntax::lenient), "501 5.1.7") << "a reverse-path has a domain";
  EXPECT_EQ(refusal("MAIL FROM::<a@x.org>", Syntax::lenient), "501 5.1.7");
  EXPECT_EQ(refusal("MAIL FROM<a@x.org>", Syntax::lenient), "501 5.5.4");
  EXPECT_EQ(refusal("MAIL FR OM:<a@x.org>", Syntax::lenient), "501 5.5.4");
  EXPECT_EQ(refusal("BDAT 1LAST", Syntax::lenient), "501 5.5.4");
}
TEST(Command, costs_a_bounded_number_of_steps_for_each_octet_whatever_the_line_holds) {
  constexpr std::size_t kOctets = 20'000;
  const auto repeat = [](std::string_view unit) {
    std::string all;
    while (all.size() < kOctets) all += unit;
    return all;
  };
  for (const std::string_view unit : {"a", ".", "a.", "-", "a-", "--a", "@a,", "@", "<", "\"", "\\", "\\\"", "\"a\".", " ", "\t", " a", " a=b", " a=", "=", "[", "]", ":", "9", "\xff"}) {
    for (const std::string_view head : {"MAIL FROM:<", "MAIL FROM:", "MAIL FROM", "RCPT TO:<@", "RCPT TO:<a@", "RCPT TO:<\"", "RCPT TO:<a@[", "RCPT TO:<a@b>", "RCPT TO:a@b", "BDAT ", "EHLO ", ""}) {
      for (const std::string_view tail : {"", ">", "@b>", "\"@b>", "]>"}) {
        std::uint64_t steps = 0;
        const std::string line = std::string(head) + repeat(unit) + std::string(tail);
        parse(line, Syntax::lenient, &steps);
        EXPECT_LE(steps, 8 * line.size()) << head << unit << "…" << tail;
      }
    }
  }
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
