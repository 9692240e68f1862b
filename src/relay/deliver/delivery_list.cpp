// See delivery.h: what an administrator asks about the queue.
#include <algorithm>

#include "adieu/relay/deliver/delivery.h"

namespace adieu::deliver {
namespace {

constexpr std::size_t kSteps = 256;        // jobs looked at in one turn of the loop
constexpr std::size_t kStepsAtOnce = 16;
constexpr std::size_t kRecipients = 2000;  // in one part of the list, or those of one job where they are more
constexpr std::size_t kDestinations = 64;  // in one part

Listed listed(const queue::Job& job, const route::Destination& destination, Listed::State state) {
  return {job.message->head(), job.recipients, destination, state, job.attempts, job.next_attempt, job.last_reply};
}

Listed listed(const queue::Listed& job) {
  Listed entry = listed(job.job, job.destination, job.waits ? Listed::State::waiting : Listed::State::due);
  entry.next_attempt = job.next_attempt;
  entry.reason = job.reason;
  return entry;
}

}  // namespace

std::vector<Listed> Delivery::list(ListPlace& place, const ListFilter& filter) const {
  std::vector<Listed> entries;
  std::size_t recipients = 0;
  const auto add = [&](Listed entry) {
    if (!filter.matches(entry)) return;
    recipients += entry.recipients.size();
    entries.push_back(std::move(entry));
  };
  const auto room = [&] { return recipients < kRecipients && entries.size() < kSteps; };
  for (std::size_t steps = 0; !place.queue.at_end && steps < kSteps && room(); steps += kStepsAtOnce) {
    queue_.walk(place.queue, kStepsAtOnce, [&](const queue::Listed& job) { add(listed(job)); });
  }
  if (!place.queue.at_end) return entries;
  // No more connections than the limits allow, and so these are few.
  std::vector<std::uint64_t> left;
  for (const auto& [number, connection] : connections_) {
    if (connection.job && number > place.connection) left.push_back(number);
  }
  std::sort(left.begin(), left.end());
  for (const std::uint64_t number : left) {
    if (!room()) return entries;
    const Connection& connection = connections_.at(number);
    add(listed(*connection.job, connection.destination, Listed::State::delivering));
    place.connection = number;
  }
  place.at_end = true;
  return entries;
}

std::vector<queue::ListedSite> Delivery::destinations(const route::Destination& after) const { return queue_.sites(after, kDestinations); }

std::size_t Delivery::retry(const ListFilter& filter) {
  const std::size_t count = queue_.retry([&](const queue::Listed& job) { return filter.matches(listed(job)); }, now());
  schedule();
  return count;
}

}  // namespace adieu::deliver
