// Names of connections for logs: what came over one of them has the same in all of its lines.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "adieu/base/clock.h"

namespace adieu::observe {

/// From any thread. No two are the same, those of earlier runs included where the clock did not go back.
class ConnectionIds {
 public:
  explicit ConnectionIds(WallTime start) : start_(start) {}
  /// "6928a1f3.17": when the run began, in seconds and hexadecimal, and which connection of it this is.
  std::string next();

 private:
  const WallTime start_;
  std::atomic<std::uint64_t> last_ = 0;
};

}  // namespace adieu::observe
