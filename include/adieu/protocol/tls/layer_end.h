// What a connection knows about a layer once it has ended: the facts of a closure record, before policy judges them. See
// adieu-closure(7), ENDINGS and EFFECTS.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adieu/base/clock.h"
#include "adieu/protocol/mail/message_summary.h"
#include "adieu/protocol/tls/channel.h"
#include "adieu/protocol/tls/closure.h"

namespace adieu::tls {

struct LayerEnd {
  bool secure = false;        // a TLS layer; plaintext layers end too, and may cost as much, but leave no closure record
  Ending ending = Ending::fin;
  Effect effect = Effect::none;
  bool over_limit = false;    // we ended it, since the peer went beyond a limit; `detail` says which
  std::string detail;         // the alert's name, or the library's words; empty for orderly ends
  ChannelInfo info;           // as far as it was negotiated
  std::string peer_name;      // the argument of EHLO in that layer; of a next hop nothing
  std::uint64_t octets_in = 0;   // of the transport, in this layer
  std::uint64_t octets_out = 0;
  std::uint32_t transactions = 0;  // committed (server) or delivered (client) in this layer
  std::vector<mail::MessageSummary> messages{};  // those that an effect was on; empty where it cost nothing
  Duration lasted{};
};

}  // namespace adieu::tls
