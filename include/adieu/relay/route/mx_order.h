// From the name service's answer to the hosts to try, in order: RFC 5321 section 5.1, RFC 7505 (null MX). Asks nothing itself.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "adieu/protocol/dns/records.h"
#include "adieu/protocol/smtp/outcome.h"

namespace adieu::route {

/// Host names to look up and try, the best first.
using Hosts = std::vector<std::string>;

/// `own_names` (lower case): where one of them is among the exchangers, it and all that are no better are left out, and where nothing is left
/// the mail would loop (5.4.6). `shuffle` divides the load among equals: any number, another one for each attempt.
/// Failures: null MX 5.1.10, no such domain 5.1.2, temporary trouble 4.4.3, bogus DNSSEC 4.7.0, as the outcome of every recipient.
std::variant<Hosts, smtp::Outcome> order_exchangers(const std::string& domain, const dns::MailExchangers& answer,
                                                    const std::vector<std::string>& own_names, std::uint64_t shuffle);

/// The outcome when no host gave an address: 4.4.3 when one of them may later, else 5.4.4.
smtp::Outcome no_addresses(const std::string& domain, bool temporary);

}  // namespace adieu::route
