// The mail transaction of a server session while it is open: what was accepted, and the mail data's way through the decoder.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "adieu/protocol/mail/header.h"
#include "adieu/protocol/smtp/mail_data.h"
#include "adieu/protocol/smtp/server_session.h"

namespace adieu::smtp {

/// What a recipient is recognised by when it comes again.
std::string recipient_key(const mail::Mailbox& path);

/// Octets of one message, or of a chunk that is dropped, that are read at most.
std::uint64_t most_mail_data(const ServerProfile& profile);

/// Moves along with the session's state; goes when the state is left, and its transaction rolls back with it.
struct IncomingMessage {
  std::unique_ptr<Transaction> transaction;
  std::size_t accepted = 0;             // recipients
  std::unordered_set<std::string> recipients;  // their recipient_key()
  std::optional<MailDataDecoder> decoder;
  mail::HeaderBoundary boundary;
  mail::ReceivedCounter received;
  std::uint64_t came = 0;               // octets of mail data as they came, with their framing
  std::uint64_t decoded = 0;            // octets of mail data as the client meant them: what `message-size` bounds
  std::uint64_t size = 0;               // as they are stored: with an empty line that was missing
  std::optional<Reply> storage_refusal; // the spool's word

  /// Decodes and checks. Returns how much of `input` was worked off; `out` gets what is to be stored, nothing once there is a refusal:
  /// then the rest is read, checked and dropped.
  std::size_t take(Octets input, const ServerProfile& profile, std::string& out);
  /// How many more octets may come: twice `message-size` in all, so that what is refused is not read for ever.
  std::uint64_t room(const ServerProfile& profile) const;
  /// For logs, with the octets that came so far.
  mail::MessageSummary summary() const;
  /// BDAT: there is no more.
  void finish(const ServerProfile& profile, std::string& out);
  /// What the end of mail data will get instead of being stored. All that is wrong counts, in an order of its own: which of two faults
  /// was met first would depend on how the input was divided.
  std::optional<Reply> refusal(const ServerProfile& profile) const;

 private:
  void check(const ServerProfile& profile, std::string& out);
};

}  // namespace adieu::smtp
