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
/// `after`: an exchanger that has been tried in this attempt; it and those better than it are left out, and what is left may be nothing.
/// An exchanger whose name is written like an address is left out: it has none (RFC 1035 section 3.3.9 asks for a name).
/// Failures: null MX 5.1.10, no such domain 5.1.2, no exchanger with a name 5.4.4, temporary trouble 4.4.3, bogus DNSSEC 4.7.0, as the outcome of
/// every recipient.
std::variant<Hosts, smtp::Outcome> order_exchangers(const std::string& domain, const dns::MailExchangers& answer,
                                                    const std::vector<std::string>& own_names, std::uint64_t shuffle,
                                                    const std::string& after = {});

/// The outcome when no exchanger of a recipient's domain gave an address: 4.4.3 when one of them may later, else 5.4.4.
smtp::Outcome no_addresses(const std::string& domain, bool temporary);
/// The outcome when the host that a next hop names in the policy file gave no address: always deferred, since its administrator can mend that; 4.4.3
/// when the name service is in trouble, else 4.4.4.
smtp::Outcome no_host_address(const std::string& host, const std::string& next_hop, bool temporary);
/// Our own judgement as an outcome, by the class of its status.
smtp::Outcome decided(smtp::EnhancedStatus status, std::string detail);

}  // namespace adieu::route
