// What the policy says of a next hop, as its connections want it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "adieu/protocol/smtp/client_connection.h"
#include "adieu/relay/config/config.h"

namespace adieu::deliver {

/// How a next hop is to be talked to; outlives its connections.
struct OutboundProfile {
  std::string next_hop;                            // its name in the policy file
  smtp::ClientConnectionProfile connection;        // `channels` is made for each host, see below
  bool configured_host = false;                    // by the policy file, not by a recipient's domain
  bool plaintext_after_tls_failure = false;        // opportunistic
  Duration connect_timeout{};
  config::Alarm alarm{};
  std::vector<Endpoint> own;                       // where the relay itself listens: mail sent there would come back
  /// Makes TLS channels for a host; null where TLS is off.
  std::function<std::unique_ptr<tls::ChannelFactory>(const std::string& host)> channels;
};

/// A next hop of the policy, with what its connections need; shared by all shards, outlives them.
struct NextHopProfile {
  config::NextHop policy;
  OutboundProfile outbound;
};

/// But for `outbound.channels`, which it wants unless its `starttls` is `never`.
NextHopProfile next_hop_profile(const config::Config& config, const config::NextHop& policy);

}  // namespace adieu::deliver
