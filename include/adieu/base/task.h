// Work handed from one thread to another: a callable that is moved, never copied, and called at most once; and where to hand it.
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace adieu {

/// A move-only `void()`; destroying it uncalled destroys what it captured.
class Task {
 public:
  Task() = default;
  template <class Callable>
    requires(!std::same_as<std::remove_cvref_t<Callable>, Task>)
  Task(Callable&& callable)  // NOLINT: a lambda is a Task wherever one is expected
      : body_(std::make_unique<Body<std::decay_t<Callable>>>(std::forward<Callable>(callable))) {}

  void operator()() {
    auto body = std::move(body_);
    body->run();
  }
  explicit operator bool() const { return body_ != nullptr; }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual void run() = 0;
  };
  template <class Callable>
  struct Body final : Base {
    explicit Body(Callable callable) : callable_(std::move(callable)) {}
    void run() override { callable_(); }
    Callable callable_;
  };
  std::unique_ptr<Base> body_;
};

/// A thread that runs tasks in the order they were posted: a shard's loop, or a test's queue.
class Executor {
 public:
  virtual ~Executor() = default;
  /// From any thread. After the executor has stopped, tasks are destroyed uncalled.
  virtual void post(Task task) = 0;
};

}  // namespace adieu
