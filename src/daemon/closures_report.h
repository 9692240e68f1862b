// The closure ledger as JSON lines: what a running relay answers on its control socket, and what `adieu closures` reads from a spool at rest.
#pragma once

#include <string>

#include "adieu/relay/observe/ledger.h"

namespace adieu::daemon {

/// The first line holds the endings of all peers by hour and by day, the newest last; each further one a peer.
std::string closures_report(const observe::Ledger& ledger, WallTime now);

}  // namespace adieu::daemon
