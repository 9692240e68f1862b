// Where `adieu probe` connects to: a host's addresses by the system's resolver, tried in turn.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "adieu/base/ip.h"
#include "adieu/base/result.h"
#include "tools/probe_wire.h"

namespace adieu::tools {

class ProbeDialer {
 public:
  /// Looks the host up. Errors (unavailable): it has no address, or nobody could say.
  static Result<ProbeDialer> open(ProbeTarget target);

  /// To the first address that answers; once one has, to that alone.
  Result<std::unique_ptr<probe::Wire>> connect();

 private:
  ProbeDialer(ProbeTarget target, std::vector<Endpoint> endpoints) : target_(std::move(target)), endpoints_(std::move(endpoints)) {}

  ProbeTarget target_;
  std::vector<Endpoint> endpoints_;
};

}  // namespace adieu::tools
