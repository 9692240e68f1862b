// See command_table.h.
#include "adieu/protocol/smtp/command_table.h"

#include "adieu/protocol/smtp/reply_catalog.h"

namespace adieu::smtp::command {
namespace {

using namespace reply;
constexpr Refusal kYes = nullptr;

//                        before_tls  fresh        greeted      mail             recipients       chunks
constexpr std::array<Row, kVerbs> kRows = {{
    {Verb::ehlo, true, {kYes, kYes, kYes, kYes, kYes}},
    {Verb::helo, true, {kYes, kYes, kYes, kYes, kYes}},
    {Verb::starttls, true, {hello_first, kYes, kYes, kYes, kYes}},
    {Verb::mail, false, {hello_first, kYes, nested_mail, nested_mail, nested_mail}},
    {Verb::rcpt, false, {hello_first, mail_first, kYes, kYes, data_after_bdat}},
    {Verb::data, false, {hello_first, mail_first, no_valid_recipients, kYes, data_after_bdat}},
    {Verb::bdat, false, {hello_first, mail_first, no_valid_recipients, kYes, kYes}},
    {Verb::rset, true, {kYes, kYes, kYes, kYes, kYes}},
    {Verb::noop, true, {kYes, kYes, kYes, kYes, kYes}},
    {Verb::vrfy, false, {kYes, kYes, kYes, kYes, kYes}},
    {Verb::help, true, {kYes, kYes, kYes, kYes, kYes}},
    {Verb::quit, true, {kYes, kYes, kYes, kYes, kYes}},
}};

constexpr bool rows_stand_in_the_order_of_verbs() {
  for (std::size_t i = 0; i < kVerbs; ++i) {
    if (static_cast<std::size_t>(kRows[i].verb) != i) return false;
  }
  return true;
}
static_assert(rows_stand_in_the_order_of_verbs());

}  // namespace

const Row& row(Verb verb) { return kRows[static_cast<std::size_t>(verb)]; }

}  // namespace adieu::smtp::command
