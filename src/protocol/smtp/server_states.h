// The states of a server session, each with its data, and what its open question was about.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "adieu/protocol/smtp/reply.h"
#include "adieu/protocol/smtp/server_session.h"
#include "protocol/smtp/incoming_message.h"

namespace adieu::smtp::server {

struct Fresh {};
struct Greeted {};
struct InTransaction {
  IncomingMessage message;
  bool begun = false;      // BDAT has begun
};
struct ReceivingMailData {
  IncomingMessage message;
  Instant began;
};
/// A chunk of BDAT. Without a message it is out of order: its octets are read and dropped, to stay in step (RFC 3030 section 2).
struct ReceivingChunk {
  std::optional<IncomingMessage> message;
  std::uint64_t left = 0;
  std::uint64_t size = 0;
  bool last = false;
  bool was_greeted = true;
  Reply out_of_order;
  Instant began;
};
struct StartingTls {};
struct Over {
  EndReason reason;
  std::optional<mail::MessageSummary> undone;  // of the transaction that was open, where the client's QUIT did not end it
};
using State = std::variant<Fresh, Greeted, InTransaction, ReceivingMailData, ReceivingChunk, StartingTls, Over>;

/// What would be rolled back if the layer ended now, or was when the session did.
std::optional<mail::MessageSummary> undone(const State& state);
/// What a RCPT in this transaction is about.
mail::MessageSummary about(const InTransaction& open, const mail::Mailbox& forward_path);

struct NoQuestion {};
struct AskedMail {
  mail::MessageSummary about;
};
struct AskedRecipient {
  std::string same;  // its key
  mail::Mailbox forward_path{};
};
struct AskedAppend {};
struct AskedCommit {};
using Open = std::variant<NoQuestion, AskedMail, AskedRecipient, AskedAppend, AskedCommit>;

}  // namespace adieu::smtp::server
