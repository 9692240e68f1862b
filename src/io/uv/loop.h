// One libuv loop as an executor: tasks may be posted to it from any thread; timers and polls live in it. A loop and everything in it
// belongs to the thread that runs it. It is embedded as libuv's documentation of uv_backend_fd describes: it stands in an epoll set beside the
// descriptors of all Polls, which so cost neither a handle each nor a second epoll_wait.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "adieu/base/clock.h"
#include "adieu/base/task.h"

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

class Poll;

class Loop final : public Executor {
 public:
  /// Throws std::system_error where the machine has no descriptors or memory for it: loops are made when the program starts.
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

  /// Monotonic, as of this turn of the loop.
  Instant now() const { return Instant(Duration(uv_now(&loop_))); }
  uv_loop_t* get() { return &loop_; }

 private:
  friend class Poll;
  /// A Poll by its place. An event that was due when its Poll was destroyed finds the place empty, or taken by a later number.
  struct Place {
    Poll* poll = nullptr;
    std::uint32_t number = 0;
  };

  void run_tasks();
  std::uint32_t enter(Poll& poll);
  void leave(std::uint32_t place);
  void tell(std::uint64_t which, std::uint32_t events);
  int libuv_timeout() const;

  uv_loop_t loop_{};
  int epoll_ = -1;  // of libuv's descriptor, wake_ and all Polls
  int wake_ = -1;   // an eventfd
  bool stopping_ = false;
  std::vector<Place> places_;
  std::vector<std::uint32_t> free_places_;
  std::vector<std::uint64_t> unwatched_;  // places and numbers of Polls that the kernel did not take, for the time being
  std::mutex mutex_;
  std::vector<Task> tasks_;   // guarded by mutex_
  std::vector<Task> running_;
  bool stopped_ = false;      // guarded by mutex_
};

/// Calls back once when an instant has come. Moving the instant later costs nothing until the earlier one fires.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> callback);
  /// None: never.
  void set(Deadline when);

 private:
  void fire();

  Loop& loop_;
  std::function<void()> callback_;
  Deadline when_;
  Deadline armed_;
  Owned<uv_timer_t> handle_;
};

/// Tells when a file descriptor can be read or written (UV_READABLE, UV_WRITABLE). Does not own the descriptor, which must stay open for as long
/// as this lives. A uv_poll_t of its own for each connection would cost six system calls where two do.
class Poll {
 public:
  Poll(Loop& loop, int descriptor, std::function<void(int events)> callback);
  ~Poll();
  Poll(const Poll&) = delete;
  Poll& operator=(const Poll&) = delete;
  /// 0: nothing.
  void set(int events);

 private:
  friend class Loop;
  void watch();

  Loop& loop_;
  const int descriptor_;
  const std::function<void(int)> callback_;
  const std::uint32_t place_;
  int events_ = 0;
  bool watched_ = false;
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
