// One TLS 1.3 record, opened or sealed by hand (RFC 8446 section 5.2), for what GnuTLS does not carry through: it ends a session at
// `user_canceled`, though the close_notify that follows is to be read and answered (R20; RFC 8446 section 6.1), and does not see a
// second alert in one record. Every cipher of TLS 1.3.
#pragma once

#include <gnutls/gnutls.h>

#include <cstdint>
#include <optional>
#include <string>

#include "adieu/base/bytes.h"

namespace adieu::gnutls {

enum class Direction : std::uint8_t { reading, writing };

/// What a record of TLS 1.3 measures at the most, its header included.
inline constexpr std::size_t kMaxRecord13 = 5 + 16'384 + 256;

/// An inner plaintext without its padding.
struct InnerPlaintext {
  std::uint8_t content_type = 0;
  std::string content;
};

/// The length of the record that begins `octets`, header included; none while its header is not whole.
std::optional<std::size_t> record_length(Octets octets);

/// Which of the records that the session reads.
enum class Record : std::uint8_t { last, next };

/// Opens `record` (whole) with the session's read keys. None: it fails authentication, or is not that record.
std::optional<InnerPlaintext> open_record(gnutls_session_t session, Octets record, Record which);

/// Seals `content` with the session's write keys as its next record, and counts it. At most 2^14 octets. None: the library could
/// not.
std::optional<std::string> seal_record(gnutls_session_t session, std::uint8_t content_type, Octets content);

}  // namespace adieu::gnutls
