// The reply to EHLO: which service extensions a session offers in its layer. RFC 5321 section 4.1.1.1.
#pragma once

#include "adieu/protocol/smtp/server_session.h"

namespace adieu::smtp {

/// "hostname greets client", then a line for each of PIPELINING, SIZE, 8BITMIME, ENHANCEDSTATUSCODES, CHUNKING; STARTTLS in plaintext where it
/// is offered; XTLSRETURN inside TLS where its closure returns to plaintext (R17).
Reply ehlo_reply(const ServerProfile& profile, const ServerLayer& layer, std::string_view client);

}  // namespace adieu::smtp
