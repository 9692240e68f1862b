// See loop.h.
#include "io/uv/loop.h"

#include <algorithm>
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
}

Loop::~Loop() {
  wake_.reset();
  // Handles that are being closed free their memory in their close callbacks, which run here.
  uv_run(&loop_, UV_RUN_DEFAULT);
  check(uv_loop_close(&loop_) == 0, "whatever lived in a loop was destroyed before it");
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

Poll::Poll(Loop& loop, int descriptor, std::function<void(int)> callback) : callback_(std::move(callback)) {
  check(uv_poll_init(loop.get(), handle_.get(), descriptor) == 0, "a descriptor can be polled");
  handle_->data = this;
}

void Poll::set(int events) {
  if (events == events_) return;
  events_ = events;
  if (events == 0) {
    uv_poll_stop(handle_.get());
    return;
  }
  uv_poll_start(handle_.get(), events, [](uv_poll_t* handle, int status, int ready) noexcept {
    if (handle->data == nullptr) return;
    // An error on the descriptor is met by the read or write that follows.
    static_cast<Poll*>(handle->data)->callback_(status < 0 ? UV_READABLE | UV_WRITABLE : ready);
  });
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
