// See loop.h.
#include "io/uv/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "adieu/base/result.h"

namespace adieu::uv {

namespace {
// What an epoll event of a descriptor other than a Poll's carries.
constexpr std::uint64_t kWake = ~std::uint64_t{0};
constexpr std::uint64_t kLibuv = kWake - 1;
constexpr int kWatchAgain = 100;  // milliseconds

/// libuv ends the process where it finds no descriptors for pipes of its own.
void need_descriptors() {
  constexpr int kOfLibuv = 12;
  std::vector<int> taken;
  for (int i = 0; i < kOfLibuv; ++i) {
    const int descriptor = ::eventfd(0, EFD_CLOEXEC);
    if (descriptor < 0) break;
    taken.push_back(descriptor);
  }
  const int error = errno;
  for (const int descriptor : taken) ::close(descriptor);
  if (taken.size() != kOfLibuv) throw std::system_error(error, std::system_category(), "an event loop needs descriptors");
}

[[noreturn]] void refused(int error, const char* what) { throw std::system_error(error, std::system_category(), what); }

}  // namespace

Loop::Loop() {
  need_descriptors();
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int error = epoll_ < 0 || wake_ < 0 ? errno : -uv_loop_init(&loop_);
  if (error == 0) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;  // its counter is never read: each write is an edge
    event.data.u64 = kWake;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0) error = errno;
    event.events = EPOLLIN;
    event.data.u64 = kLibuv;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, uv_backend_fd(&loop_), &event) != 0) error = errno;
    if (error != 0) uv_loop_close(&loop_);
  }
  if (error == 0) return;
  if (wake_ >= 0) ::close(wake_);
  if (epoll_ >= 0) ::close(epoll_);
  refused(error, "make an event loop");
}

Loop::~Loop() {
  // Handles that are being closed free their memory in their close callbacks, which run here.
  uv_run(&loop_, UV_RUN_DEFAULT);
  check(uv_loop_close(&loop_) == 0, "whatever lived in a loop was destroyed before it");
  ::close(wake_);
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

void Loop::turn(bool waits) {
  std::array<epoll_event, 256> events;  // what is left when it is full is told in the next turn
  int timeout = waits ? libuv_timeout() : 0;
  if (!unwatched_.empty() && (timeout < 0 || timeout > kWatchAgain)) timeout = kWatchAgain;
  const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout);
  uv_update_time(&loop_);
  bool libuv = false;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 == kWake) {
      run_tasks();
    } else if (event.data.u64 == kLibuv) {
      libuv = true;
    } else {
      tell(event.data.u64, event.events);
    }
  }
  if (libuv || libuv_timeout() == 0) uv_run(&loop_, UV_RUN_NOWAIT);
  for (const std::uint64_t which : std::exchange(unwatched_, {})) {
    const Place& place = places_[static_cast<std::uint32_t>(which)];
    if (place.poll != nullptr && place.number == which >> 32) place.poll->watch();
  }
}

/// How long it may wait, in milliseconds: 0 where a turn of its own is due, -1 for ever. Without a handle libuv would say 0.
int Loop::libuv_timeout() const { return uv_loop_alive(&loop_) != 0 ? uv_backend_timeout(&loop_) : -1; }

void Loop::tell(std::uint64_t which, std::uint32_t events) {
  const Place& place = places_[static_cast<std::uint32_t>(which)];
  if (place.poll == nullptr || place.number != which >> 32) return;
  // An error on the descriptor is met by the read or write that follows.
  const bool ended = (events & (EPOLLERR | EPOLLHUP)) != 0;
  const int ready = ((events & EPOLLIN) != 0 || ended ? UV_READABLE : 0) | ((events & EPOLLOUT) != 0 || ended ? UV_WRITABLE : 0);
  // What was wanted when the events were fetched may not be any more.
  if ((ready & place.poll->events_) != 0) place.poll->callback_(ready & place.poll->events_);
}

void Loop::post(Task task) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    first = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  const std::uint64_t one = 1;
  if (first) check(::write(wake_, &one, sizeof one) == sizeof one, "a loop can be woken");
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
  while (!stopping_) turn(true);
  std::vector<Task> left;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    left.swap(tasks_);
  }
}

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
  events_ = events;
  if (events != 0) {
    watch();
  } else if (std::exchange(watched_, false)) {
    epoll_event none{};
    check(::epoll_ctl(loop_.epoll_, EPOLL_CTL_DEL, descriptor_, &none) == 0, "a descriptor that is polled can be let go");
  }
}

void Poll::watch() {
  if (events_ == 0) return;
  epoll_event wanted{};
  wanted.events = ((events_ & UV_READABLE) != 0 ? EPOLLIN : 0U) | ((events_ & UV_WRITABLE) != 0 ? EPOLLOUT : 0U);
  wanted.data.u64 = std::uint64_t{loop_.places_[place_].number} << 32 | place_;
  if (::epoll_ctl(loop_.epoll_, watched_ ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, descriptor_, &wanted) == 0) {
    watched_ = true;
    return;
  }
  // The kernel is out of memory, or of what the user may watch (epoll(7), max_user_watches): it is asked again shortly.
  check(!watched_ && (errno == ENOSPC || errno == ENOMEM), "a descriptor can be polled");
  loop_.unwatched_.push_back(wanted.data.u64);
}

Signal::Signal(Loop& loop, int number, std::function<void()> callback) : callback_(std::move(callback)) {
  if (const int error = uv_signal_init(loop.get(), handle_.get()); error != 0) refused(-error, "wait for signals");
  handle_->data = this;
  const int error = uv_signal_start(
      handle_.get(),
      [](uv_signal_t* handle, int) noexcept {
        if (handle->data != nullptr) static_cast<Signal*>(handle->data)->callback_();
      },
      number);
  if (error != 0) refused(-error, "wait for a signal");
}

}  // namespace adieu::uv
