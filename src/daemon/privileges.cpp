// See privileges.h.
#include "daemon/privileges.h"

#include <grp.h>
#include <malloc.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

namespace adieu::daemon {
namespace {

Result<const passwd*> find_user(const std::string& user) {
  errno = 0;
  const passwd* entry = ::getpwnam(user.c_str());
  if (entry == nullptr) return failure(ErrorKind::not_found, "user " + user + ": there is no such user; make it with adduser --system");
  return entry;
}

std::string name_of(uid_t owner) {
  const passwd* entry = ::getpwuid(owner);
  return entry != nullptr ? entry->pw_name : "uid " + std::to_string(owner);
}

}  // namespace

Result<> check_user(const std::string& user) {
  if (user.empty()) return {};
  const auto entry = find_user(user);
  if (!entry) return tl::unexpected<Error>(entry.error());
  return {};
}

Result<> check_owner(const std::string& directory, const std::string& user) {
  if (user.empty()) return {};
  const auto entry = find_user(user);
  if (!entry) return tl::unexpected<Error>(entry.error());
  const uid_t wanted = (*entry)->pw_uid;  // the next look into the list of users overwrites the entry
  namespace fs = std::filesystem;
  std::vector<std::string> paths = {directory};
  std::error_code error;
  for (fs::directory_iterator each(directory, error), end; !error && each != end; each.increment(error)) paths.push_back(each->path());
  for (const std::string& path : paths) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0 || status.st_uid == wanted) continue;
    return failure(ErrorKind::invalid, path + " belongs to " + name_of(status.st_uid) + ", and the relay becomes " + user + " (`user`): chown -R " + user +
                                           " " + directory);
  }
  return {};
}

Result<> make_directory(const std::string& directory, const std::string& user) {
  if (::mkdir(directory.c_str(), 0700) != 0) {
    if (errno == EEXIST) return check_owner(directory, user);
    return tl::unexpected<Error>(error_of_errno("make " + directory, errno));
  }
  if (user.empty() || ::geteuid() != 0) return {};
  const auto entry = find_user(user);
  if (!entry) return tl::unexpected<Error>(entry.error());
  if (::chown(directory.c_str(), (*entry)->pw_uid, (*entry)->pw_gid) != 0) {
    return tl::unexpected<Error>(error_of_errno("give " + directory + " to " + user, errno));
  }
  return {};
}

Result<> become(const std::string& user) {
  if (user.empty()) return {};
  const auto entry = find_user(user);
  if (!entry) return tl::unexpected<Error>(entry.error());
  if (::geteuid() == (*entry)->pw_uid) return {};
  if (::geteuid() != 0) return failure(ErrorKind::permission, "user " + user + ": only root can become somebody else");
  if (::initgroups(user.c_str(), (*entry)->pw_gid) != 0 || ::setgid((*entry)->pw_gid) != 0 || ::setuid((*entry)->pw_uid) != 0) {
    return tl::unexpected<Error>(error_of_errno("become " + user, errno));
  }
  if ((*entry)->pw_uid != 0 && ::setuid(0) == 0) {
    return failure(ErrorKind::permission, "become " + user + ": this system gives root back to whoever has given it up; adieu does not run like that");
  }
  return {};
}

void keep_freed_memory() {
  ::mallopt(M_TRIM_THRESHOLD, 32 << 20);
  ::mallopt(M_MMAP_THRESHOLD, 8 << 20);
  ::mallopt(M_TOP_PAD, 1 << 20);
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::size_t descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::numeric_limits<std::size_t>::max();
  return static_cast<std::size_t>(limit.rlim_cur);
}

void notify_service_manager(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr) return;
  const std::string_view name(path);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.empty() || name.size() >= sizeof address.sun_path) return;
  std::copy(name.begin(), name.end(), address.sun_path);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // an abstract socket
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  ::sendto(socket, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), length);
  ::close(socket);
}

}  // namespace adieu::daemon
