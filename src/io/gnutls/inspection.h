// Looks into handshake messages before GnuTLS works on them: RFC 8446 section 4, RFC 5246 section 7.4. What a peer can make us compute is bounded here,
// where nothing has been computed yet.
#pragma once

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <string>

#include "adieu/base/bytes.h"

namespace adieu::gnutls {

/// RSA of 8192 bits is verified in about 1 ms with the exponent that everybody uses; with both numbers of 32,768 bits it takes seconds.
inline constexpr unsigned kMaxKeyBits = 8192;
inline constexpr unsigned kMaxExponentBits = 64;

/// Why a key is not to be used, for people; empty: it may be. Every certificate of a Certificate message of TLS 1.2 or 1.3 is looked at; what cannot be
/// parsed is left to the library.
std::string fault_of_certificates(Octets message, bool tls13);
/// The same of one certificate.
std::string fault_of_key(gnutls_x509_crt_t certificate);
/// Of a ServerKeyExchange message with ephemeral finite-field Diffie-Hellman (RFC 5246 section 7.4.3).
std::string fault_of_dhe_prime(Octets message);

}  // namespace adieu::gnutls
