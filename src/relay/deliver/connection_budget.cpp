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

ConnectionBudget::ConnectionBudget(std::size_t limit) : limit_(limit), set_aside_(limit < 2 ? 0 : std::max<std::size_t>(1, limit / 10)) {}

ConnectionBudget::Member::Member(ConnectionBudget& budget, std::function<void()> room, std::function<void()> spare)
    : budget_(budget), room_(std::move(room)), spare_(std::move(spare)) {
  const std::lock_guard lock(budget_.mutex_);
  budget_.members_.push_back(this);
}

ConnectionBudget::Member::~Member() {
  const std::lock_guard lock(budget_.mutex_);
  std::erase(budget_.members_, this);
  std::erase_if(budget_.waiting_, [this](const Waiting& waiting) { return waiting.member == this; });
}

bool ConnectionBudget::Member::take(Standing standing) {
  const std::lock_guard lock(budget_.mutex_);
  const Waiting self{this, standing};
  if (budget_.fits(standing, budget_.used_)) {
    ++budget_.used_;
    if (standing == Standing::unreached) ++budget_.unreached_;
    budget_.stop_waiting(self);
    return true;
  }
  if (std::find(budget_.waiting_.begin(), budget_.waiting_.end(), self) != budget_.waiting_.end()) return false;
  budget_.waiting_.push_back(self);
  if (budget_.fits(standing, budget_.used_ - 1)) {
    for (const Member* member : budget_.members_) member->spare_();
  }
  return false;
}

void ConnectionBudget::Member::give_back(Standing standing) {
  const std::lock_guard lock(budget_.mutex_);
  check(budget_.used_ != 0, "a connection that ends was counted");
  --budget_.used_;
  if (standing == Standing::unreached) --budget_.unreached_;
  budget_.tell_next();
}

void ConnectionBudget::Member::reached() {
  const std::lock_guard lock(budget_.mutex_);
  check(budget_.unreached_ != 0, "a connection that reaches its destination was counted");
  --budget_.unreached_;
  budget_.tell_next();
}

bool ConnectionBudget::Member::others_wait() const {
  const std::lock_guard lock(budget_.mutex_);
  return std::any_of(budget_.waiting_.begin(), budget_.waiting_.end(),
                     [this](const Waiting& waiting) { return budget_.fits(waiting.standing, budget_.used_ - 1); });
}

void ConnectionBudget::Member::withdraw(Standing standing) {
  const std::lock_guard lock(budget_.mutex_);
  budget_.stop_waiting({this, standing});
}

void ConnectionBudget::Member::pass_on() {
  const std::lock_guard lock(budget_.mutex_);
  budget_.tell_next();
}

/// Whether there may be one more, were `used` there now.
bool ConnectionBudget::fits(Standing standing, std::size_t used) const {
  return used < limit_ && (standing == Standing::reached || unreached_ < limit_ - set_aside_);
}

void ConnectionBudget::stop_waiting(const Waiting& waiting) { std::erase(waiting_, waiting); }

void ConnectionBudget::tell_next() {
  const auto first = [this](bool only_reached) {
    return std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& waiting) {
      return fits(waiting.standing, used_) && (!only_reached || waiting.standing == Standing::reached);
    });
  };
  auto next = waiting_.end();
  if (used_ - unreached_ < set_aside_) next = first(true);
  if (next == waiting_.end()) next = first(false);
  if (next == waiting_.end()) return;
  const Member* member = next->member;
  waiting_.erase(next);
  member->room_();
}

std::size_t ConnectionBudget::used() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

}  // namespace adieu::deliver
