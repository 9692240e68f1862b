// See data_file.h.
#include "io/rocksdb/data_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace adieu::rocksdb {
namespace {

std::string path_of(const std::string& directory, spool::MessageId id) { return directory + "/" + id.text(); }

tl::unexpected<Error> failed(const std::string& what) { return tl::unexpected<Error>(error_of_errno(what, errno)); }

}  // namespace

DataFile::DataFile(DataFile&& other) noexcept
    : directory_(std::move(other.directory_)), path_(std::exchange(other.path_, {})), descriptor_(std::exchange(other.descriptor_, -1)) {}

DataFile::~DataFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<> DataFile::create(const std::string& directory, spool::MessageId id) {
  std::string path = path_of(directory, id);
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor_ < 0) return failed("create " + path);
  directory_ = directory;
  path_ = std::move(path);
  return {};
}

Result<> DataFile::append(Octets octets) {
  while (!octets.empty()) {
    const ssize_t written = ::write(descriptor_, octets.data(), octets.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return failed("write " + path_);
    octets.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<> DataFile::sync_and_close() {
  if (::fdatasync(descriptor_) != 0) return failed("sync " + path_);
  // After a successful sync nothing is left that closing could fail to write.
  ::close(std::exchange(descriptor_, -1));
  return sync_directory(directory_);
}

void DataFile::remove() { ::unlink(path_.c_str()); }

Result<> sync_directory(const std::string& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return failed("open " + directory);
  const int synced = ::fsync(descriptor);
  const int error = errno;
  ::close(descriptor);
  errno = error;
  if (synced != 0) return failed("sync " + directory);
  return {};
}

Result<std::string> read_data_file(const std::string& directory, spool::MessageId id, std::uint64_t offset, std::size_t length) {
  const std::string path = path_of(directory, id);
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return failed("open " + path);
  std::string octets(length, '\0');
  std::size_t done = 0;
  int error = 0;
  while (done < length) {
    const ssize_t count = ::pread(descriptor, octets.data() + done, length - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) error = errno;
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  ::close(descriptor);
  if (error != 0) return tl::unexpected<Error>(error_of_errno("read " + path, error));
  octets.resize(done);
  return octets;
}

void remove_data_file(const std::string& directory, spool::MessageId id) { ::unlink(path_of(directory, id).c_str()); }

}  // namespace adieu::rocksdb
