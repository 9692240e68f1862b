// How many connections there may be: in all, and from one client (an IPv4 address or an IPv6 /64, which one customer usually has).
#pragma once

#include <cstddef>
#include <map>
#include <mutex>

#include "adieu/base/ip.h"

namespace adieu::access {

/// Shared by all loops; may be used from any thread. Holds one entry for each client that is connected now.
class ConnectionLimits {
 public:
  ConnectionLimits(std::size_t total, std::size_t per_client) : total_(total), per_client_(per_client) {}

  /// True: counted, and to be released once.
  bool admit(const IpAddress& address);
  void release(const IpAddress& address);

 private:
  static IpAddress client_of(const IpAddress& address);

  const std::size_t total_;
  const std::size_t per_client_;
  std::mutex mutex_;
  std::size_t count_ = 0;                        // guarded by mutex_
  std::map<IpAddress, std::size_t> clients_;     // guarded by mutex_
};

}  // namespace adieu::access
