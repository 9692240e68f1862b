// What a mail transaction is to the session that owns it. RFC 5321 section 3.3; closure rules R3, R9 to R11.
#pragma once

#include "adieu/protocol/mail/message_summary.h"

namespace adieu::smtp {

/// Owned by a session from the accepted MAIL on, opaque to it, made and understood by the shell that answers its questions.
/// Destroying one rolls back: what was stored leaves the spool, and a message that is durable but not acknowledged is
/// revoked (R9, R10). Only `acknowledge` keeps it. It lives on until the peer has been heard again, or the layer has ended.
class Transaction {
 public:
  virtual ~Transaction() = default;
  /// The 2xx reply to the end of mail data was handed over to the transport: from here on the message is committed (R11) and
  /// its delivery may start. Called at most once, after a commit that succeeded.
  virtual void acknowledge() noexcept = 0;
  /// After `acknowledge`, at most once: the layer ended, and nothing of the peer was read after that. The reply may not have arrived, and the
  /// message come again (R11, R12).
  virtual void unconfirmed() noexcept {}
  /// What it is about, for logs, at any time.
  virtual mail::MessageSummary summary() const { return {}; }
};

}  // namespace adieu::smtp
