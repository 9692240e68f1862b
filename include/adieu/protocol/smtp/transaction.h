// What a mail transaction is to the session that owns it. RFC 5321 section 3.3; closure rules R3, R9 to R11.
#pragma once

namespace adieu::smtp {

/// Owned by a session from the accepted MAIL on, opaque to it, made and understood by the shell that answers its questions.
/// Destroying one rolls back: what was stored leaves the spool, and a message that is durable but not acknowledged is
/// revoked (R9, R10). Only `acknowledge` keeps it.
class Transaction {
 public:
  virtual ~Transaction() = default;
  /// The 2xx reply to the end of mail data was handed over to the transport: from here on the message is committed (R11) and
  /// its delivery may start. Called at most once, after a commit that succeeded; then the object is destroyed.
  virtual void acknowledge() noexcept = 0;
};

}  // namespace adieu::smtp
