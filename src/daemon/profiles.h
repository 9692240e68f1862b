// What the policy says of a listener or a next hop, as their connections want it.
#pragma once

#include "daemon/delivery.h"
#include "daemon/inbound.h"

namespace adieu::daemon {

/// `channels`: of its TLS; null where that is off. Its `number` is the caller's to give.
std::unique_ptr<ListenerProfile> listener_profile(const config::Config& config, const config::Listener& listener,
                                                  std::unique_ptr<tls::ChannelFactory> channels);
/// But for `outbound.channels`, which it wants unless its `starttls` is `never`.
NextHopProfile next_hop_profile(const config::Config& config, const config::NextHop& policy);

}  // namespace adieu::daemon
