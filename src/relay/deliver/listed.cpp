// See listed.h.
#include "adieu/relay/deliver/listed.h"

#include <algorithm>

#include "adieu/base/bytes.h"
#include "adieu/protocol/mail/bare_path.h"

namespace adieu::deliver {

std::string_view name(Listed::State state) {
  switch (state) {
    case Listed::State::waiting: return "waiting";
    case Listed::State::due: return "due";
    case Listed::State::delivering: return "delivering";
  }
  return "unknown";
}

Listed listed(const spool::Listed& stored) {
  const spool::Job& job = stored.job;
  return {stored.head, job.number, job.recipients, job.destination, stored.is_held ? Listed::State::due : Listed::State::waiting, job.attempts, job.due, job.last_reply};
}

bool ListFilter::matches(const Listed& job) const {
  if (state && job.state != *state) return false;
  if (!reason.empty() && to_ascii_lower(job.reason).find(to_ascii_lower(reason)) == std::string::npos) return false;
  return matches_stored(job);
}

bool ListFilter::matches_stored(const Listed& job) const {
  const spool::MessageHead& head = *job.head;
  const auto any_recipient = [&](const auto& holds) {
    return std::any_of(job.recipients.begin(), job.recipients.end(), [&](std::uint32_t index) { return holds(head.recipients[index].forward_path); });
  };
  if (id && head.id != *id) return false;
  if (arrived_before && head.arrived >= *arrived_before) return false;
  if (!next_hop.empty() && job.destination.next_hop != next_hop) return false;
  if (!from.empty() && !equal_ignoring_case(head.reverse_path.text(), mail::bare_path(from))) return false;
  if (!to.empty() && !any_recipient([&](const mail::Mailbox& each) { return equal_ignoring_case(each.text(), mail::bare_path(to)); })) return false;
  return domain.empty() || any_recipient([&](const mail::Mailbox& each) { return equal_ignoring_case(each.domain, domain); });
}

}  // namespace adieu::deliver
