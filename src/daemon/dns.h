// Runs libunbound in a loop of libuv. It stands here because a room of io may not include another one.
#pragma once

#include <memory>

#include "adieu/base/result.h"
#include "adieu/protocol/dns/resolver.h"
#include "io/uv/loop.h"

namespace adieu::daemon {

/// Errors (invalid): a server that libunbound does not take.
Result<std::unique_ptr<dns::Resolver>> make_resolver(uv::Loop& loop, const std::vector<Endpoint>& servers);

}  // namespace adieu::daemon
