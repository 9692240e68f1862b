// See jobs.h.
#include "adieu/relay/queue/jobs.h"

#include <algorithm>
#include <map>
#include <utility>

#include "adieu/base/bytes.h"
#include "adieu/base/result.h"

namespace adieu::queue {

std::optional<route::Destination> destination_of(const spool::Recipient& recipient, const config::Config& config) {
  const auto next_hop = std::find_if(config.next_hops.begin(), config.next_hops.end(),
                                     [&](const config::NextHop& each) { return each.name == recipient.next_hop; });
  if (next_hop == config.next_hops.end()) return std::nullopt;
  route::Destination destination{recipient.next_hop, {}};
  if (std::holds_alternative<config::MxTarget>(next_hop->target)) {
    destination.domain = to_ascii_lower(recipient.forward_path.domain.empty() ? config.hostname : recipient.forward_path.domain);
  }
  return destination;
}

std::vector<spool::Job> jobs_of(const spool::MessageHead& head, const config::Config& config) {
  std::map<route::Destination, std::size_t> places;
  std::vector<spool::Job> jobs;
  for (std::uint32_t index = 0; index < head.recipients.size(); ++index) {
    auto destination = destination_of(head.recipients[index], config);
    check(destination.has_value(), "a rule leads to a next hop that there is");
    const auto [place, is_new] = places.try_emplace(*destination, jobs.size());
    if (is_new) {
      jobs.emplace_back().destination = std::move(*destination);
      jobs.back().due = head.arrived;
    }
    jobs[place->second].recipients.push_back(index);
  }
  return jobs;
}

std::vector<std::pair<route::Destination, Job>> on_their_way(std::vector<spool::Claimed> claimed, MemoryBudget& budget) {
  std::vector<std::pair<route::Destination, Job>> jobs;
  if (claimed.empty()) return jobs;
  const auto message = std::make_shared<InFlight>(std::move(claimed.front().head), std::move(claimed.front().mail_data), budget);
  jobs.reserve(claimed.size());
  for (spool::Claimed& each : claimed) {
    Job job;
    job.message = message;
    job.claim = each.claim;
    job.recipients = std::move(each.job.recipients);
    job.attempts = each.job.attempts;
    job.due = each.job.due;
    job.last_reply = std::move(each.job.last_reply);
    job.promised = each.job.promised;
    jobs.emplace_back(std::move(each.job.destination), std::move(job));
  }
  return jobs;
}

std::vector<spool::Settlement> rerouted(const spool::Claimed& claimed, const config::Config& config) {
  std::map<route::Destination, std::vector<std::uint32_t>> elsewhere;
  for (const std::uint32_t index : claimed.job.recipients) {
    const auto destination = destination_of(claimed.head->recipients[index], config);
    if (destination && *destination != claimed.job.destination) elsewhere[*destination].push_back(index);
  }
  std::vector<spool::Settlement> all;
  for (auto& [destination, recipients] : elsewhere) {
    const spool::Job& job = claimed.job;
    all.push_back({claimed.claim, {}, spool::Settlement::Deferred{std::move(recipients), destination, job.attempts, job.due, job.promised, job.last_reply}});
  }
  return all;
}

}  // namespace adieu::queue
