// See client_transaction.h.
#include "protocol/smtp/client_transaction.h"

#include <algorithm>
#include <string>
#include <utility>

#include "adieu/base/result.h"

namespace adieu::smtp {
namespace {
// RFC 5321 section 4.5.3.1.10: 452, or 552 as it once was, which is then to be read as 452. Both codes have other uses, such as a full mailbox
// (x.2.2) or a full disk (4.3.1), which their enhanced status code tells.
bool means_too_many_recipients(const Reply& reply) {
  const bool code = reply.code == 452 || reply.code == 552;
  return code && (reply.status.none() || (reply.status.subject == 5 && reply.status.detail == 3));
}

/// For logs and notifications.
std::string words_for(const std::optional<mail::SevenBitPlan>& plan) {
  if (!plan) return {};
  return plan->breaks_dkim ? "converted to 7 bits, so that its DKIM signature no longer matches" : "converted to 7 bits";
}

Reply shortened(const Reply& reply) { return {reply.code, reply.status, reply.text.substr(0, kReplyText)}; }
}  // namespace

Outcome outcome_of(const Reply& reply) {
  Outcome outcome;
  outcome.fate = reply.positive() ? Fate::delivered : reply.permanent() ? Fate::failed : Fate::deferred;
  outcome.reply = shortened(reply);
  outcome.status = reply.status;
  if (outcome.status.none()) outcome.status.class_ = reply.intermediate() ? 4 : static_cast<std::uint16_t>(reply.code / 100);
  return outcome;
}

Outcome deferred(EnhancedStatus status, std::string detail) {
  Outcome outcome;
  outcome.status = status;
  outcome.detail = std::move(detail);
  return outcome;
}

Outcome deferred(EnhancedStatus status, std::string detail, const Reply& reply) {
  Outcome outcome = deferred(status, std::move(detail));
  outcome.reply = shortened(reply);
  return outcome;
}

ClientTransaction::ClientTransaction(OutgoingMessage message, const ServerExtensions& server, ClientProtocol protocol,
                                     std::size_t recipients, std::optional<mail::SevenBitPlan> plan)
    : message_(std::move(message)),
      protocol_(protocol),
      pipelining_(server.has("PIPELINING")),
      // RFC 2033 leaves open what LMTP answers to BDAT when no recipient was accepted.
      chunking_(protocol == ClientProtocol::smtp && server.has("CHUNKING") && !plan),
      says_size_(server.has("SIZE") && !plan),
      says_body_(message_.envelope.body == mail::BodyType::eight_bit_mime && server.has("8BITMIME")),
      outcomes_(message_.envelope.forward_paths.size()),
      recipients_to_say_(std::min(recipients, outcomes_.size())),
      conversion_(words_for(plan)) {
  if (plan) converter_.emplace(*std::move(plan));
  check(recipients_to_say_ != 0, "a message goes to somebody");
}

void ClientTransaction::begin(bool reset, ClientExchange& exchange) {
  if (reset) exchange.say(Awaited::reset, {"RSET"});
  if (!reset || pipelining_) say_mail(exchange);
  if (!pipelining_) return;
  for (std::size_t i = 0; i < recipients_to_say_; ++i) say_recipient(exchange);
  if (!chunking_) {
    exchange.say(Awaited::data, {"DATA"});
  } else if (message_.size <= kFlight) {
    say_bdat(exchange);
  }
}

void ClientTransaction::say_mail(ClientExchange& exchange) {
  exchange.say(Awaited::mail, {"MAIL FROM:<", message_.envelope.reverse_path.text(), ">", says_size_ ? " SIZE=" : "",
                               says_size_ ? std::to_string(message_.size) : "", says_body_ ? " BODY=8BITMIME" : ""});
}

void ClientTransaction::say_recipient(ClientExchange& exchange) {
  exchange.say(Awaited::recipient, {"RCPT TO:<", message_.envelope.forward_paths[recipients_said_++].text(), ">"});
}

// One chunk for the whole message, since its size is known: nothing of it can be accepted before all of it is there.
void ClientTransaction::say_bdat(ClientExchange& exchange) {
  exchange.say(Awaited::mail_data, {"BDAT ", std::to_string(message_.size), " LAST"});
  to_send_ = message_.size;
  stage_ = to_send_ == 0 ? Stage::sent : Stage::sending;
}

void ClientTransaction::say_mail_data(ClientExchange& exchange) {
  if (accepted_ == 0) return;
  if (chunking_) {
    say_bdat(exchange);
  } else {
    exchange.say(Awaited::data, {"DATA"});
  }
}

void ClientTransaction::decide_undecided(const Outcome& outcome) {
  for (std::size_t i = 0; i < recipients_to_say_; ++i) {
    if (!outcomes_[i]) outcomes_[i] = outcome;
  }
}

void ClientTransaction::decide_all(const Outcome& outcome) {
  for (auto& each : outcomes_) {
    if (!each) each = outcome;
  }
}

bool ClientTransaction::receive(Awaited awaited, const Reply& reply, ClientExchange& exchange) {
  // 3xx answers DATA alone. A 2xx to it would speak of mail data that was never said.
  if (awaited == Awaited::data ? reply.positive() : reply.intermediate()) return false;
  switch (awaited) {
    case Awaited::reset:
      if (reply.positive() && !pipelining_) say_mail(exchange);
      return reply.positive();
    case Awaited::mail:
      open_ = reply.positive();
      if (!open_) decide_all(outcome_of(reply));
      if (open_ && !pipelining_) say_recipient(exchange);
      return true;
    case Awaited::recipient: receive_recipient(reply, exchange); return true;
    case Awaited::data: return receive_data(reply, exchange);
    case Awaited::mail_data: return receive_mail_data(reply, exchange);
    case Awaited::greeting:
    case Awaited::hello:
    case Awaited::starttls:
    case Awaited::quit: break;
  }
  check(false, "a transaction gets the replies to its own commands");
  return false;
}

void ClientTransaction::receive_recipient(const Reply& reply, ClientExchange& exchange) {
  auto& outcome = outcomes_[recipients_answered_++];
  if (!outcome && reply.positive()) {
    ++accepted_;
  } else if (!outcome) {
    outcome = outcome_of(reply);
    if (means_too_many_recipients(reply)) {
      outcome->fate = Fate::deferred;
      outcome->at_once = too_many_ = true;
      // Those not named yet would be refused alike, and some servers end a session after a number of refusals.
      if (accepted_ != 0) recipients_to_say_ = recipients_said_;
    }
  }
  if (recipients_said_ < recipients_to_say_) {
    say_recipient(exchange);
  } else if (recipients_answered_ == recipients_to_say_ && exchange.awaited.empty()) {
    say_mail_data(exchange);
  }
}

bool ClientTransaction::receive_data(const Reply& reply, ClientExchange& exchange) {
  if (!reply.intermediate()) {
    progress_ = reply.permanent() && accepted_ != 0;
    decide_undecided(outcome_of(reply));
    return true;
  }
  if (accepted_ != 0) {
    stage_ = Stage::sending;
    return true;
  }
  // RFC 2920 section 3.1: a server that wants mail data for nobody gets none of it, only the end. How often LMTP answers that
  // no standard says.
  if (protocol_ == ClientProtocol::lmtp) return false;
  exchange.say(Awaited::mail_data, {"."});
  stage_ = Stage::sent;
  return true;
}

bool ClientTransaction::receive_mail_data(const Reply& reply, const ClientExchange& exchange) {
  if (reply.positive() && (sending() || !exchange.output.empty())) return false;  // the end of mail data has not gone yet (R14)
  if (reply.positive()) open_ = false;
  progress_ |= accepted_ != 0 && !reply.transient();
  if (protocol_ == ClientProtocol::smtp) {
    decide_undecided(outcome_of(reply));
  } else {
    const auto next = std::find(outcomes_.begin(), outcomes_.end(), std::nullopt);
    check(next - outcomes_.begin() < static_cast<std::ptrdiff_t>(recipients_to_say_), "a reply was awaited for each accepted recipient");
    *next = outcome_of(reply);
  }
  return true;
}

std::size_t ClientTransaction::ask(const ClientExchange& exchange) {
  if (stage_ != Stage::sending || exchange.output.size() >= kFlight) return 0;
  stage_ = Stage::asking;
  return chunking_ ? static_cast<std::size_t>(std::min<std::uint64_t>(to_send_, kPart)) : kPart;
}

bool ClientTransaction::supply(Octets mail_data, bool last, ClientExchange& exchange) {
  if (stage_ != Stage::asking) return true;
  stage_ = Stage::sending;
  if (chunking_) {
    if (mail_data.size() > to_send_ || (last && mail_data.size() < to_send_)) return false;
    exchange.output.append(mail_data);
    to_send_ -= mail_data.size();
    if (to_send_ == 0) stage_ = Stage::sent;
    return true;
  }
  std::string seven_bit;
  if (converter_) {
    converter_->convert(mail_data, seven_bit);
    if (last) converter_->finish(seven_bit);
    mail_data = seven_bit;
  }
  std::string& encoded = exchange.output.back(mail_data.size() + 64);
  encoder_.encode(mail_data, encoded);
  if (last) encoder_.finish(encoded);  // in the same flight as the data before it
  if (!last) return true;
  stage_ = Stage::sent;
  exchange.awaited.insert(exchange.awaited.end(), protocol_ == ClientProtocol::lmtp ? accepted_ : 1, Awaited::mail_data);
  return true;
}

void ClientTransaction::abandon(const Outcome& why) {
  Outcome outcome = why;
  outcome.may_have_arrived = stage_ == Stage::sent;
  decide_undecided(outcome);
  decide_all(why);
}

std::vector<Outcome> ClientTransaction::take_outcomes() {
  for (std::size_t i = recipients_to_say_; i < outcomes_.size(); ++i) {
    if (outcomes_[i]) continue;
    outcomes_[i] = deferred({4, 5, 3}, "left for the next transaction");
    outcomes_[i]->at_once = true;
  }
  std::vector<Outcome> outcomes;
  outcomes.reserve(outcomes_.size());
  for (auto& each : outcomes_) {
    check(each.has_value(), "every recipient of a finished attempt has an outcome");
    // Without progress the next transaction would end as this one has.
    if (outcomes.size() < recipients_to_say_ && !progress_) each->at_once = false;
    if (each->fate == Fate::delivered) each->detail = conversion_;
    outcomes.push_back(std::move(*each));
  }
  return outcomes;
}

}  // namespace adieu::smtp
