// See delivery.h: what `adieu queue list` shows.
#include "daemon/delivery.h"

namespace adieu::daemon {
namespace {

Delivery::Listed listed(const queue::Job& job, const route::Destination& destination, Delivery::Listed::State state) {
  return {job.message->head(), job.recipients, destination.text(), state, job.attempts, job.next_attempt, job.last_reply};
}

}  // namespace

std::vector<Delivery::Listed> Delivery::list(ListPlace& place, std::optional<spool::MessageId> id) const {
  std::vector<Listed> entries;
  const WallTime now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  const auto add = [&](Listed entry) {
    if (!id || entry.head->id == *id) entries.push_back(std::move(entry));
  };
  queue_.for_each([&](const queue::Listed& job) {
    Listed entry = listed(job.job, job.destination, job.next_attempt > now ? Listed::State::waiting : Listed::State::due);
    entry.next_attempt = job.next_attempt;
    if (!job.reason.empty()) entry.reason = job.reason;
    add(std::move(entry));
  });
  for (const auto& [number, line] : lines_) {
    if (line.job) add(listed(*line.job, line.destination, Listed::State::delivering));
  }
  place.at_end = true;
  return entries;
}

}  // namespace adieu::daemon
