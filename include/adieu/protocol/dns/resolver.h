// The port to the name service; io/unbound stands behind it, tests have a table.
#pragma once

#include <functional>
#include <string>

#include "adieu/protocol/dns/records.h"

namespace adieu::dns {

/// Asynchronous: the callback runs once, later, on the thread (loop) that asked, never within the call. After the resolver is
/// destroyed no callback runs. Names are host names without a final dot.
class Resolver {
 public:
  virtual ~Resolver() = default;
  /// Sorted by preference; in no particular order among equals.
  virtual void mail_exchangers(const std::string& domain, std::function<void(MailExchangers)> done) = 0;
  /// AAAA and A together, IPv6 first; `temporary` only when neither gave an address and one of the two failed.
  virtual void addresses(const std::string& host, std::function<void(Addresses)> done) = 0;
};

}  // namespace adieu::dns
