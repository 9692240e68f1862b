// DNS answers as values: RFC 1035, RFC 3596, RFC 7505.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adieu/base/ip.h"

namespace adieu::dns {

struct MailExchanger {
  std::uint16_t preference = 0;
  std::string name;  // lower case, no final dot; empty for the null MX "." (RFC 7505)
  auto operator<=>(const MailExchanger&) const = default;
};

enum class Status : std::uint8_t {
  found,
  no_data,      // the name exists, not this type
  no_domain,    // NXDOMAIN: permanent
  temporary,    // SERVFAIL, time-out, unreachable: try later
  bogus,        // DNSSEC validation failed: try later, and say so
};

template <class Record>
struct Answer {
  Status status = Status::temporary;
  std::vector<Record> records;
  bool authenticated = false;  // validated by DNSSEC
  std::string why;             // for people, where status is temporary or bogus
};

using MailExchangers = Answer<MailExchanger>;
using Addresses = Answer<IpAddress>;

}  // namespace adieu::dns
