// What a message is for those who deliver it: one job for each destination that its recipients have.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adieu/relay/config/config.h"
#include "adieu/relay/queue/queue.h"
#include "adieu/relay/route/destination.h"

namespace adieu::queue {

struct Jobs {
  std::map<route::Destination, Job> by_destination;
  /// Recipients of these stay in the spool, for a policy that names the next hop again: the policy has changed since the message came.
  std::vector<std::string> unknown_next_hops;
};

/// Of the recipients that are pending.
Jobs jobs_of(const std::shared_ptr<InFlight>& message, const config::Config& config);

}  // namespace adieu::queue
