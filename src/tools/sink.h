// `adieu sink`: an SMTP server that stores each message as a file, for trying things out and for tests. Not for production: it takes everything,
// and syncs nothing.
#pragma once

#include <string>

#include "adieu/base/ip.h"
#include "adieu/base/log.h"
#include "adieu/base/result.h"

namespace adieu::tools {

/// Listens on `endpoint` with STARTTLS by a self-signed certificate, and writes each message as DIRECTORY/NUMBER.eml: its envelope in the fields
/// X-Reverse-Path and X-Forward-Path, then the mail data. Runs until SIGTERM or SIGINT.
Result<> run_sink(const Endpoint& endpoint, const std::string& directory, Log& log);

}  // namespace adieu::tools
