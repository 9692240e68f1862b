// `adieu probe`: what is asked of somebody else's server, over which connections, and how its answers are judged. RFC 3207 sections 4 and 4.2, RFC
// 8446 section 6.1, RFC 9325; R4 to R7 of adieu-closure(7) seen from outside. It sends no message unless it is given a forward-path.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "adieu/base/clock.h"
#include "adieu/protocol/mail/address.h"
#include "adieu/relay/probe/finding.h"
#include "adieu/relay/probe/wire.h"

namespace adieu::probe {

struct Plan {
  std::string hostname;                    // of EHLO
  bool implicit_tls = false;
  mail::Mailbox reverse_path;              // null unless given
  std::optional<mail::Mailbox> forward_path;  // none: no message is sent
  WallTime now{};                          // certificates are held against it; the Date of the messages
};

/// Puts the questions, one connection after another, each left in good order; every finding is told as soon as it is there.
void run(const Plan& plan, const Dial& dial, const std::function<void(const Finding&)>& tell);

}  // namespace adieu::probe
