// See file_system.h.
#include "io/rocksdb/file_system.h"

#include <fcntl.h>
#include <rocksdb/file_system.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <utility>

#include "adieu/base/bytes.h"

namespace adieu::rocksdb {
namespace {

using ::rocksdb::FileOptions;
using ::rocksdb::FSDirectory;
using ::rocksdb::FSRandomAccessFile;
using ::rocksdb::FSSequentialFile;
using ::rocksdb::FSWritableFile;
using ::rocksdb::IODebugContext;
using ::rocksdb::IOOptions;
using ::rocksdb::IOStatus;

constexpr std::size_t kKept = 8u << 20;

/// Writes all of `octets` at `offset`. 0, or an errno value; `done` octets of them are written, and are not written again by the next call.
int write_at(int descriptor, Octets octets, std::uint64_t offset, std::size_t& done) {
  while (done < octets.size()) {
    const ssize_t count = ::pwrite(descriptor, octets.data() + done, octets.size() - done, static_cast<off_t>(offset + done));
    if (count < 0) return errno;
    if (count == 0) return ENOSPC;
    done += static_cast<std::size_t>(count);
  }
  return 0;
}

/// Waiting does not help: an administrator has to put it right.
bool time_changes_nothing(int error) {
  return error == EACCES || error == EPERM || error == EROFS || error == ENOENT || error == ENOTDIR || error == EISDIR;
}

class SteadyFile final : public FSWritableFile {
 public:
  /// `descriptor`: -1 where the disk was frozen before the file was there.
  SteadyFile(Disk& disk, std::string path, int descriptor, bool keeps_unsynced)
      : disk_(disk), path_(std::move(path)), descriptor_(descriptor), keeps_unsynced_(keeps_unsynced) {}
  ~SteadyFile() override { close_descriptor(); }

  using FSWritableFile::Append;
  IOStatus Append(const ::rocksdb::Slice& data, const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(mutex_);
    const Octets octets(data.data(), data.size());
    std::size_t done = 0;
    disk_.persist("write", path_, [&] { return write_at(descriptor_, octets, size_, done); });
    size_ += octets.size();
    if (keeps_unsynced_) {
      unsynced_ += octets;
      if (unsynced_.size() > kKept) sync();
    }
    return IOStatus::OK();
  }
  IOStatus Append(const ::rocksdb::Slice& data, const IOOptions& options, const ::rocksdb::DataVerificationInfo&, IODebugContext* context) override {
    return Append(data, options, context);
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(mutex_);
    sync();
    return IOStatus::OK();
  }
  /// Sync and Append may meet: the database syncs a log that it still writes to.
  bool IsSyncThreadSafe() const override { return true; }
  IOStatus Truncate(std::uint64_t size, const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(mutex_);
    disk_.persist("truncate", path_, [&] { return ::ftruncate(descriptor_, static_cast<off_t>(size)) == 0 ? 0 : errno; });
    size_ = size;
    return IOStatus::OK();
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(mutex_);
    // What was allocated beyond the end goes back to the file system; where it does not, it is only space.
    if (descriptor_ >= 0 && allocated_ > size_ && !disk_.frozen()) {
      [[maybe_unused]] const int given_back = ::ftruncate(descriptor_, static_cast<off_t>(size_));
    }
    close_descriptor();
    return IOStatus::OK();
  }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(mutex_);
    return size_;
  }
  /// Where there is no room to allocate ahead, the writes themselves will tell.
  IOStatus Allocate(std::uint64_t offset, std::uint64_t length, const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(mutex_);
    if (!disk_.frozen() && ::fallocate(descriptor_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(length)) == 0) {
      allocated_ = offset + length;
    }
    return IOStatus::OK();
  }

 private:
  void sync() {
    disk_.persist("sync", path_, [&] {
      if (std::exchange(write_again_, false) && keeps_unsynced_) {
        std::size_t done = 0;
        if (const int error = write_at(descriptor_, unsynced_, size_ - unsynced_.size(), done); error != 0) {
          write_again_ = true;
          return error;
        }
      }
      if (::fdatasync(descriptor_) == 0) return 0;
      write_again_ = true;
      return errno;
    });
    if (unsynced_.capacity() > kKept / 8) {
      std::string().swap(unsynced_);
    } else {
      unsynced_.clear();
    }
  }
  void close_descriptor() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }

  Disk& disk_;
  const std::string path_;
  std::mutex mutex_;
  int descriptor_;
  const bool keeps_unsynced_;
  std::uint64_t size_ = 0;
  std::uint64_t allocated_ = 0;
  std::string unsynced_;      // the end of the file
  bool write_again_ = false;  // a sync has failed
};

class SteadyDirectory final : public FSDirectory {
 public:
  SteadyDirectory(Disk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    disk_.persist("sync", path_, [&] {
      const int descriptor = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if (descriptor < 0) return errno;
      const int error = ::fsync(descriptor) == 0 ? 0 : errno;
      ::close(descriptor);
      return error;
    });
    return IOStatus::OK();
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  Disk& disk_;
  const std::string path_;
};

class SteadyFileSystem final : public ::rocksdb::FileSystemWrapper {
 public:
  SteadyFileSystem(Disk& disk, bool keeps_unsynced)
      : FileSystemWrapper(::rocksdb::FileSystem::Default()), disk_(disk), keeps_unsynced_(keeps_unsynced) {}
  const char* Name() const override { return "adieu"; }

  // --- what changes the disk

  IOStatus NewWritableFile(const std::string& path, const FileOptions&, std::unique_ptr<FSWritableFile>* result, IODebugContext*) override {
    int descriptor = -1;
    int refused = 0;
    disk_.persist("create", path, [&] {
      descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
      if (descriptor >= 0) return 0;
      if (disk_.in_use() || !time_changes_nothing(errno)) return errno;
      refused = errno;
      return 0;
    });
    if (refused != 0) return IOStatus::IOError(error_of_errno("create " + path, refused).message);
    *result = std::make_unique<SteadyFile>(disk_, path, descriptor, keeps_unsynced_);
    return IOStatus::OK();
  }
  IOStatus ReopenWritableFile(const std::string&, const FileOptions&, std::unique_ptr<FSWritableFile>*, IODebugContext*) override {
    return IOStatus::NotSupported("a file that was closed is not written to again");
  }
  IOStatus ReuseWritableFile(const std::string&, const std::string&, const FileOptions&, std::unique_ptr<FSWritableFile>*, IODebugContext*) override {
    return IOStatus::NotSupported("no file is used for something else");
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions&, std::unique_ptr<FSDirectory>* result, IODebugContext*) override {
    *result = std::make_unique<SteadyDirectory>(disk_, path);
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&, IODebugContext*) override {
    disk_.persist("rename", from, [&] { return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno; });
    return IOStatus::OK();
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions& options, IODebugContext* context) override {
    return disk_.frozen() ? IOStatus::OK() : FileSystemWrapper::LinkFile(from, to, options, context);
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions& options, IODebugContext* context) override {
    return disk_.frozen() ? IOStatus::OK() : FileSystemWrapper::DeleteFile(path, options, context);
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions& options, IODebugContext* context) override {
    return disk_.frozen() ? IOStatus::OK() : FileSystemWrapper::DeleteDir(path, options, context);
  }
  IOStatus Truncate(const std::string& path, std::size_t size, const IOOptions& options, IODebugContext* context) override {
    return disk_.frozen() ? IOStatus::OK() : FileSystemWrapper::Truncate(path, size, options, context);
  }
  IOStatus CreateDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    if (::mkdir(path.c_str(), 0700) == 0) return IOStatus::OK();
    return IOStatus::IOError("make " + path, error_of_errno(path, errno).message);
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions& options, IODebugContext* context) override {
    bool is_directory = false;
    if (IsDirectory(path, options, &is_directory, context).ok() && is_directory) return IOStatus::OK();
    return CreateDir(path, options, context);
  }
  IOStatus LockFile(const std::string& path, const IOOptions& options, ::rocksdb::FileLock** lock, IODebugContext* context) override {
    IOStatus locked = FileSystemWrapper::LockFile(path, options, lock, context);
    if (locked.ok()) ::chmod(path.c_str(), 0600);
    return locked;
  }

  // --- what reads: a file is there, and a descriptor is free sooner or later

  IOStatus NewSequentialFile(const std::string& path, const FileOptions& options, std::unique_ptr<FSSequentialFile>* result,
                             IODebugContext* context) override {
    return once_descriptors_are_free(path, [&] { return FileSystemWrapper::NewSequentialFile(path, options, result, context); });
  }
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions& options, std::unique_ptr<FSRandomAccessFile>* result,
                               IODebugContext* context) override {
    return once_descriptors_are_free(path, [&] { return FileSystemWrapper::NewRandomAccessFile(path, options, result, context); });
  }

 private:
  template <class Open>
  IOStatus once_descriptors_are_free(const std::string& path, const Open& open) {
    IOStatus opened = open();
    if (opened.ok()) return opened;
    disk_.persist("open", path, [&] {
      opened = open();
      if (opened.ok()) return 0;
      const int trial = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
      if (trial < 0) return errno == EMFILE || errno == ENFILE ? errno : 0;
      ::close(trial);
      return 0;
    });
    return opened;
  }

  Disk& disk_;
  const bool keeps_unsynced_;
};

class InfoLog final : public ::rocksdb::Logger {
 public:
  explicit InfoLog(Log* log) : Logger(::rocksdb::WARN_LEVEL), log_(log) {}
  using Logger::Logv;
  void Logv(const char*, std::va_list) override {}
  void Logv(const ::rocksdb::InfoLogLevel level, const char* format, std::va_list arguments) override {
    if (level < ::rocksdb::WARN_LEVEL || level >= ::rocksdb::HEADER_LEVEL) return;
    const LogLevel as = level == ::rocksdb::WARN_LEVEL ? LogLevel::debug : LogLevel::warning;
    if (log_ == nullptr || !log_->enabled(as)) return;
    char text[512];
    const int length = std::vsnprintf(text, sizeof text, format, arguments);
    std::string_view line(text, static_cast<std::size_t>(std::clamp<int>(length, 0, sizeof text - 1)));
    while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.remove_suffix(1);
    log_->write(as, LogLine("rocksdb").field("text", line));
  }

 private:
  Log* const log_;
};

}  // namespace

std::unique_ptr<::rocksdb::Env> make_env(Disk& disk, bool keeps_unsynced) {
  return ::rocksdb::NewCompositeEnv(std::make_shared<SteadyFileSystem>(disk, keeps_unsynced));
}

std::shared_ptr<::rocksdb::Logger> make_info_log(Log* log) { return std::make_shared<InfoLog>(log); }

}  // namespace adieu::rocksdb
