// What the measuring programs of the spool share: one thread that its completions run on, a log on standard error, a message.
#pragma once

#include <condition_variable>
#include <cstdio>
#include <deque>
#include <mutex>
#include <string>
#include <utility>

#include "adieu/base/log.h"
#include "adieu/base/task.h"
#include "adieu/relay/spool/message.h"

namespace adieu::bench {

class Loop final : public Executor {
 public:
  void post(Task task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    wake_.notify_one();
  }
  template <class Condition>
  void run_until(Condition done) {
    std::deque<Task> tasks;
    while (!done()) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return !tasks_.empty(); });
        tasks.swap(tasks_);
      }
      for (Task& task : tasks) task();
      tasks.clear();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
};

class StandardError final : public Log {
 public:
  bool enabled(LogLevel level) const override { return level >= LogLevel::warning; }
  void write(LogLevel, std::string_view line) override { std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data()); }
};

inline spool::MessageHead head_of_one() {
  spool::MessageHead head;
  head.reverse_path = {"from", "client.example"};
  head.trace = std::string(200, 'r') + "\r\n";
  head.client = "client.example[192.0.2.1]";
  spool::Recipient recipient;
  recipient.forward_path = {"to", "example.org"};
  recipient.next_hop = "smarthost";
  head.recipients.push_back(std::move(recipient));
  return head;
}

}  // namespace adieu::bench
