// TLS as the policy wants it: channel factories for listeners and next hops, from certificates, keys and priorities.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "adieu/base/log.h"
#include "adieu/base/result.h"
#include "adieu/protocol/tls/channel.h"
#include "adieu/relay/config/config.h"

namespace adieu::daemon {

/// Null for a listener without TLS. Reads the files; a certificate that has expired or soon will is a warning in the log. Errors name the file.
Result<std::unique_ptr<tls::ChannelFactory>> make_server_channels(const config::Config& config, const config::Listener& listener,
                                                                  Log& log);

/// Makes the factory for a host of a next hop.
Result<std::function<std::unique_ptr<tls::ChannelFactory>(const std::string& host)>> make_client_channels(const config::Config& config,
                                                                                                          const config::NextHop& next_hop);

}  // namespace adieu::daemon
