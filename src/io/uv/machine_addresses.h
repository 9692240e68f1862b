// The addresses of this machine's interfaces: getifaddrs(3).
#pragma once

#include "adieu/relay/route/local_addresses.h"

namespace adieu::uv {

/// Empty where the system does not tell.
route::MachineAddresses machine_addresses();

}  // namespace adieu::uv
