// What a message is for those who deliver it: one job for each destination that its recipients have.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "adieu/relay/config/config.h"
#include "adieu/relay/queue/queue.h"
#include "adieu/relay/route/destination.h"
#include "adieu/relay/spool/spool.h"

namespace adieu::queue {

/// Where the policy sends it; none: it has no such next hop any more.
std::optional<route::Destination> destination_of(const spool::Recipient& recipient, const config::Config& config);

/// Of a new message, all of whose recipients have a next hop that the policy has.
std::vector<spool::Job> jobs_of(const spool::MessageHead& head, const config::Config& config);

/// Jobs that were claimed together, of one message, for the queue: they share its mail data and its failures. `budget` outlives them.
std::vector<std::pair<route::Destination, Job>> on_their_way(std::vector<spool::Claimed> claimed, MemoryBudget& budget);

/// What of a claimed job the policy sends elsewhere by now: one for each destination, as it is to be queued. What has no next hop stays.
std::vector<spool::Settlement> rerouted(const spool::Claimed& claimed, const config::Config& config);

}  // namespace adieu::queue
