// A log for tests: keeps its lines.
#pragma once

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include "adieu/base/log.h"

namespace adieu::test {

class RecordingLog final : public Log {
 public:
  using Log::write;
  bool enabled(LogLevel) const override { return true; }
  void write(LogLevel, std::string_view line) override {
    const std::lock_guard lock(mutex_);
    lines_.emplace_back(line);
  }
  std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  /// Lines that hold `words`.
  std::size_t count(std::string_view words) const {
    const std::vector<std::string> all = lines();
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](const std::string& line) { return line.find(words) != std::string::npos; }));
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

}  // namespace adieu::test
