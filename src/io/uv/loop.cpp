// See loop.h.
#include "io/uv/loop.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "adieu/base/result.h"

namespace adieu::uv {

Loop::Loop() {
  check(uv_loop_init(&loop_) == 0, "a loop can be made");
  wake_ = std::make_unique<Owned<uv_async_t>>();
  const int made = uv_async_init(&loop_, wake_->get(), [](uv_async_t* handle) noexcept {
    if (handle->data != nullptr) static_cast<Loop*>(handle->data)->run_tasks();
  });
  check(made == 0, "a loop can be woken");
  wake_->get()->data = this;
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  polling_ = std::make_unique<Owned<uv_poll_t>>();
  check(epoll_ >= 0 && uv_poll_init(&loop_, polling_->get(), epoll_) == 0, "an epoll set can be made and polled");
  polling_->get()->data = this;
  uv_poll_start(polling_->get(), UV_READABLE, [](uv_poll_t* handle, int, int) noexcept {
    if (handle->data != nullptr) static_cast<Loop*>(handle->data)->dispatch();
  });
}

Loop::~Loop() {
  wake_.reset();
  polling_.reset();
  // Handles that are being closed free their memory in their close callbacks, which run here.
  uv_run(&loop_, UV_RUN_DEFAULT);
  check(uv_loop_close(&loop_) == 0, "whatever lived in a loop was destroyed before it");
  ::close(epoll_);
}

std::uint32_t Loop::enter(Poll& poll) {
  if (free_places_.empty()) {
    free_places_.push_back(static_cast<std::uint32_t>(places_.size()));
    places_.emplace_back();
  }
  const std::uint32_t place = free_places_.back();
  free_places_.pop_back();
  places_[place].poll = &poll;
  return place;
}

void Loop::leave(std::uint32_t place) {
  places_[place].poll = nullptr;
  ++places_[place].number;
  free_places_.push_back(place);
}

/// What is left when the array is full is told in the next turn.
void Loop::dispatch() {
  std::array<epoll_event, 256> events;
  const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    const Place& place = places_[static_cast<std::uint32_t>(event.data.u64)];
    if (place.poll == nullptr || place.number != event.data.u64 >> 32) continue;
    // An error on the descriptor is met by the read or write that follows.
    const bool ended = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
    const int ready = ((event.events & EPOLLIN) != 0 || ended ? UV_READABLE : 0) | ((event.events & EPOLLOUT) != 0 || ended ? UV_WRITABLE : 0);
    // What was wanted when the events were fetched may not be any more.
    if ((ready & place.poll->events_) != 0) place.poll->callback_(ready & place.poll->events_);
  }
}

void Loop::post(Task task) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    first = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  if (first) uv_async_send(wake_->get());
}

void Loop::run_tasks() {
  {
    const std::lock_guard lock(mutex_);
    running_.swap(tasks_);
  }
  for (Task& task : running_) task();
  running_.clear();
}

void Loop::run() {
  uv_run(&loop_, UV_RUN_DEFAULT);
  std::vector<Task> left;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    left.swap(tasks_);
  }
}

void Loop::stop() { uv_stop(&loop_); }

Timer::Timer(Loop& loop, std::function<void()> callback) : loop_(loop), callback_(std::move(callback)) {
  uv_timer_init(loop.get(), handle_.get());
  handle_->data = this;
}

void Timer::set(Deadline when) {
  when_ = when;
  if (!when_ || (armed_ && *armed_ <= *when_)) return;
  armed_ = when_;
  const auto delay = std::max(Duration(0), *when_ - loop_.now());
  uv_timer_start(
      handle_.get(),
      [](uv_timer_t* handle) noexcept {
        if (handle->data != nullptr) static_cast<Timer*>(handle->data)->fire();
      },
      static_cast<std::uint64_t>(delay.count()), 0);
}

void Timer::fire() {
  armed_.reset();
  if (!when_) return;
  if (*when_ > loop_.now()) {
    set(when_);
    return;
  }
  when_.reset();
  callback_();
}

Poll::Poll(Loop& loop, int descriptor, std::function<void(int)> callback)
    : loop_(loop), descriptor_(descriptor), callback_(std::move(callback)), place_(loop.enter(*this)) {}

Poll::~Poll() {
  set(0);
  loop_.leave(place_);
}

void Poll::set(int events) {
  if (events == events_) return;
  epoll_event wanted{};
  wanted.events = ((events & UV_READABLE) != 0 ? EPOLLIN : 0U) | ((events & UV_WRITABLE) != 0 ? EPOLLOUT : 0U);
  wanted.data.u64 = std::uint64_t{loop_.places_[place_].number} << 32 | place_;
  const int change = events == 0 ? EPOLL_CTL_DEL : events_ == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  check(::epoll_ctl(loop_.epoll_, change, descriptor_, &wanted) == 0, "a descriptor can be polled");
  events_ = events;
}

Signal::Signal(Loop& loop, int number, std::function<void()> callback) : callback_(std::move(callback)) {
  uv_signal_init(loop.get(), handle_.get());
  handle_->data = this;
  uv_signal_start(
      handle_.get(),
      [](uv_signal_t* handle, int) noexcept {
        if (handle->data != nullptr) static_cast<Signal*>(handle->data)->callback_();
      },
      number);
}

}  // namespace adieu::uv
