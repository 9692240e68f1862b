// Threads that wait for the disk, what they wait by and the time that they know, as a port: the machine's, or those of a simulated world
// (tests/world), where one thread runs at a time and the world says when.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

namespace adieu {

/// From any thread.
class Threads {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// A condition variable. Whoever is woken may destroy nothing of it: it outlives those who wait.
  class Signal {
   public:
    virtual ~Signal() = default;
    virtual void notify_one() = 0;
    virtual void notify_all() = 0;
    /// Until `holds()`.
    template <class Condition>
    void wait(std::unique_lock<std::mutex>& lock, const Condition& holds) {
      while (!holds()) sleep(lock, std::nullopt);
    }
    /// Until `holds()`, at the longest until `when`; whether it holds.
    template <class Condition>
    bool wait_until(Threads& threads, std::unique_lock<std::mutex>& lock, Time when, const Condition& holds) {
      while (!holds()) {
        if (threads.now() >= when) return false;
        sleep(lock, when);
      }
      return true;
    }

   private:
    /// May return without a reason.
    virtual void sleep(std::unique_lock<std::mutex>& lock, std::optional<Time> until) = 0;
  };
  /// Its destructor waits for the end of the body.
  class Thread {
   public:
    virtual ~Thread() = default;
  };

  virtual ~Threads() = default;
  virtual std::unique_ptr<Signal> signal() = 0;
  /// `name`: of at most 15 characters, for people.
  virtual std::unique_ptr<Thread> start(const char* name, std::function<void()> body) = 0;
  virtual Time now() = 0;
  virtual std::chrono::system_clock::time_point wall() = 0;

  static Threads& of_machine();
};

}  // namespace adieu
