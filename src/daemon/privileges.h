// What the relay does as a service of the system: it binds ports as root, then becomes a user who owns nothing but the spool, and tells systemd
// when it is ready.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "adieu/base/result.h"

namespace adieu::daemon {

/// Makes `directory` (and nothing above it) if it is missing, mode 0700, for `user` ("" for whoever we are). One that is there must be theirs:
/// see check_owner.
Result<> make_directory(const std::string& directory, const std::string& user);
/// Whether `directory` and what stands in it belong to `user`; "" for whoever we are, who may do with it what the system lets them. Errors
/// (invalid) name the owner and the user. What does not exist is nobody's, and no error.
Result<> check_owner(const std::string& directory, const std::string& user);
/// Whether there is such a user; "" is.
Result<> check_user(const std::string& user);
/// Gives up root for ever: groups, group, user. Nothing is done for "" or when we are that user already. Before any thread is started.
Result<> become(const std::string& user);
/// Raises the limit on open files to the hard limit.
void raise_descriptor_limit();
/// How many files may be open.
std::size_t descriptor_limit();
/// Keeps freed memory for the next message up to a bound, where the C library would give it back and take it again for each part of one.
void keep_freed_memory();
/// sd_notify(3), without libsystemd: "READY=1", "STOPPING=1". Nothing is done outside systemd.
void notify_service_manager(std::string_view state);

}  // namespace adieu::daemon
