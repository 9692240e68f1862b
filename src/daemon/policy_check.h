// A policy held against the machine that it is for: the files it names, the user it becomes, the name it calls itself.
#pragma once

#include <ctime>
#include <functional>
#include <string>

#include "adieu/protocol/dns/records.h"
#include "adieu/relay/config/load.h"

namespace adieu::daemon {

/// Looks a host's addresses up.
using Lookup = std::function<dns::Addresses(const std::string& host)>;

/// Opens every certificate, key and list that the policy names, whether a listener uses it or not, and whatever else is wrong; what it finds is
/// said in `loaded` where it stands in the file. `loaded` holds a policy or a draft of one.
void check_policy(config::Loaded& loaded, std::time_t now, const Lookup& lookup);

/// Asks the policy's `resolver`, else the system's, for a few seconds at most.
dns::Addresses look_up(const config::Config& config, const std::string& host);

}  // namespace adieu::daemon
