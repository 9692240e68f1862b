// What stands in front of the C library's calls: see disk.h. What is not below the world's disk goes on to the kernel.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>

#include "disk.h"

using adieu::world::Disk;

namespace {

/// The world's disk, where it is about that; else null.
template <class What>
Disk* disk_of(const What& what) {
  Disk* const disk = Disk::current();
  return disk != nullptr && disk->covers(what) ? disk : nullptr;
}

}  // namespace

extern "C" int open(const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const int mode = (flags & O_CREAT) != 0 ? va_arg(arguments, int) : 0;
  va_end(arguments);
  if (Disk* const disk = disk_of(path)) return disk->open(path, flags, mode);
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
extern "C" ssize_t write(int descriptor, const void* octets, size_t count) {
  if (Disk* const disk = disk_of(descriptor)) return disk->write(descriptor, static_cast<const char*>(octets), count, -1);
  return ::syscall(SYS_write, descriptor, octets, count);
}
extern "C" ssize_t pwrite(int descriptor, const void* octets, size_t count, off_t offset) {
  if (Disk* const disk = disk_of(descriptor)) return disk->write(descriptor, static_cast<const char*>(octets), count, offset);
  return ::syscall(SYS_pwrite64, descriptor, octets, count, offset);
}
extern "C" int fdatasync(int descriptor) {
  if (Disk* const disk = disk_of(descriptor)) return disk->sync(descriptor);
  return static_cast<int>(::syscall(SYS_fdatasync, descriptor));
}
extern "C" int fsync(int descriptor) {
  if (Disk* const disk = disk_of(descriptor)) return disk->sync(descriptor);
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}
extern "C" int ftruncate(int descriptor, off_t size) noexcept {
  if (Disk* const disk = disk_of(descriptor)) return disk->truncate(descriptor, size);
  return static_cast<int>(::syscall(SYS_ftruncate, descriptor, size));
}
extern "C" int fallocate(int descriptor, int mode, off_t offset, off_t length) {
  if (disk_of(descriptor) == nullptr) return static_cast<int>(::syscall(SYS_fallocate, descriptor, mode, offset, length));
  errno = EOPNOTSUPP;
  return -1;
}
extern "C" int posix_fallocate(int descriptor, off_t offset, off_t length) {
  if (Disk* const disk = disk_of(descriptor)) return disk->allocate(descriptor, offset + length);
  return ::syscall(SYS_fallocate, descriptor, 0, offset, length) == 0 ? 0 : errno;
}
extern "C" int rename(const char* from, const char* to) noexcept {
  if (Disk* const disk = disk_of(from)) return disk->rename(from, to);
  return static_cast<int>(::syscall(SYS_rename, from, to));
}
extern "C" int unlink(const char* path) noexcept {
  if (Disk* const disk = disk_of(path)) return disk->unlink(path);
  return static_cast<int>(::syscall(SYS_unlink, path));
}
extern "C" int mkdir(const char* path, mode_t mode) noexcept {
  if (Disk* const disk = disk_of(path)) return disk->make_directory(path);
  return static_cast<int>(::syscall(SYS_mkdir, path, mode));
}
extern "C" int statvfs(const char* path, struct statvfs* found) noexcept {
  if (Disk* const disk = disk_of(path)) {
    disk->room(*found);
    return 0;
  }
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  const int result = descriptor < 0 ? -1 : ::fstatvfs(descriptor, found);
  if (descriptor >= 0) ::close(descriptor);
  return result;
}
