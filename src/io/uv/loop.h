// The port adieu::Loop by libuv, and what else the process waits for.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include "adieu/base/loop.h"

namespace adieu::uv {

/// A libuv handle whose memory outlives its owner until libuv has closed it. `data` points to the owner and is cleared first, so
/// that a callback that is already due does nothing.
template <class Handle>
class Owned {
 public:
  Owned() : handle_(new Handle{}) {}
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() {
    handle_->data = nullptr;
    auto* base = reinterpret_cast<uv_handle_t*>(handle_);
    if (base->type == UV_UNKNOWN_HANDLE) {
      delete handle_;  // never initialised
    } else {
      uv_close(base, [](uv_handle_t* closed) noexcept { delete reinterpret_cast<Handle*>(closed); });
    }
  }
  Handle* get() { return handle_; }
  Handle* operator->() { return handle_; }

 private:
  Handle* handle_;
};

class Loop final : public adieu::Loop {
 public:
  /// Throws std::system_error where the machine has no descriptors or memory for it: loops are made when the program starts. From then on the process
  /// ignores SIGPIPE, since libuv writes to sockets with write(2).
  Loop();
  /// Closes what is left and runs the loop until libuv has let go of it; tasks not run yet are destroyed.
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void post(Task task) override;
  /// Runs until `stop`.
  void run();
  /// Runs what is due now; with `waits`, waits until something is.
  void turn(bool waits);
  /// From the loop's own thread.
  void stop() { stopping_ = true; }

  Instant now() const override { return Instant(Duration(uv_now(&loop_))); }
  WallTime wall() const override;
  std::uint64_t random() override { return random_(); }
  std::unique_ptr<adieu::Timer> timer(std::function<void()> callback) override;
  tl::expected<std::unique_ptr<adieu::Stream>, ConnectFailure> connect(const Endpoint& endpoint,
                                                                      std::function<void(std::optional<Error>)> decided) override;
  uv_loop_t* get() { return &loop_; }

 private:
  void run_tasks();
  void run_own_tasks();

  uv_loop_t loop_{};
  std::unique_ptr<Owned<uv_async_t>> wake_;
  bool stopping_ = false;
  std::mt19937_64 random_;
  std::vector<Task> own_tasks_;  // posted by callbacks of this loop, which need not wake it
  std::unique_ptr<Owned<uv_idle_t>> idle_;  // runs while there are any: libuv does not wait then
  std::mutex mutex_;
  std::vector<Task> tasks_;   // guarded by mutex_
  std::vector<Task> running_;
  bool stopped_ = false;      // guarded by mutex_
};

/// Moving its instant later costs nothing until the earlier one fires.
class Timer final : public adieu::Timer {
 public:
  Timer(Loop& loop, std::function<void()> callback);
  void set(Deadline when) override;

 private:
  void fire();

  Loop& loop_;
  std::function<void()> callback_;
  Deadline when_;
  Deadline armed_;
  Owned<uv_timer_t> handle_;
};

/// Calls back when a descriptor that a library owns can be read. It must stay open for as long as this lives.
class Readable {
 public:
  /// Throws std::system_error where the kernel does not let it be waited for.
  Readable(Loop& loop, int descriptor, std::function<void()> callback);

 private:
  const std::function<void()> callback_;
  Owned<uv_poll_t> handle_;
};

/// Calls back at each delivery of a signal to the process.
class Signal {
 public:
  /// Throws std::system_error where the machine has no descriptors for it.
  Signal(Loop& loop, int number, std::function<void()> callback);

 private:
  std::function<void()> callback_;
  Owned<uv_signal_t> handle_;
};

}  // namespace adieu::uv
