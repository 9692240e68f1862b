// How many connections of clients there may be: in all, for each listener, and from one client. Those set aside for trusted clients
// can be taken by nobody else, nor can one listener's clients take another's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "adieu/base/ip.h"
#include "adieu/relay/config/config.h"

namespace adieu::access {

struct ConnectionShares {
  std::size_t total = 0;
  std::size_t per_client = 0;              // an IPv4 address, or an IPv6 /64, which one customer usually has
  std::size_t per_site = 0;                // an IPv6 /48, which one customer may have too; trusted clients are not bound by it
  std::size_t trusted = 0;                 // of the total, set aside for trusted clients
  std::vector<std::size_t> listeners{};    // of the total, set aside for each listener, by its number
  std::size_t newcomers = 0;               // of the total, set aside for clients that have no connection yet, and for trusted ones
};

/// As the policy has it. A share that is not given is a tenth of the total, that of the listeners divided by their number; nothing is set
/// aside for trusted clients where no rule trusts any. The newcomers' share is always a tenth.
ConnectionShares shares_of(const config::Config& config);

/// Which of the limits a connection met.
enum class ConnectionRefusal : std::uint8_t { total, client, site };
/// The setting's name.
std::string_view name(ConnectionRefusal refusal);

/// Shared by all loops; may be used from any thread. Holds one entry for each client that is connected now.
class ConnectionLimits {
 public:
  using Trusts = std::function<bool(const IpAddress&)>;  // always the same answer for an address
  /// `trusts`: see Rules::trusts; null: nobody.
  explicit ConnectionLimits(ConnectionShares shares, Trusts trusts = nullptr);

  /// None: counted, and to be released once. `listener`: its number in the shares.
  std::optional<ConnectionRefusal> admit(const IpAddress& address, std::size_t listener);
  void release(const IpAddress& address, std::size_t listener);

 private:
  struct Counts {
    std::size_t all = 0;
    std::size_t trusted = 0;
    std::vector<std::size_t> listeners;
  };
  std::size_t set_aside(std::size_t listener, bool trusted, bool newcomer) const;
  bool trusts(const IpAddress& address) const { return trusts_ && trusts_(address); }

  const ConnectionShares shares_;
  const Trusts trusts_;
  std::mutex mutex_;
  Counts counts_;                                // guarded by mutex_
  std::map<IpAddress, std::size_t> clients_;     // guarded by mutex_
  std::map<IpAddress, std::size_t> sites_;       // guarded by mutex_
};

}  // namespace adieu::access
