// The port dns::Resolver by libunbound: asynchronous, in a thread of the library's own. RFC 1035, RFC 3596, RFC 5321 section 5.1. Whoever owns the
// loop waits for `descriptor()` and calls `process()`.
#pragma once

#include <memory>
#include <vector>

#include "adieu/base/result.h"
#include "adieu/base/task.h"
#include "adieu/protocol/dns/resolver.h"

namespace adieu::unbound {

class UnboundResolver : public dns::Resolver {
 public:
  /// `servers`: whom to ask; empty for the system's (resolv.conf and hosts). `executor`: runs tasks on the thread that asks; outlives this.
  /// Errors: a server that libunbound does not take (invalid); no descriptors for its thread (unavailable).
  static Result<std::unique_ptr<UnboundResolver>> open(const std::vector<Endpoint>& servers, Executor& executor);

  /// Readable when answers have come.
  virtual int descriptor() const = 0;
  /// Runs the callbacks of what has been answered.
  virtual void process() = 0;
};

}  // namespace adieu::unbound
