// See threads.h.
#include "adieu/base/threads.h"

#include <pthread.h>

#include <condition_variable>
#include <thread>
#include <utility>

namespace adieu {
namespace {

class MachineSignal final : public Threads::Signal {
 public:
  void notify_one() override { variable_.notify_one(); }
  void notify_all() override { variable_.notify_all(); }

 private:
  void sleep(std::unique_lock<std::mutex>& lock, std::optional<Threads::Time> until) override {
    if (until) {
      variable_.wait_until(lock, *until);
    } else {
      variable_.wait(lock);
    }
  }
  std::condition_variable variable_;
};

class MachineThread final : public Threads::Thread {
 public:
  MachineThread(const char* name, std::function<void()> body)
      : thread_([name, body = std::move(body)] {
          ::pthread_setname_np(::pthread_self(), name);
          body();
        }) {}
  ~MachineThread() override { thread_.join(); }

 private:
  std::thread thread_;
};

class MachineThreads final : public Threads {
 public:
  std::unique_ptr<Signal> signal() override { return std::make_unique<MachineSignal>(); }
  std::unique_ptr<Thread> start(const char* name, std::function<void()> body) override {
    return std::make_unique<MachineThread>(name, std::move(body));
  }
  Time now() override { return std::chrono::steady_clock::now(); }
  std::chrono::system_clock::time_point wall() override { return std::chrono::system_clock::now(); }
};

}  // namespace

Threads& Threads::of_machine() {
  static MachineThreads machine;
  return machine;
}

}  // namespace adieu
