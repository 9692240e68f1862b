// See loop.h.
#include "io/uv/loop.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include "io/uv/stream.h"

namespace adieu::uv {

namespace {
/// libuv ends the process where it finds no descriptors for pipes of its own.
void need_descriptors() {
  constexpr int kOfLibuv = 12;
  std::vector<int> taken;
  for (int i = 0; i < kOfLibuv; ++i) {
    const int descriptor = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) break;
    taken.push_back(descriptor);
  }
  const int error = errno;
  for (const int descriptor : taken) ::close(descriptor);
  if (taken.size() != kOfLibuv) throw std::system_error(error, std::system_category(), "an event loop needs descriptors");
}

/// The loop whose callback runs on this thread.
thread_local Loop* current = nullptr;

[[noreturn]] void refused(int error, const char* what) { throw std::system_error(error, std::system_category(), what); }

}  // namespace

Loop::Loop() : random_(std::random_device()()) {
  need_descriptors();
  std::signal(SIGPIPE, SIG_IGN);
  if (const int error = uv_loop_init(&loop_); error != 0) refused(-error, "make an event loop");
  wake_ = std::make_unique<Owned<uv_async_t>>();
  const int error = uv_async_init(&loop_, wake_->get(), [](uv_async_t* handle) noexcept {
    if (handle->data != nullptr) static_cast<Loop*>(handle->data)->run_tasks();
  });
  if (error != 0) {
    uv_loop_close(&loop_);
    refused(-error, "make an event loop");
  }
  wake_->get()->data = this;
  idle_ = std::make_unique<Owned<uv_idle_t>>();
  uv_idle_init(&loop_, idle_->get());
}

Loop::~Loop() {
  wake_.reset();
  idle_.reset();
  // Handles that are being closed free their memory in their close callbacks, which run here.
  uv_run(&loop_, UV_RUN_DEFAULT);
  check(uv_loop_close(&loop_) == 0, "whatever lived in a loop was destroyed before it");
}

WallTime Loop::wall() const { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

std::unique_ptr<adieu::Timer> Loop::timer(std::function<void()> callback) { return std::make_unique<Timer>(*this, std::move(callback)); }

tl::expected<std::unique_ptr<adieu::Stream>, ConnectFailure> Loop::connect(const Endpoint& endpoint,
                                                                          std::function<void(std::optional<Error>)> decided) {
  return Stream::connect(*this, endpoint, std::move(decided));
}

void Loop::turn(bool waits) {
  Loop* const outer = std::exchange(current, this);
  uv_run(&loop_, waits ? UV_RUN_ONCE : UV_RUN_NOWAIT);
  run_own_tasks();
  current = outer;
}

void Loop::post(Task task) {
  if (current == this) {
    if (own_tasks_.empty()) uv_idle_start(idle_->get(), [](uv_idle_t*) noexcept {});
    own_tasks_.push_back(std::move(task));
    return;
  }
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  const bool first = tasks_.empty();
  tasks_.push_back(std::move(task));
  // Within the lock, so that the loop, which must stop first, is not gone by then.
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

/// What these post in turn waits until the kernel was asked for news.
void Loop::run_own_tasks() {
  if (own_tasks_.empty()) return;
  uv_idle_stop(idle_->get());
  std::vector<Task> tasks;
  tasks.swap(own_tasks_);
  for (Task& task : tasks) task();
  if (!own_tasks_.empty()) return;
  tasks.clear();
  own_tasks_.swap(tasks);  // its memory
}

void Loop::run() {
  while (!stopping_) turn(true);
  const std::vector<Task> own = std::move(own_tasks_);
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

Readable::Readable(Loop& loop, int descriptor, std::function<void()> callback) : callback_(std::move(callback)) {
  if (const int error = uv_poll_init(loop.get(), handle_.get(), descriptor); error != 0) refused(-error, "wait for a descriptor");
  handle_->data = this;
  const int error = uv_poll_start(handle_.get(), UV_READABLE, [](uv_poll_t* handle, int, int) noexcept {
    // An error on the descriptor is met by the read that follows.
    if (handle->data != nullptr) static_cast<Readable*>(handle->data)->callback_();
  });
  if (error != 0) refused(-error, "wait for a descriptor");
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
