// See disk.h.
#include "io/rocksdb/disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace adieu::rocksdb {
namespace {

constexpr auto kFirstWait = std::chrono::milliseconds(20);
constexpr auto kLongestWait = std::chrono::milliseconds(500);

bool is_want_of_space(int error) { return error == ENOSPC || error == EDQUOT; }

std::string_view hint(int error) {
  if (is_want_of_space(error)) return "make room on this disk; the relay goes on by itself when there is some";
  if (error == EMFILE || error == ENFILE) return "raise LimitNOFILE or lower `limits { connections }`; the relay goes on by itself when a descriptor is free";
  return "look at this disk and its kernel messages; the relay goes on by itself when it can be written again";
}

}  // namespace

Result<> Disk::set_aside(const std::string& path, std::uint64_t octets) {
  struct stat found {};
  if (::stat(path.c_str(), &found) == 0 && static_cast<std::uint64_t>(found.st_size) >= octets) {
    adopt(path);
    return {};
  }
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return tl::unexpected<Error>(error_of_errno("set aside " + path, errno));
  const int error = ::posix_fallocate(descriptor, 0, static_cast<off_t>(octets));
  ::close(descriptor);
  if (error != 0) {
    ::unlink(path.c_str());  // a part of the reserve would only take what space is left
    return tl::unexpected<Error>(error_of_errno("set aside " + path, error));
  }
  adopt(path);
  return {};
}

void Disk::adopt(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0) return;
  const std::lock_guard lock(mutex_);
  reserve_ = path;
}

bool Disk::has_reserve() const {
  const std::lock_guard lock(mutex_);
  return !reserve_.empty();
}

/// `error`: what the first attempt came to.
void Disk::insist(std::string_view verb, const std::string& path, const std::function<int()>& attempt, int error) {
  const std::string what = std::string(verb) + " " + path;
  bool waits = false;
  auto wait = kFirstWait;
  for (; error != 0 && !frozen_; error = attempt()) {
    if (error == EINTR) continue;
    std::unique_lock lock(mutex_);
    if (is_want_of_space(error) && give_up_reserve()) continue;
    if (!std::exchange(waits, true)) ++waiting_;
    note(what, error);
    if (on_failure_ == OnFailure::freeze) {
      frozen_ = true;
      break;
    }
    news_->wait_until(threads_, lock, threads_.now() + wait, [this] { return frozen_.load(); });
    if (frozen_) break;
    wait = std::min(wait * 2, kLongestWait);
  }
  if (!waits) return;
  const std::lock_guard lock(mutex_);
  if (--waiting_ != 0 || frozen_) return;
  trouble_.reset();
  tell(LogLevel::info, LogLine(name_ + "-recovered"));
}

/// One line when it begins; another when something else is wrong.
void Disk::note(const std::string& what, int error) {
  Error now = error_of_errno(what, error);
  if (!trouble_) {
    since_ = threads_.now();
    news_->notify_all();
  }
  const bool told = trouble_ && trouble_->kind == now.kind;
  if (!told) {
    tell(LogLevel::error, LogLine(name_ + "-trouble").field("error", now.message).field("hint", hint(error)));
  }
  trouble_ = std::move(now);
}

void Disk::tell(LogLevel level, const LogLine& line) {
  if (on_failure_ == OnFailure::wait) log_->write(level, line);
}

bool Disk::give_up_reserve() {
  if (reserve_.empty()) return false;
  const std::string path = std::exchange(reserve_, {});
  if (::unlink(path.c_str()) != 0) return false;
  tell(LogLevel::warning, LogLine(name_ + "-reserve")
                                    .field("path", path)
                                    .field("hint", "the disk is full; what was set aside has been given up for what must be written. Make room"));
  return true;
}

std::optional<Error> Disk::trouble() const {
  if (waiting_ == 0 && !frozen_) return std::nullopt;
  const std::lock_guard lock(mutex_);
  return trouble_;
}

bool Disk::watch(std::chrono::milliseconds time) {
  constexpr auto kAgain = std::chrono::milliseconds(100);
  std::unique_lock lock(mutex_);
  for (;;) {
    if (watch_ends_) return false;
    if (waiting_ == 0) {
      news_->wait(lock, [this] { return watch_ends_ || waiting_ != 0; });
    } else if (threads_.now() < since_ + time) {
      news_->wait_until(threads_, lock, since_ + time, [this] { return watch_ends_; });
    } else {
      news_->wait_until(threads_, lock, threads_.now() + kAgain, [this] { return watch_ends_; });
      return !watch_ends_;
    }
  }
}

void Disk::end_watch() {
  {
    const std::lock_guard lock(mutex_);
    watch_ends_ = true;
  }
  news_->notify_all();
}

void Disk::freeze() {
  {
    const std::lock_guard lock(mutex_);
    frozen_ = true;
  }
  news_->notify_all();
}

}  // namespace adieu::rocksdb
