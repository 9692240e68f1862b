// Where a world's TLS channels come from.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "adieu/protocol/tls/channel.h"

namespace adieu::world {

struct Tls {
  std::function<std::unique_ptr<tls::ChannelFactory>()> server;
  std::function<std::unique_ptr<tls::ChannelFactory>()> client;
  bool required = false;  // nobody says or takes mail in clear
};

/// Without cryptography: tests/support/fake_channel.h.
Tls toy_tls();
/// GnuTLS, "TLS1.2" or "TLS1.3". No seed makes it say the same octets twice, but as many each time: its certificate's signatures have one size. So the order of
/// events comes again as long as nothing in the world looks into a record.
Tls gnutls_tls(const std::string& version);

}  // namespace adieu::world
