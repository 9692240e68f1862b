// An executor for tests: what is posted, from any thread, waits until the test runs it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "adieu/base/task.h"

namespace adieu::test {

class QueuedExecutor final : public Executor {
 public:
  void post(Task task) override {
    // Notified under the lock: whoever is woken may destroy this.
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    wake_.notify_one();
  }

  /// Runs what is posted until `done()` holds. Fails the test after a minute without a task: what was waited for never came.
  template <class Condition>
  bool run_until(Condition done) {
    while (!done()) {
      std::unique_lock lock(mutex_);
      if (!wake_.wait_for(lock, std::chrono::minutes(1), [this] { return !tasks_.empty(); })) {
        ADD_FAILURE() << "nothing was posted any more";
        return false;
      }
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
    return true;
  }
  /// Runs what has been posted, and what that posts.
  void run() {
    for (;;) {
      std::unique_lock lock(mutex_);
      if (tasks_.empty()) return;
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
  }
  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return tasks_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
};

}  // namespace adieu::test
