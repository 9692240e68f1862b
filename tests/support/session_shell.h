// A shell for the pure server session in tests: accepts what a list of rules says, keeps what was committed, and counts what was rolled back.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "adieu/protocol/mail/address.h"
#include "adieu/protocol/smtp/reply_catalog.h"
#include "adieu/protocol/smtp/server_session.h"

namespace adieu::test {

struct SunkMessage {
  std::string reverse_path;
  std::vector<std::string> forward_paths;
  std::string mail_data;
  bool operator==(const SunkMessage&) const = default;
};

/// What became of all transactions.
struct Ledger {
  std::vector<SunkMessage> committed;      // acknowledged
  int open = 0;                            // transactions that live
  int rolled_back = 0;
  int revoked = 0;
  int unconfirmed = 0;
};

class LedgerTransaction final : public smtp::Transaction {
 public:
  explicit LedgerTransaction(Ledger& ledger) : ledger_(ledger) { ++ledger_.open; }
  ~LedgerTransaction() override {
    --ledger_.open;
    if (kept_) return;
    ++(durable ? ledger_.revoked : ledger_.rolled_back);
  }
  void acknowledge() noexcept override {
    kept_ = true;
    ledger_.committed.push_back(message);
  }
  void unconfirmed() noexcept override { ++ledger_.unconfirmed; }
  mail::MessageSummary summary() const override {
    mail::MessageSummary summary;
    summary.queue_id = durable ? "ID" : "";
    summary.has_reverse_path = true;
    summary.reverse_path = mail::parse_mailbox(message.reverse_path).value_or(mail::Mailbox{});
    for (const std::string& each : message.forward_paths) summary.add(mail::parse_mailbox(each).value_or(mail::Mailbox{each, ""}));
    return summary;
  }
  SunkMessage message;
  bool durable = false;

 private:
  Ledger& ledger_;
  bool kept_ = false;
};

/// Recipients named "refused" get 550, "later" 451, as does a message from "later"; one from "full" is refused at its commit.
inline smtp::Answer answer(smtp::Question question, Ledger& ledger) {
  const auto mine = [](smtp::Transaction* transaction) -> LedgerTransaction& { return static_cast<LedgerTransaction&>(*transaction); };
  if (auto* mail = std::get_if<smtp::MailQuestion>(&question)) {
    if (mail->reverse_path.local_part == "later") return smtp::MailAnswer(smtp::reply::local_error());
    auto transaction = std::make_unique<LedgerTransaction>(ledger);
    transaction->message.reverse_path = mail->reverse_path.text();
    return smtp::MailAnswer(std::move(transaction));
  }
  if (auto* recipient = std::get_if<smtp::RecipientQuestion>(&question)) {
    if (recipient->forward_path.local_part == "refused") return smtp::RecipientAnswer{smtp::reply::relaying_denied()};
    if (recipient->forward_path.local_part == "later") return smtp::RecipientAnswer{smtp::reply::local_error()};
    mine(recipient->transaction).message.forward_paths.push_back(recipient->forward_path.text());
    return smtp::RecipientAnswer{smtp::reply::recipient_ok()};
  }
  if (auto* data = std::get_if<smtp::AppendQuestion>(&question)) {
    mine(data->transaction).message.mail_data += data->mail_data;
    return smtp::AppendAnswer{};
  }
  auto& commit = std::get<smtp::CommitQuestion>(question);
  if (mine(commit.transaction).message.reverse_path == "full@example.org") return smtp::CommitAnswer{smtp::reply::insufficient_storage()};
  mine(commit.transaction).durable = true;
  return smtp::CommitAnswer{smtp::reply::queued("ID")};
}

}  // namespace adieu::test
