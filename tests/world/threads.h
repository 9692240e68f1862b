// The spool's threads in a simulated world. They are real threads, of which one runs at a time, and only while the world's own thread waits for it: until it
// waits itself, ends, or lets time pass. When it goes on is an event of the world, at an instant that the seed decides; so that all comes again with the seed.
#pragma once

#include <vector>

#include "adieu/base/threads.h"
#include "clock.h"

namespace adieu::world {

class SpoolThreads final : public Threads {
 public:
  explicit SpoolThreads(Clock& clock) : clock_(clock) {}
  ~SpoolThreads() override;

  std::unique_ptr<Signal> signal() override;
  std::unique_ptr<Thread> start(const char* name, std::function<void()> body) override;
  Time now() override;
  std::chrono::system_clock::time_point wall() override { return clock_.wall(); }

  /// On one of these threads: others may run, and others' events happen, until `time` has passed. On the world's own thread it returns at once.
  static void pass(Duration time);
  /// From now on they wait for nothing in the world: they run, one after another, while the world's thread waits for the end of one of them.
  void hurry() { hurries_ = true; }

 private:
  class WorldSignal;
  class WorldThread;
  struct Runner;

  void make_ready(Runner& runner);
  void run(Runner& runner);
  void sleep(Runner& runner, const void* on, std::optional<Time> until);
  void run_until_ended(const Runner& awaited);

  Clock& clock_;
  bool hurries_ = false;
  Duration ahead_{};  // of the world's clock, while they hurry
  std::vector<std::shared_ptr<Runner>> runners_;
};

}  // namespace adieu::world
