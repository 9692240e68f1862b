// A delivery status notification as a message for the spool: to whom, by which next hop, with which text. RFC 3464, RFC 5321 section 6.1.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "adieu/base/log.h"
#include "adieu/relay/access/rules.h"
#include "adieu/relay/queue/in_flight.h"
#include "adieu/relay/spool/spool.h"

namespace adieu::deliver {

/// The notification about `failures` (at least one) of `original`, for its reverse-path (not null). None where no rule relays to that path, or one
/// refuses it: there is nobody to tell, which is logged. `header_section`: of the original, see mail::header_section().
std::optional<spool::NewMessage> make_notification(const config::Config& config, const access::Rules& rules, const spool::MessageHead& original,
                                                   const std::vector<queue::Failed>& failures, std::string_view header_section, WallTime now,
                                                   Log& log);

}  // namespace adieu::deliver
