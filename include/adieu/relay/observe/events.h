// The log lines of messages and connections, with Postfix's field names where they fit. What stands in them: envelope, sizes, replies, times;
// never mail data.
#pragma once

#include <string_view>

#include "adieu/base/log.h"
#include "adieu/protocol/smtp/outcome.h"
#include "adieu/relay/observe/closure_record.h"
#include "adieu/relay/spool/message.h"

namespace adieu::observe {

/// event=queued: durable, its 250 about to go. `with`: ESMTP, ESMTPS, ….
LogLine queued(spool::MessageId id, const spool::MessageHead& head, std::string_view helo, std::string_view with);

/// event=delivered, deferred or failed: one recipient of one attempt. `relay`: the host it was tried with, or "none".
LogLine attempted(const spool::MessageHead& head, const spool::Recipient& recipient, std::string_view relay, std::string_view tls,
                  const smtp::Outcome& outcome, WallTime now);

/// event=queued: a notification about the failures of the message `parent`.
LogLine notification_queued(const spool::MessageHead& notification, spool::MessageId parent);

/// event=removed: no recipient is pending, the message has left the spool.
LogLine removed(spool::MessageId id);

/// event=disconnect: a connection that ended in plaintext, with what that cost.
LogLine disconnect(const ClosureRecord& record);

}  // namespace adieu::observe
