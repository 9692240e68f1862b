// A TLS layer by GnuTLS over memory: the port tls::Channel for servers and clients. What GnuTLS 3.7 says when a layer ends, and
// how that reads here (R1, R8, R20): reading 0 is an authenticated close_notify and nothing else is.
#pragma once

#include <gnutls/gnutls.h>

#include <functional>
#include <memory>
#include <string>

#include "adieu/protocol/tls/channel.h"
#include "io/gnutls/credentials.h"
#include "io/gnutls/tickets.h"

namespace adieu::gnutls {

class ServerChannels final : public tls::ChannelFactory {
 public:
  explicit ServerChannels(std::shared_ptr<const Credentials> credentials) : credentials_(std::move(credentials)) {}
  std::unique_ptr<tls::Channel> make() override;

 private:
  std::shared_ptr<const Credentials> credentials_;
};

/// For one host of a next hop: its name goes into SNI, and is held against the certificate where `verify` asks for that. With
/// `tickets`, sessions that were closed in order are resumed; without, each layer has fresh keys and a certificate that was seen.
/// `on_established` may look at each session whose handshake is complete.
class ClientChannels final : public tls::ChannelFactory {
 public:
  ClientChannels(std::shared_ptr<const Credentials> credentials, std::string host, bool verify,
                 std::shared_ptr<Tickets> tickets = nullptr, std::function<void(gnutls_session_t)> on_established = {})
      : credentials_(std::move(credentials)),
        host_(std::move(host)),
        verify_(verify),
        tickets_(std::move(tickets)),
        on_established_(std::move(on_established)) {}
  std::unique_ptr<tls::Channel> make() override;

 private:
  std::shared_ptr<const Credentials> credentials_;
  std::string host_;
  bool verify_;
  std::shared_ptr<Tickets> tickets_;
  std::function<void(gnutls_session_t)> on_established_;
};

}  // namespace adieu::gnutls
