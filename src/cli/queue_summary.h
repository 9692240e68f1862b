// `adieu queue summary`: how old the queue is, by destination, as a table with bars. The columns are qshape(1)'s.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "adieu/base/clock.h"

namespace adieu::cli {

class QueueSummary {
 public:
  /// Up to 5, 10, 20, … 1280 minutes, and older.
  static constexpr std::size_t kAges = 10;
  using Ages = std::array<std::uint64_t, kAges>;

  void add(const std::string& destination, Duration age, std::uint64_t recipients);
  /// The destinations with most recipients first, `most` of them, and the sum of all above them. Empty: "the queue is empty".
  std::string table(std::size_t most) const;
  /// One JSON object a destination.
  std::string json_lines() const;

 private:
  std::map<std::string, Ages> by_destination_;
};

}  // namespace adieu::cli
