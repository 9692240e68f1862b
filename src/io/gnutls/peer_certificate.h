// A peer's certificate, held against a host's name and read for people: RFC 5280, RFC 9525.
#pragma once

#include <gnutls/gnutls.h>

#include <string>

#include "adieu/protocol/tls/peer_certificate.h"

namespace adieu::gnutls {

/// Of a client's session whose handshake is complete; the trust anchors are its credentials'.
tls::PeerCertificate read_peer_certificate(gnutls_session_t session, const std::string& host);

/// Why the peer's certificate does not prove that it is `host`; empty: it does. It stands on the session's trust anchors, may be used by servers (its extended
/// key usage, where it has one), is valid now, and names the host among its alternative names.
std::string fault_of_peer(gnutls_session_t session, const std::string& host);

}  // namespace adieu::gnutls
