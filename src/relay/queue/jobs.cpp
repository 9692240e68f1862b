// See jobs.h.
#include "adieu/relay/queue/jobs.h"

#include <algorithm>

#include "adieu/base/bytes.h"

namespace adieu::queue {

Jobs jobs_of(const std::shared_ptr<InFlight>& message, const config::Config& config) {
  Jobs jobs;
  const auto& recipients = message->head()->recipients;
  for (std::uint32_t index = 0; index < recipients.size(); ++index) {
    const spool::Recipient& recipient = recipients[index];
    if (recipient.state != spool::RecipientState::pending) continue;
    const auto next_hop = std::find_if(config.next_hops.begin(), config.next_hops.end(),
                                       [&](const config::NextHop& each) { return each.name == recipient.next_hop; });
    if (next_hop == config.next_hops.end()) {
      jobs.unknown_next_hops.push_back(recipient.next_hop);
      continue;
    }
    route::Destination destination{recipient.next_hop, {}};
    if (std::holds_alternative<config::MxTarget>(next_hop->target)) {
      destination.domain = to_ascii_lower(recipient.forward_path.domain.empty() ? config.hostname : recipient.forward_path.domain);
    }
    Job& job = jobs.by_destination[std::move(destination)];
    job.message = message;
    job.recipients.push_back(index);
    job.attempts = std::max(job.attempts, recipient.attempts);
    job.next_attempt = std::max(job.next_attempt, recipient.next_attempt);
    job.last_reply = recipient.last_reply;
  }
  return jobs;
}

}  // namespace adieu::queue
