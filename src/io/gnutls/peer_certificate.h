// A peer's certificate, read and held against a host's name without refusing anything: RFC 5280, RFC 6125.
#pragma once

#include <gnutls/gnutls.h>

#include <string>

#include "adieu/protocol/tls/peer_certificate.h"

namespace adieu::gnutls {

/// Of a client's session whose handshake is complete; the trust anchors are its credentials'.
tls::PeerCertificate read_peer_certificate(gnutls_session_t session, const std::string& host);

/// What a verification of GnuTLS found wrong.
std::string words_of_status(unsigned status);
/// The same of the session's certificate, which was to be `host`'s: where it is another's, with the names that it has.
std::string words_of_refusal(gnutls_session_t session, const std::string& host);

}  // namespace adieu::gnutls
