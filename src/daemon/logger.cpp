// See logger.h.
#include "daemon/logger.h"

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <chrono>
#include <cstdlib>

#include "adieu/base/clock.h"

namespace adieu::daemon {
namespace {

constexpr std::size_t kLines = 16'384;

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

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

class StderrLog final : public Log {
 public:
  explicit StderrLog(LogLevel level) : level_(level), to_journal_(std::getenv("JOURNAL_STREAM") != nullptr) {
    pool_ = std::make_shared<spdlog::details::thread_pool>(kLines, 1);
    logger_ = std::make_shared<spdlog::async_logger>("adieu", std::make_shared<spdlog::sinks::stderr_sink_st>(), pool_,
                                                     spdlog::async_overflow_policy::overrun_oldest);
    logger_->set_pattern("%v");
    logger_->set_level(spdlog::level::trace);
    logger_->flush_on(spdlog::level::trace);
  }
  ~StderrLog() override {
    logger_.reset();
    pool_.reset();
  }

  bool enabled(LogLevel level) const override { return level >= level_; }

  void write(LogLevel level, std::string_view line) override {
    if (!enabled(level)) return;
    std::string text;
    if (to_journal_) {
      text = journal_prefix(level);
    } else {
      text = "time=" + rfc3339(std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now())) + ' ';
    }
    text += "level=";
    text += name(level);
    text += ' ';
    text += line;
    logger_->log(to_spdlog(level), spdlog::string_view_t(text.data(), text.size()));
  }

 private:
  const LogLevel level_;
  const bool to_journal_;
  std::shared_ptr<spdlog::details::thread_pool> pool_;
  std::shared_ptr<spdlog::async_logger> logger_;
};

}  // namespace

std::unique_ptr<Log> make_stderr_log(LogLevel level) { return std::make_unique<StderrLog>(level); }

}  // namespace adieu::daemon
