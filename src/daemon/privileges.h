// What the relay does as a service of the system: it binds ports as root, then becomes a user who owns nothing but the spool, and tells systemd
// when it is ready.
#pragma once

#include <string>
#include <string_view>

#include "adieu/base/result.h"

namespace adieu::daemon {

/// Makes `directory` (and nothing above it) if it is missing, mode 0700, for `user` ("" for whoever we are).
Result<> make_directory(const std::string& directory, const std::string& user);
/// Gives up root for ever: groups, group, user. Nothing is done for "" or when we are that user already. Before any thread is started.
Result<> become(const std::string& user);
/// Raises the limit on open files to the hard limit.
void raise_descriptor_limit();
/// Keeps freed memory for the next message up to a bound, where the C library would give it back and take it again for each part of one.
void keep_freed_memory();
/// sd_notify(3), without libsystemd: "READY=1", "STOPPING=1". Nothing is done outside systemd.
void notify_service_manager(std::string_view state);

}  // namespace adieu::daemon
