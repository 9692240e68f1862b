// See logger.h.
#include "daemon/logger.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace adieu::daemon {
namespace {

constexpr std::size_t kWaiting = 8u << 20;                     // octets of lines that a slow reader may leave waiting
constexpr auto kGathering = std::chrono::milliseconds(5);      // lines that come this close together go out in one write
constexpr auto kRefused = std::chrono::milliseconds(500);      // before lines that the target refused are tried again

WallTime wall_now() { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

/// What the writing thread shares with all others. The thread keeps it alive, for it may be left behind in a write that never ends.
class Lines {
 public:
  explicit Lines(std::unique_ptr<LogTarget> target) : target_(std::move(target)) {}

  void add(LogLevel level, std::string_view line) {
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      first = waiting_.empty();
      if (waiting_.size() > kWaiting) {
        ++lost_;
      } else {
        target_->append(waiting_, level, wall_now(), line);
      }
    }
    if (first) wake_.notify_one();
  }

  void reopen() {
    {
      const std::lock_guard lock(mutex_);
      reopening_ = true;
    }
    wake_.notify_one();
  }

  /// The writing thread.
  void work() {
    std::unique_lock lock(mutex_);
    bool refused = false;
    while (!abandoned_) {
      if (refused) {
        wake_.wait_for(lock, kRefused, [this] { return ending_ || reopening_; });
      } else {
        wake_.wait(lock, [this] { return ending_ || reopening_ || !waiting_.empty(); });
        wake_.wait_for(lock, kGathering, [this] { return ending_; });
      }
      const bool last = ending_;
      if (std::exchange(reopening_, false)) open_anew(lock);
      refused = !write_out(lock);
      if (last && (refused || (waiting_.empty() && lost_ == 0))) break;
    }
    ended_ = true;
    end_.notify_one();
  }

  /// True: the thread has written what it could. False: it hangs in a write; whenever that returns, it ends.
  bool end(Duration wait) {
    std::unique_lock lock(mutex_);
    ending_ = true;
    wake_.notify_one();
    if (end_.wait_for(lock, wait, [this] { return ended_; })) return true;
    abandoned_ = true;
    return false;
  }

  /// Lines that never reached the target, once `end` has been called.
  std::int64_t lost() {
    const std::lock_guard lock(mutex_);
    return lost_ + count(waiting_) + count(in_hand_);
  }

 private:
  std::int64_t count(std::string_view records) const { return std::count(records.begin(), records.end(), target_->separator()); }

  /// False: the target refused the rest, which is kept for the next time: a disk may have room again, a syslog daemon may come again. Unlocks meanwhile.
  bool write_out(std::unique_lock<std::mutex>& lock) {
    if (in_hand_.empty()) {
      in_hand_.swap(waiting_);
      if (const std::int64_t lost = std::exchange(lost_, 0); lost != 0) {
        target_->append(in_hand_, LogLevel::warning, wall_now(),
                        LogLine("log-overrun").field("lines-lost", lost).field("hint", "the log is read too slowly, or could not be written").text());
      }
    }
    lock.unlock();
    const std::size_t written = target_->write(in_hand_);
    lock.lock();
    in_hand_.erase(0, written);
    return in_hand_.empty();
  }

  void open_anew(std::unique_lock<std::mutex>& lock) {
    lock.unlock();
    const Result<> opened = target_->reopen();
    lock.lock();
    if (opened) return;
    target_->append(waiting_, LogLevel::error, wall_now(),
                    LogLine("log-reopen").field("error", opened.error().message).field("hint", "the old file is written to meanwhile").text());
  }

  const std::unique_ptr<LogTarget> target_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable end_;
  std::string waiting_;    // guarded by mutex_, as are those below
  std::string in_hand_;    // changed by the writing thread only, under the lock; so that thread may read it without
  std::int64_t lost_ = 0;
  bool reopening_ = false;
  bool ending_ = false;
  bool ended_ = false;
  bool abandoned_ = false;
};

class ThreadedLogger final : public Logger {
 public:
  ThreadedLogger(std::unique_ptr<LogTarget> target, LogLevel level, Duration last_lines)
      : level_(level), last_lines_(last_lines), lines_(std::make_shared<Lines>(std::move(target))), thread_([lines = lines_] {
          ::pthread_setname_np(::pthread_self(), "log");
          lines->work();
        }) {}
  ~ThreadedLogger() override {
    if (lines_->end(last_lines_)) {
      thread_.join();
    } else {
      thread_.detach();
    }
    if (const std::int64_t lost = lines_->lost(); lost != 0) {
      tell_syslog(LogLevel::warning, LogLine("log-overrun")
                                         .field("lines-lost", lost)
                                         .field("hint", "these lines of the log could not be written before the program ended")
                                         .text());
    }
  }

  bool enabled(LogLevel level) const override { return level >= level_; }
  void write(LogLevel level, std::string_view line) override {
    if (enabled(level)) lines_->add(level, line);
  }
  void reopen() override { lines_->reopen(); }

 private:
  const LogLevel level_;
  const Duration last_lines_;
  const std::shared_ptr<Lines> lines_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Logger> make_log(std::unique_ptr<LogTarget> target, LogLevel level, Duration last_lines) {
  return std::make_unique<ThreadedLogger>(std::move(target), level, last_lines);
}

Result<std::unique_ptr<Logger>> make_log(const config::Config& config) {
  if (!config.log_file.empty()) {
    auto file = make_file_target(config.log_file, config.user);
    if (!file) return tl::unexpected<Error>(std::move(file.error()));
    return make_log(std::move(*file), config.log_level);
  }
  switch (config.log_to) {
    case config::LogTo::standard_error: break;
    case config::LogTo::syslog: return make_log(make_syslog_target(), config.log_level);
    case config::LogTo::journal: return make_log(make_journal_target(), config.log_level);
  }
  return make_stderr_log(config.log_level);
}

std::unique_ptr<Logger> make_stderr_log(LogLevel level) { return make_log(make_stream_target(STDERR_FILENO), level); }

}  // namespace adieu::daemon
