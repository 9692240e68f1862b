// See command_table.h.
#include "adieu/protocol/smtp/command_table.h"

#include "adieu/protocol/smtp/reply_catalog.h"

namespace adieu::smtp::command {
namespace {

using namespace reply;
constexpr Refusal kYes = nullptr;

//                                before_tls  fresh        greeted      mail             recipients       chunks
constexpr std::array<Row, kVerbs> kRows = {{
    {Verb::ehlo, "EHLO", true, {kYes, kYes, kYes, kYes, kYes}},
    {Verb::helo, "HELO", true, {kYes, kYes, kYes, kYes, kYes}},
    {Verb::starttls, "STARTTLS", true, {hello_first, kYes, kYes, kYes, kYes}},
    {Verb::mail, "MAIL", false, {hello_first, kYes, nested_mail, nested_mail, nested_mail}},
    {Verb::rcpt, "RCPT", false, {hello_first, mail_first, kYes, kYes, data_after_bdat}},
    {Verb::data, "DATA", false, {hello_first, mail_first, no_valid_recipients, kYes, data_after_bdat}},
    {Verb::bdat, "BDAT", false, {hello_first, mail_first, no_valid_recipients, kYes, kYes}},
    {Verb::rset, "RSET", true, {kYes, kYes, kYes, kYes, kYes}},
    {Verb::noop, "NOOP", true, {kYes, kYes, kYes, kYes, kYes}},
    {Verb::vrfy, "VRFY", false, {kYes, kYes, kYes, kYes, kYes}},
    {Verb::help, "HELP", true, {kYes, kYes, kYes, kYes, kYes}},
    {Verb::quit, "QUIT", true, {kYes, kYes, kYes, kYes, kYes}},
}};

constexpr bool rows_stand_in_the_order_of_verbs() {
  for (std::size_t i = 0; i < kVerbs; ++i) {
    if (static_cast<std::size_t>(kRows[i].verb) != i) return false;
  }
  return true;
}
static_assert(rows_stand_in_the_order_of_verbs());

}  // namespace

bool is_foreign(std::string_view line) {
  for (const std::string_view verb : {"GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ", "CONNECT ", "PRI "}) {
    if (line.starts_with(verb)) return true;
  }
  return false;
}

mail::MessageSummary summary(const Mail& mail) {
  mail::MessageSummary summary;
  summary.has_reverse_path = true;
  summary.reverse_path = mail.reverse_path;
  summary.size = mail.declared_size;
  return summary;
}

mail::MessageSummary summary(const Command& command) {
  if (const auto* mail = std::get_if<Mail>(&command)) return summary(*mail);
  mail::MessageSummary about;
  if (const auto* rcpt = std::get_if<Rcpt>(&command)) about.add(rcpt->forward_path);
  return about;
}

const Row& row(Verb verb) { return kRows[static_cast<std::size_t>(verb)]; }

}  // namespace adieu::smtp::command
