// The closure record: what a TLS layer leaves behind when it has ended, one line in the log. R18, R19; see
// adieu-closure(7), ENDINGS and EFFECTS.
#pragma once

#include <string>

#include "adieu/base/ip.h"
#include "adieu/base/log.h"
#include "adieu/protocol/tls/layer_end.h"

namespace adieu::observe {

enum class Role : std::uint8_t { server, client };

struct ClosureRecord {
  Role role = Role::server;
  tls::LayerEnd end;
  Endpoint peer;
  std::string where;      // the listener's endpoint, or the next hop's name
  std::string host;       // of a next hop: the name it was found by
  std::string connection{};   // its id: the layers of one connection share it, and the messages that came by it have it in their lines

  /// R18: what cost nothing, or only an answer after QUIT, is for debugging, unless we ended it for a limit; `corrupt` and `injected` are warnings whatever they cost.
  LogLevel level() const;
  LogLine line() const;
};

}  // namespace adieu::observe
