// See faulty_disk.h.
#include "faulty_disk.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
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

/// RocksDB's own log for people is neither counted nor failed: it says nothing about mail.
bool fails(const std::string& path) {
  if (path.empty() || path.find("/LOG") != std::string::npos) return false;
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

int sync(int descriptor, long call) {
  const std::string path = path_of(descriptor);
  if (fails(path)) {
    errno = error_now();
    return -1;
  }
  const auto result = static_cast<int>(::syscall(call, descriptor));
  if (result == 0 && !path.empty()) {
    const std::lock_guard lock(mutex);
    dirty.erase(path);
  }
  return result;
}

}  // namespace

FaultyDisk::FaultyDisk(const std::string& directory) {
  const std::lock_guard lock(mutex);
  watched = directory;
  left = error_number = unlinked_early = 0;
  failed = false;
  dirty.clear();
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
  const std::string path = path_of(descriptor);
  const bool failing = fails(path);
  if (!path.empty() && (is_log(path) || is_data(path))) {
    const std::lock_guard lock(mutex);
    dirty.insert(path);
  }
  const long written = ::syscall(SYS_write, descriptor, octets, failing ? length / 2 : length);
  if (!failing) return written;
  errno = error_now();
  return -1;
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
