// A few threads for work that waits for the disk, so that no loop does. Tasks are run in the order in which they were given, several at once.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "adieu/base/task.h"
#include "adieu/base/threads.h"

namespace adieu {

class Workers {
 public:
  explicit Workers(std::size_t count, Threads& threads = Threads::of_machine()) : wake_(threads.signal()) {
    for (std::size_t i = 0; i < count; ++i) threads_.push_back(threads.start("worker", [this] { work(); }));
  }
  ~Workers() { finish(); }
  /// Runs what was given before, then ends the threads; what is given later runs at once, on the giver's thread.
  void finish() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    wake_->notify_all();
    threads_.clear();
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void run(Task task) {
    std::unique_lock lock(mutex_);
    if (ending_) {
      lock.unlock();
      task();
      return;
    }
    tasks_.push_back(std::move(task));
    lock.unlock();
    wake_->notify_one();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_->wait(lock, [this] { return ending_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      task = Task();
      lock.lock();
    }
  }

  std::mutex mutex_;
  const std::unique_ptr<Threads::Signal> wake_;
  std::deque<Task> tasks_;  // guarded by mutex_
  bool ending_ = false;     // guarded by mutex_
  std::vector<std::unique_ptr<Threads::Thread>> threads_;
};

}  // namespace adieu
