// The files of a certificate as a policy names them, looked at before anything is served with them: what is wrong, and what soon will be. RFC
// 5280, RFC 9525 section 6 (names).
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "io/gnutls/credentials.h"

namespace adieu::gnutls {

struct CertificateFinding {
  enum class About : std::uint8_t { chain, key };
  About about = About::chain;
  bool wrong = true;         // false: it can be served with, and is most likely not meant so
  std::string message;       // names the file
};

/// How long before its end a certificate is warned of.
inline constexpr std::time_t kRenewBefore = 21 * 86'400L;

/// Opens both files, whatever is wrong with either. Nothing of a key is ever in a message.
std::vector<CertificateFinding> inspect_certificate(const CertificateFiles& files, std::time_t now);

/// Whether the first certificate of the file proves `host`, by its subjectAltName alone. False where it cannot be read.
bool certificate_names(const std::string& chain_file, const std::string& host);

}  // namespace adieu::gnutls
