// See in_flight.h.
#include "adieu/relay/queue/in_flight.h"

#include <iterator>
#include <utility>

namespace adieu::queue {

InFlight::InFlight(std::shared_ptr<const spool::MessageHead> head, spool::MailData mail_data, MemoryBudget& budget)
    : head_(std::move(head)), budget_(budget) {
  budget_.messages_.fetch_add(1, std::memory_order_relaxed);
  if (mail_data && budget_.take(mail_data->size())) mail_data_ = std::move(mail_data);
}

InFlight::~InFlight() {
  budget_.messages_.fetch_sub(1, std::memory_order_relaxed);
  if (mail_data_) budget_.give_back(mail_data_->size());
}

void InFlight::delivered(std::size_t recipients) {
  const std::lock_guard lock(mutex_);
  ended_ += recipients;
}

bool InFlight::hold(std::vector<Failed> failures) {
  const std::lock_guard lock(mutex_);
  const bool first = failures_.empty();
  std::move(failures.begin(), failures.end(), std::back_inserter(failures_));
  return first;
}

bool InFlight::only_failures_left() const {
  const std::lock_guard lock(mutex_);
  return !failures_.empty() && failures_.size() + ended_ >= head_->recipients.size();
}

std::vector<Failed> InFlight::take_failures() {
  const std::lock_guard lock(mutex_);
  ended_ += failures_.size();
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
