// A delivery status notification as a message for the spool: to whom, by which next hop, with which text. RFC 3464, RFC 5321 section 6.1.
#pragma once

#include <string>
#include <vector>

#include "adieu/protocol/mail/dsn.h"
#include "adieu/relay/access/rules.h"
#include "adieu/relay/queue/settle.h"

namespace adieu::daemon {

/// The notification about `failures` of `original`, for its reverse-path (not null). Where no rule relays to that path there is nobody to tell:
/// logged, and the result has no recipients.
spool::NewMessage make_notification(const config::Config& config, const access::Rules& rules, const spool::MessageHead& original,
                                    const std::vector<queue::Verdict::Failure>& failures, std::string original_headers, WallTime now,
                                    Log& log);

}  // namespace adieu::daemon
