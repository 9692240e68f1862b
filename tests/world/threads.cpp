// See threads.h.
#include "threads.h"

#include <algorithm>
#include <semaphore>
#include <thread>
#include <utility>

#include "adieu/base/result.h"

namespace adieu::world {
namespace {

constexpr auto kStuck =
    std::chrono::minutes(2);  // of the machine's time: a thread that runs for longer waits for something that no world gives

}  // namespace

struct SpoolThreads::Runner : std::enable_shared_from_this<Runner> {
  enum class State : std::uint8_t { ready, running, sleeping, ended };

  SpoolThreads* threads = nullptr;
  State state = State::ready;
  const void* sleeps_on = nullptr;  // a signal, or a runner whose end it waits for; null: only time wakes it
  std::optional<Time> until;
  std::uint64_t sleeps = 0;  // how often it has slept, so that what would wake it from an earlier sleep does not
  std::binary_semaphore go{0};
  std::binary_semaphore back{0};
  std::thread thread;

  static thread_local Runner* self;
  /// When it may run, as far as that is known.
  Time due() const {
    if (state == State::ready) return Time::min();
    return state == State::sleeping && until ? *until : Time::max();
  }
  bool wake(const void* what) {
    if (state != State::sleeping || sleeps_on != what) return false;
    threads->make_ready(*this);
    return true;
  }
};
thread_local SpoolThreads::Runner* SpoolThreads::Runner::self = nullptr;

class SpoolThreads::WorldSignal final : public Signal {
 public:
  explicit WorldSignal(SpoolThreads& threads) : threads_(threads) {}
  void notify_one() override { wake(1); }
  void notify_all() override { wake(threads_.runners_.size()); }

 private:
  void wake(std::size_t most) {
    for (const auto& runner : threads_.runners_) {
      if (most == 0) return;
      most -= runner->wake(this);
    }
  }
  void sleep(std::unique_lock<std::mutex>& lock, std::optional<Time> until) override {
    check(Runner::self != nullptr, "the world's own thread never waits for its spool");
    lock.unlock();
    threads_.sleep(*Runner::self, this, until);
    lock.lock();
  }

  SpoolThreads& threads_;
};

class SpoolThreads::WorldThread final : public Thread {
 public:
  WorldThread(SpoolThreads& threads, std::shared_ptr<Runner> runner) : threads_(threads), runner_(std::move(runner)) {}
  ~WorldThread() override {
    threads_.run_until_ended(*runner_);
    runner_->thread.join();
    std::erase(threads_.runners_, runner_);
  }

 private:
  SpoolThreads& threads_;
  const std::shared_ptr<Runner> runner_;
};

SpoolThreads::~SpoolThreads() { check(runners_.empty(), "the spool's threads end before their world does"); }

std::unique_ptr<Threads::Signal> SpoolThreads::signal() { return std::make_unique<WorldSignal>(*this); }

std::unique_ptr<Threads::Thread> SpoolThreads::start(const char*, std::function<void()> body) {
  auto runner = std::make_shared<Runner>();
  runner->threads = this;
  runner->thread = std::thread([&runner = *runner, body = std::move(body)]() mutable {
    runner.go.acquire();
    Runner::self = &runner;
    body();
    body = nullptr;
    runner.state = Runner::State::ended;
    for (const auto& other : runner.threads->runners_) other->wake(&runner);
    runner.back.release();
  });
  runners_.push_back(runner);
  make_ready(*runner);
  return std::make_unique<WorldThread>(*this, std::move(runner));
}

Threads::Time SpoolThreads::now() { return Time((clock_.now() + ahead_).time_since_epoch()); }

void SpoolThreads::make_ready(Runner& runner) {
  runner.state = Runner::State::ready;
  if (hurries_) return;
  clock_.after(clock_.between(Duration(0), Duration(1)), [weak = runner.weak_from_this()] {
    if (const auto alive = weak.lock()) alive->threads->run(*alive);
  });
}

/// On the world's thread: `runner` runs until it gives way.
void SpoolThreads::run(Runner& runner) {
  if (runner.state != Runner::State::ready) return;
  runner.state = Runner::State::running;
  runner.go.release();
  check(runner.back.try_acquire_for(kStuck), "a thread of the spool waits for what another one holds");
}

void SpoolThreads::sleep(Runner& runner, const void* on, std::optional<Time> until) {
  runner.state = Runner::State::sleeping;
  runner.sleeps_on = on;
  runner.until = until;
  ++runner.sleeps;
  if (until && !hurries_) {
    clock_.at(Instant(std::chrono::ceil<Duration>(until->time_since_epoch())),
              [weak = runner.weak_from_this(), sleep = runner.sleeps] {
                const auto alive = weak.lock();
                if (!alive || alive->state != Runner::State::sleeping || alive->sleeps != sleep) return;
                alive->state = Runner::State::ready;
                alive->threads->run(*alive);
              });
  }
  runner.back.release();
  runner.go.acquire();
}

void SpoolThreads::run_until_ended(const Runner& awaited) {
  while (awaited.state != Runner::State::ended) {
    if (Runner::self != nullptr) {
      sleep(*Runner::self, &awaited, std::nullopt);
      continue;
    }
    const auto next = std::min_element(runners_.begin(), runners_.end(),
                                       [](const auto& left, const auto& right) { return left->due() < right->due(); });
    check((*next)->due() != Time::max(), "the spool's threads wait for one another");
    if ((*next)->state == Runner::State::sleeping) {
      ahead_ += std::max(Duration(0), std::chrono::ceil<Duration>(*(*next)->until - now()));
      (*next)->state = Runner::State::ready;
    }
    run(**next);
  }
}

void SpoolThreads::pass(Duration time) {
  Runner* const self = Runner::self;
  if (self == nullptr || self->threads->hurries_) return;
  self->threads->sleep(*self, nullptr, self->threads->now() + time);
}

}  // namespace adieu::world
