// See logger.h.
#include "daemon/logger.h"

#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "adieu/base/clock.h"

namespace adieu::daemon {
namespace {

constexpr std::size_t kWaiting = 8u << 20;                     // octets of lines that a slow reader may leave waiting
constexpr auto kGathering = std::chrono::milliseconds(5);      // lines that come this close together go out in one write

/// sd-daemon(3): the kernel's priorities.
const char* journal_prefix(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "<7>";
    case LogLevel::info: return "<6>";
    case LogLevel::warning: return "<4>";
    case LogLevel::error: return "<3>";
  }
  return "";
}

class StreamLog final : public Log {
 public:
  StreamLog(int descriptor, LogLevel level)
      : descriptor_(descriptor), level_(level), to_journal_(std::getenv("JOURNAL_STREAM") != nullptr), thread_([this] {
          ::pthread_setname_np(::pthread_self(), "log");
          work();
        }) {}
  ~StreamLog() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  bool enabled(LogLevel level) const override { return level >= level_; }

  void write(LogLevel level, std::string_view line) override {
    if (!enabled(level)) return;
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      first = waiting_.empty();
      if (waiting_.size() > kWaiting) {
        ++lost_;
      } else {
        append(level, line);
      }
    }
    if (first) wake_.notify_one();
  }

 private:
  void append(LogLevel level, std::string_view line) {
    if (to_journal_) {
      waiting_ += journal_prefix(level);
    } else {
      const WallTime now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
      if (now != stamped_) stamp_ = "time=" + rfc3339(stamped_ = now) + ' ';
      waiting_ += stamp_;
    }
    waiting_ += "level=";
    waiting_ += name(level);
    waiting_ += ' ';
    waiting_ += line;
    waiting_ += '\n';
  }

  void work() {
    std::string lines;
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      wake_.wait_for(lock, kGathering, [this] { return ending_; });
      if (const std::int64_t lost = std::exchange(lost_, 0); lost != 0) {
        append(LogLevel::warning, LogLine("log-overrun").field("lines-lost", lost).field("hint", "standard error is read too slowly").text());
      }
      lines.swap(waiting_);
      lock.unlock();
      put(lines);
      lines.clear();
      lock.lock();
    }
  }

  /// A reader that has gone takes its lines with it.
  void put(std::string_view lines) {
    while (!lines.empty()) {
      const ssize_t written = ::write(descriptor_, lines.data(), lines.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return;
      lines.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  const int descriptor_;
  const LogLevel level_;
  const bool to_journal_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string waiting_;     // guarded by mutex_, as are those below
  WallTime stamped_{};
  std::string stamp_;       // of the millisecond `stamped_`
  std::int64_t lost_ = 0;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Log> make_stderr_log(LogLevel level) { return make_stream_log(STDERR_FILENO, level); }
std::unique_ptr<Log> make_stream_log(int descriptor, LogLevel level) { return std::make_unique<StreamLog>(descriptor, level); }

}  // namespace adieu::daemon
