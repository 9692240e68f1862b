// See faulty_disk.h.
#include "faulty_disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdarg>
#include <map>
#include <mutex>
#include <set>

namespace adieu::test {
namespace {

std::atomic<bool> watching = false;
std::mutex mutex;  // guards all below
std::string watched;
int left = 0;  // 0: none is to fail
int error_number = 0;
bool fails_for_good = false;
bool failed = false;
std::set<std::string> dirty;
std::map<std::string, off_t> synced;  // octets of each file
int unlinked_early = 0;

bool is_log(const std::string& path) { return path.size() > 4 && path.compare(path.size() - 4, 4, ".log") == 0; }
bool is_data(const std::string& path) { return path.find("/data/") != std::string::npos; }

/// Empty where it is not watched.
std::string path_of(int descriptor) {
  if (!watching) return {};
  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t length = ::readlink(link.c_str(), path, sizeof path);
  if (length <= 0) return {};
  std::string found(path, static_cast<std::size_t>(length));
  const std::lock_guard lock(mutex);
  return found.compare(0, watched.size(), watched) == 0 ? found : std::string();
}

bool fails(const std::string& path) {
  if (path.empty()) return false;
  const std::lock_guard lock(mutex);
  if (failed && fails_for_good && error_number != 0) return true;
  if (left == 0 || --left != 0) return false;
  failed = true;
  return true;
}

int error_now() {
  const std::lock_guard lock(mutex);
  return error_number;
}

off_t size_of(int descriptor) {
  struct stat found {};
  return ::fstat(descriptor, &found) == 0 && S_ISREG(found.st_mode) ? found.st_size : 0;
}

void lose(int descriptor, off_t from) {
  const std::string zeros(static_cast<std::size_t>(std::max<off_t>(0, size_of(descriptor) - from)), '\0');
  static_cast<void>(::syscall(SYS_pwrite64, descriptor, zeros.data(), zeros.size(), from));
}

int sync(int descriptor, long call) {
  const std::string path = path_of(descriptor);
  if (fails(path)) {
    const std::lock_guard lock(mutex);
    lose(descriptor, synced[path]);
    errno = error_number;
    return -1;
  }
  const auto result = static_cast<int>(::syscall(call, descriptor));
  if (result == 0 && !path.empty()) {
    const std::lock_guard lock(mutex);
    dirty.erase(path);
    synced[path] = size_of(descriptor);
  }
  return result;
}

/// The path of one that is about to be made or renamed: empty where it is not watched.
std::string watched_path(const char* path) {
  if (!watching) return {};
  const std::lock_guard lock(mutex);
  const std::string found = path;
  return found.compare(0, watched.size(), watched) == 0 ? found : std::string();
}

/// `call` writes the first octets of what is to be written.
template <class Call>
ssize_t write_some(int descriptor, std::size_t length, const Call& call) {
  const std::string path = path_of(descriptor);
  const bool failing = fails(path);
  if (!path.empty() && (is_log(path) || is_data(path))) {
    const std::lock_guard lock(mutex);
    dirty.insert(path);
  }
  const long written = call(failing ? length / 2 : length);
  if (!failing) return written;
  errno = error_now();
  return -1;
}

}  // namespace

FaultyDisk::FaultyDisk(const std::string& directory) {
  const std::lock_guard lock(mutex);
  watched = directory;
  left = error_number = unlinked_early = 0;
  failed = false;
  dirty.clear();
  synced.clear();
  watching = true;
}
FaultyDisk::~FaultyDisk() { watching = false; }

void FaultyDisk::fail(int nth, int error, bool for_good) {
  const std::lock_guard lock(mutex);
  left = nth;
  error_number = error;
  fails_for_good = for_good;
  failed = false;
}
void FaultyDisk::mend() {
  const std::lock_guard lock(mutex);
  left = error_number = 0;
}
bool FaultyDisk::has_failed() const {
  const std::lock_guard lock(mutex);
  return failed;
}
std::string FaultyDisk::unsynced() const {
  const std::lock_guard lock(mutex);
  std::string all;
  for (const std::string& path : dirty) all += path + " ";
  return all;
}
int FaultyDisk::early_unlinks() const {
  const std::lock_guard lock(mutex);
  return unlinked_early;
}

}  // namespace adieu::test

using namespace adieu::test;

extern "C" ssize_t write(int descriptor, const void* octets, size_t length) {
  return write_some(descriptor, length, [&](std::size_t some) { return ::syscall(SYS_write, descriptor, octets, some); });
}
extern "C" ssize_t pwrite(int descriptor, const void* octets, size_t length, off_t offset) {
  return write_some(descriptor, length, [&](std::size_t some) { return ::syscall(SYS_pwrite64, descriptor, octets, some, offset); });
}
extern "C" int open(const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const int mode = (flags & O_CREAT) != 0 ? va_arg(arguments, int) : 0;
  va_end(arguments);
  if ((flags & O_CREAT) != 0) {
    const std::string name = watched_path(path);
    if (fails(name)) {
      errno = error_now();
      return -1;
    }
    if (!name.empty() && (flags & O_TRUNC) != 0) {
      const std::lock_guard lock(mutex);
      synced.erase(name);
    }
  }
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
extern "C" int rename(const char* from, const char* to) noexcept {
  if (fails(watched_path(from))) {
    errno = error_now();
    return -1;
  }
  return static_cast<int>(::syscall(SYS_rename, from, to));
}
extern "C" int fdatasync(int descriptor) { return sync(descriptor, SYS_fdatasync); }
extern "C" int fsync(int descriptor) { return sync(descriptor, SYS_fsync); }
extern "C" int unlink(const char* path) noexcept {
  if (watching) {
    const std::lock_guard lock(mutex);
    const std::string name = path;
    if (name.compare(0, watched.size(), watched) == 0 && is_data(name)) {
      for (const std::string& other : dirty) unlinked_early += is_log(other);
      dirty.erase(name);
    }
  }
  return static_cast<int>(::syscall(SYS_unlink, path));
}
