// See disk.h.
#include "disk.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "adieu/base/result.h"
#include "threads.h"

namespace adieu::world {
namespace {

constexpr std::size_t kPage = 4096;  // what a disk keeps or loses of a file

Disk* the_disk = nullptr;

std::string_view directory_of(std::string_view path) { return path.substr(0, path.rfind('/')); }
std::string name_of(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

int open_file(const char* path, int flags, int mode = 0) {
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode));
}
std::string read_from(const std::string& path, std::uint64_t from) {
  const int descriptor = open_file(path.c_str(), O_RDONLY);
  struct stat found {};
  check(descriptor >= 0 && ::fstat(descriptor, &found) == 0, "the world reads its own disk");
  std::string octets(static_cast<std::uint64_t>(found.st_size) - from, '\0');
  check(::pread(descriptor, octets.data(), octets.size(), static_cast<off_t>(from)) == static_cast<ssize_t>(octets.size()),
        "the world reads its own disk");
  ::close(descriptor);
  return octets;
}

}  // namespace

Disk* Disk::current() { return the_disk; }

Disk::Disk(Clock& clock) : clock_(clock) {
  root_ = (std::filesystem::temp_directory_path() / "adieu-world-XXXXXX").string();
  check(::mkdtemp(root_.data()) != nullptr && the_disk == nullptr, "a world makes its disk");
  struct stat found {};
  ::stat(root_.c_str(), &found);
  device_ = found.st_dev;
  top_->is_directory = true;
  top_->path = root_;
  top_->inode = found.st_ino;
  by_inode_[top_->inode] = top_;
  the_disk = this;
}

Disk::~Disk() {
  the_disk = nullptr;
  std::filesystem::remove_all(root_);
}

std::vector<std::string> Disk::names(const std::string& below) const {
  std::vector<std::string> all;
  if (const auto node = find(directory() + "/" + below)) {
    for (const auto& [name, child] : node->names) all.push_back(name);
  }
  return all;
}

std::shared_ptr<Disk::Node> Disk::find(std::string_view path) const {
  std::shared_ptr<Node> node = top_;
  path.remove_prefix(root_.size());
  while (node && !path.empty()) {
    path.remove_prefix(1);
    const std::string name(path.substr(0, path.find('/')));
    path.remove_prefix(name.size());
    const auto found = node->names.find(name);
    node = found == node->names.end() ? nullptr : found->second;
  }
  return node;
}

std::shared_ptr<Disk::Node> Disk::find(int descriptor) const {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || status.st_dev != device_) return nullptr;
  const auto found = by_inode_.find(status.st_ino);
  return found == by_inode_.end() ? nullptr : found->second;
}

void Disk::pass_time() {
  if (clock_.happens(0.2)) SpoolThreads::pass(clock_.between(Duration(0), slowest_));
}

/// What becomes of a change that is asked for.
Disk::Word Disk::decide() {
  pass_time();
  if (unplugged_) return Word::pretend;
  if (error_ == 0 || !clock_.happens(0.7)) return Word::do_it;
  errno = error_;
  return Word::fail;
}

void Disk::let_go(Node& node) {
  room_ += static_cast<std::int64_t>(node.size);
  by_inode_.erase(node.inode);
  node.inode = 0;
}

void Disk::apply(const Change& change, Names& names) const {
  if (!change.instead_of.empty()) names.erase(change.instead_of);
  if (change.node) {
    names[change.name] = change.node;
  } else {
    names.erase(change.name);
  }
}

/// The name is that node's now; null: nobody's. `instead_of`: the path that the node had before.
void Disk::enter(std::string_view path, std::shared_ptr<Node> node, std::string_view instead_of) {
  const auto directory = find(directory_of(path));
  check(directory && (instead_of.empty() || directory_of(instead_of) == directory_of(path)),
        "names change in one directory at a time");
  if (node) node->path = path;
  if (const auto before = directory->names.find(name_of(path)); before != directory->names.end()) let_go(*before->second);
  directory->changes.push_back({name_of(path), std::move(node), instead_of.empty() ? std::string() : name_of(instead_of)});
  apply(directory->changes.back(), directory->names);
}

int Disk::open(const char* path, int flags, int mode) {
  std::shared_ptr<Node> node = find(path);
  const bool changes = (flags & O_CREAT) != 0 && (!node || (flags & O_TRUNC) != 0);
  if (changes) {
    const Word word = decide();
    if (word == Word::fail) return -1;
    // Something to write to that nobody will look at.
    if (word == Word::pretend) return open_file((root_ + "/nothing").c_str(), O_RDWR | O_CREAT, 0600);
    if (room_ <= 0) {
      errno = ENOSPC;
      return -1;
    }
    node = find(path);  // time has passed
  }
  const int descriptor = open_file(path, flags, mode);
  // It was pretended that this directory was made.
  if (descriptor < 0 && unplugged_ && (flags & O_DIRECTORY) != 0) return open_file(root_.c_str(), flags);
  if (descriptor < 0 || !changes) return descriptor;
  if (!node) {
    node = std::make_shared<Node>();
    struct stat found {};
    ::fstat(descriptor, &found);
    node->inode = found.st_ino;
    by_inode_[node->inode] = node;
    enter(path, node);
  } else if ((flags & O_TRUNC) != 0) {
    room_ += static_cast<std::int64_t>(node->size);
    node->size = node->changed_from = 0;
  }
  return descriptor;
}

ssize_t Disk::write(int descriptor, const char* octets, std::size_t count, off_t offset) {
  const std::shared_ptr<Node> node = find(descriptor);
  const Word word = decide();
  if (word == Word::fail) return -1;
  if (word == Word::pretend) return static_cast<ssize_t>(count);
  const auto from = static_cast<std::uint64_t>(offset >= 0 ? offset : ::lseek(descriptor, 0, SEEK_CUR));
  const std::int64_t growth = static_cast<std::int64_t>(from + count) - static_cast<std::int64_t>(node->size);
  if (growth > room_) {
    const auto less = static_cast<std::size_t>(growth - std::max<std::int64_t>(0, room_));
    if (less >= count) {
      errno = ENOSPC;
      return -1;
    }
    count -= less;
  }
  // What is killed or loses its power may have written a part.
  const std::size_t first =
      count > 1 && clock_.happens(0.2) ? static_cast<std::size_t>(clock_.between(1, static_cast<std::int64_t>(count) - 1)) : count;
  for (std::size_t done = 0; done < count;) {
    if (done != 0) pass_time();
    if (unplugged_) break;
    const std::size_t part = done == 0 ? first : count - first;
    const long written = ::syscall(SYS_pwrite64, descriptor, octets + done, part, from + done);
    check(written == static_cast<long>(part), "the machine's disk takes what a world writes");
    node->changed_from = std::min(node->changed_from, from + done);
    done += part;
    const std::uint64_t size = std::max(node->size, from + done);
    room_ -= static_cast<std::int64_t>(size - std::exchange(node->size, size));
  }
  if (offset < 0) ::lseek(descriptor, static_cast<off_t>(from + count), SEEK_SET);
  return static_cast<ssize_t>(count);
}

/// Of a sync that fails the kernel may forget what there was to be written, and the next one succeeds without it.
int Disk::sync(int descriptor) {
  const std::shared_ptr<Node> node = find(descriptor);
  const Word word = decide();
  if (word == Word::pretend) return 0;
  if (word == Word::fail) {
    node->changed_from = node->size;
    return -1;
  }
  if (node->is_directory) {
    node->synced_names = node->names;
    node->changes.clear();
    return 0;
  }
  node->synced.resize(node->changed_from);
  if (node->inode != 0) node->synced += read_from(node->path, node->changed_from);
  node->changed_from = node->size;
  return 0;
}

int Disk::truncate(int descriptor, off_t size) {
  const std::shared_ptr<Node> node = find(descriptor);
  const Word word = decide();
  if (word == Word::pretend) return 0;
  if (word == Word::fail || ::syscall(SYS_ftruncate, descriptor, size) != 0) return -1;
  const auto octets = static_cast<std::uint64_t>(size);
  room_ += static_cast<std::int64_t>(node->size) - static_cast<std::int64_t>(octets);
  node->size = octets;
  node->changed_from = std::min(node->changed_from, octets);
  return 0;
}

int Disk::allocate(int descriptor, off_t size) {
  const std::shared_ptr<Node> node = find(descriptor);
  if (unplugged_) return 0;
  const std::int64_t growth = size - static_cast<std::int64_t>(node->size);
  if (growth > room_) return ENOSPC;
  return growth <= 0 || truncate(descriptor, size) == 0 ? 0 : errno;
}

int Disk::rename(const char* from, const char* to) {
  const Word word = decide();
  if (word == Word::pretend) return 0;
  if (word == Word::fail || ::syscall(SYS_rename, from, to) != 0) return -1;
  enter(to, find(from), from);
  return 0;
}

/// Lasts no time: who asks for it may hold what the relay's own thread needs.
int Disk::unlink(const char* path) {
  if (unplugged_) return 0;
  if (::syscall(SYS_unlink, path) != 0) return -1;
  enter(path, nullptr);
  return 0;
}

int Disk::make_directory(const char* path) {
  const Word word = find(path) ? Word::do_it : decide();
  if (word == Word::pretend) return 0;
  if (word == Word::fail || ::syscall(SYS_mkdir, path, 0700) != 0) return -1;
  auto node = std::make_shared<Node>();
  node->is_directory = true;
  struct stat found {};
  ::stat(path, &found);
  node->inode = found.st_ino;
  by_inode_[node->inode] = node;
  enter(path, std::move(node));
  return 0;
}

void Disk::room(struct statvfs& found) const {
  found = {};
  found.f_bsize = found.f_frsize = 1;
  found.f_bavail = found.f_bfree = static_cast<std::uint64_t>(std::max<std::int64_t>(0, room_));
}

void Disk::lose_power() {
  survive(*top_);
  std::filesystem::remove_all(directory());
  by_inode_.clear();
  write_out(*top_);
}

/// Of the changes of a directory's names that were not synced the first ones are there: file systems keep them in order.
void Disk::survive(Node& node) {
  if (!node.is_directory) {
    node.synced = surviving(node);
    return;
  }
  node.changes.resize(static_cast<std::size_t>(clock_.between(0, static_cast<std::int64_t>(node.changes.size()))));
  for (const Change& change : std::exchange(node.changes, {})) apply(change, node.synced_names);
  node.names = node.synced_names;
  for (const auto& [name, child] : node.names) survive(*child);
}

std::string Disk::surviving(const Node& file) {
  if (file.inode == 0) return file.synced;
  const std::string now = read_from(file.path, 0);
  if (now == file.synced) return now;
  enum Left { nothing_of_it, all, a_beginning, some_pages };
  switch (static_cast<Left>(clock_.between(0, 3))) {
    case nothing_of_it: return file.synced;
    case all: return now;
    case a_beginning:
      if (!now.starts_with(file.synced)) return now;
      return now.substr(0, static_cast<std::size_t>(
                               clock_.between(static_cast<std::int64_t>(file.synced.size()), static_cast<std::int64_t>(now.size()))));
    case some_pages: break;
  }
  std::string pages(clock_.happens(0.5) ? now.size() : file.synced.size(), '\0');
  for (std::size_t at = 0; at < pages.size(); at += kPage) {
    const std::string& from = clock_.happens(0.5) ? now : file.synced;
    if (at < from.size()) from.copy(pages.data() + at, std::min(kPage, pages.size() - at), at);
  }
  return pages;
}

void Disk::write_out(Node& node) {
  if (node.is_directory) {
    if (&node != top_.get()) check(::syscall(SYS_mkdir, node.path.c_str(), 0700) == 0, "the world writes its own disk");
    for (const auto& [name, child] : node.names) {
      child->path = node.path + "/" + name;
      write_out(*child);
    }
  } else {
    const int descriptor = open_file(node.path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
    const long written = ::syscall(SYS_pwrite64, descriptor, node.synced.data(), node.synced.size(), 0);
    check(written == static_cast<long>(node.synced.size()), "the world writes its own disk");
    ::close(descriptor);
    node.size = node.changed_from = node.synced.size();
  }
  struct stat found {};
  ::stat(node.path.c_str(), &found);
  node.inode = found.st_ino;
  by_inode_[node.inode] = node.shared_from_this();
}

}  // namespace adieu::world
