// See result.h.
#include "adieu/base/result.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace adieu {

std::string_view name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid: return "invalid";
    case ErrorKind::not_found: return "not-found";
    case ErrorKind::permission: return "permission";
    case ErrorKind::refused: return "refused";
    case ErrorKind::unavailable: return "unavailable";
    case ErrorKind::timeout: return "timeout";
    case ErrorKind::no_space: return "no-space";
    case ErrorKind::io: return "io";
    case ErrorKind::unsupported: return "unsupported";
  }
  return "unknown";
}

Error Error::within(std::string_view what) && {
  message.insert(0, std::string(what) + ": ");
  return std::move(*this);
}

namespace {
ErrorKind kind_of_errno(int value) {
  switch (value) {
    case ENOENT: return ErrorKind::not_found;
    case EACCES:
    case EPERM:
    case EROFS: return ErrorKind::permission;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return ErrorKind::no_space;
    case ETIMEDOUT: return ErrorKind::timeout;
    case ECONNREFUSED:
    case ECONNRESET: return ErrorKind::refused;
    case EAGAIN:
    case EMFILE:
    case ENFILE:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRINUSE: return ErrorKind::unavailable;
    case EINVAL: return ErrorKind::invalid;
    default: return ErrorKind::io;
  }
}
}  // namespace

Error error_of_errno(std::string_view what, int errno_value) {
  return Error{kind_of_errno(errno_value), std::string(what) + ": " + std::strerror(errno_value)};
}

void check(bool condition, std::string_view what, const char* file, int line) {
  if (condition) return;
  // A reader of standard error that has stopped must not keep the program from ending.
  pollfd room{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&room, 1, 1000) > 0) std::fprintf(stderr, "level=error event=impossible what=\"%.*s\" at=%s:%d\n", static_cast<int>(what.size()), what.data(), file, line);
  std::abort();
}

}  // namespace adieu
