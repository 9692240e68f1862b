// What the policy says of a listener, as its connections want it.
#pragma once

#include <memory>
#include <string>

#include "adieu/base/once_a_second.h"
#include "adieu/protocol/smtp/server_connection.h"
#include "adieu/relay/config/config.h"

namespace adieu::receive {

/// One `listen` of the policy file, shared by all loops; outlives them.
struct ListenerProfile {
  std::string name;                                 // its endpoint, as text
  std::size_t number = 0;                           // among the listeners: its share of connections
  smtp::ServerConnectionProfile connection;
  std::unique_ptr<tls::ChannelFactory> channels;
  Duration duplicate_window{};                      // R12; 0: none
  config::Alarm alarm{};
  mutable OnceASecond out_of_descriptors;
};

/// `channels`: of its TLS; null where that is off. Its `number` is the caller's to give.
std::unique_ptr<ListenerProfile> listener_profile(const config::Config& config, const config::Listener& listener,
                                                  std::unique_ptr<tls::ChannelFactory> channels);

}  // namespace adieu::receive
