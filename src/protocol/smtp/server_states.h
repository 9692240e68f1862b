// The states of a server session, each with its data, and what its open question was about.
#pragma once

#include <cstdint>
#include <optional>
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
  bool in_transaction;  // when it ended, other than by the client's QUIT
};
using State = std::variant<Fresh, Greeted, InTransaction, ReceivingMailData, ReceivingChunk, StartingTls, Over>;

struct NoQuestion {};
struct AskedMail {};
struct AskedRecipient {
  std::string same;  // what the recipient is recognised by when it comes again
};
struct AskedAppend {};
struct AskedCommit {};
using Open = std::variant<NoQuestion, AskedMail, AskedRecipient, AskedAppend, AskedCommit>;

}  // namespace adieu::smtp::server
