// See in_flight.h.
#include "adieu/relay/queue/in_flight.h"

#include <algorithm>
#include <utility>

namespace adieu::queue {
namespace {
std::uint32_t pending_of(const spool::MessageHead& head) {
  return static_cast<std::uint32_t>(std::count_if(head.recipients.begin(), head.recipients.end(), [](const auto& recipient) {
    return recipient.state == spool::RecipientState::pending;
  }));
}
}  // namespace

InFlight::InFlight(std::shared_ptr<const spool::MessageHead> head, spool::MailData mail_data, MemoryBudget& budget)
    : head_(std::move(head)), budget_(budget), pending_(pending_of(*head_)) {
  budget_.recipients_.fetch_add(head_->recipients.size(), std::memory_order_relaxed);
  if (mail_data && budget_.take(mail_data->size())) mail_data_ = std::move(mail_data);
}

InFlight::~InFlight() {
  budget_.recipients_.fetch_sub(head_->recipients.size(), std::memory_order_relaxed);
  if (mail_data_) budget_.give_back(mail_data_->size());
}

bool InFlight::hold(std::vector<Failed> failures) {
  const std::lock_guard lock(settling_);
  const bool first = failures_.empty();
  std::move(failures.begin(), failures.end(), std::back_inserter(failures_));
  return first;
}

bool InFlight::only_failures_left() const {
  const std::lock_guard lock(settling_);
  return !failures_.empty() && failures_.size() == pending_;
}

std::vector<Failed> InFlight::take_failures() {
  const std::lock_guard lock(settling_);
  return std::exchange(failures_, {});
}

bool InFlight::make_room() {
  if (!budget_.is_tight()) return false;
  spool::MailData gone;  // freed without the lock
  {
    const std::lock_guard lock(mutex_);
    gone = std::exchange(mail_data_, nullptr);
  }
  if (gone) budget_.give_back(gone->size());
  return true;
}

}  // namespace adieu::queue
