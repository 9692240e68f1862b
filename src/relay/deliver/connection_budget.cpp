// See connection_budget.h.
#include "adieu/relay/deliver/connection_budget.h"

#include <algorithm>
#include <utility>

#include "adieu/base/result.h"

namespace adieu::deliver {

std::size_t outbound_connections(std::size_t configured, std::size_t inbound, std::size_t descriptors, std::size_t reserve) {
  const std::size_t available = descriptors > reserve ? descriptors - reserve : 0;
  if (configured <= available && inbound <= available - configured) return configured;
  const double share = static_cast<double>(configured) / (static_cast<double>(configured) + static_cast<double>(inbound));
  return std::max<std::size_t>(1, static_cast<std::size_t>(static_cast<double>(available) * share));
}

ConnectionBudget::Member::Member(ConnectionBudget& budget, std::function<void()> room, std::function<void()> spare)
    : budget_(budget), room_(std::move(room)), spare_(std::move(spare)) {
  const std::lock_guard lock(budget_.mutex_);
  budget_.members_.push_back(this);
}

ConnectionBudget::Member::~Member() {
  const std::lock_guard lock(budget_.mutex_);
  std::erase(budget_.members_, this);
  std::erase(budget_.waiting_, this);
}

bool ConnectionBudget::Member::take() {
  const std::lock_guard lock(budget_.mutex_);
  if (budget_.used_ < budget_.limit_) {
    ++budget_.used_;
    if (std::exchange(waits_, false)) std::erase(budget_.waiting_, this);
    return true;
  }
  if (!std::exchange(waits_, true)) {
    budget_.waiting_.push_back(this);
    for (const Member* member : budget_.members_) member->spare_();
  }
  return false;
}

void ConnectionBudget::Member::give_back() {
  const std::lock_guard lock(budget_.mutex_);
  check(budget_.used_ != 0, "a connection that ends was counted");
  --budget_.used_;
  budget_.tell_next();
}

bool ConnectionBudget::Member::others_wait() const {
  const std::lock_guard lock(budget_.mutex_);
  return !budget_.waiting_.empty();
}

void ConnectionBudget::Member::pass_on() {
  const std::lock_guard lock(budget_.mutex_);
  if (std::exchange(waits_, false)) std::erase(budget_.waiting_, this);
  if (budget_.used_ < budget_.limit_) budget_.tell_next();
}

void ConnectionBudget::tell_next() {
  if (waiting_.empty()) return;
  Member* next = waiting_.front();
  waiting_.pop_front();
  next->waits_ = false;
  next->room_();
}

std::size_t ConnectionBudget::used() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

}  // namespace adieu::deliver
