// See log_target.h.
#include "daemon/log_target.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "io/uv/socket.h"

namespace adieu::daemon {
namespace {

int priority(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return LOG_DEBUG;
    case LogLevel::info: return LOG_INFO;
    case LogLevel::warning: return LOG_WARNING;
    case LogLevel::error: return LOG_ERR;
  }
  return LOG_INFO;
}

void append_level(std::string& out, LogLevel level) {
  out += "level=";
  out += name(level);
  out += ' ';
}

/// Whether the descriptor is what JOURNAL_STREAM names, as systemd.exec(5) asks: the variable alone is inherited by whoever redirects the descriptor.
bool leads_to_journal(int descriptor) {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (stream == nullptr || ::fstat(descriptor, &status) != 0) return false;
  return stream == std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

class StreamTarget : public LogTarget {
 public:
  explicit StreamTarget(int descriptor) : descriptor_(descriptor), to_journal_(leads_to_journal(descriptor)) {}

  void append(std::string& out, LogLevel level, WallTime now, std::string_view line) override {
    if (to_journal_) {
      out += '<';
      out += static_cast<char>('0' + priority(level));
      out += '>';
    } else {
      if (now != stamped_) stamp_ = "time=" + rfc3339(stamped_ = now) + ' ';
      out += stamp_;
    }
    append_level(out, level);
    out += line;
    out += '\n';
  }

  char separator() const override { return '\n'; }

  std::size_t write(std::string_view records) override {
    std::size_t written = 0;
    while (written < records.size()) {
      const ssize_t count = ::write(descriptor_, records.data() + written, records.size() - written);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      written += static_cast<std::size_t>(count);
    }
    return written;
  }

 protected:
  void set_descriptor(int descriptor) { descriptor_ = descriptor; }

 private:
  int descriptor_;
  const bool to_journal_;
  WallTime stamped_{};
  std::string stamp_;  // of the millisecond `stamped_`
};

/// Without waiting, so that a named pipe that nobody reads is an error and no hang.
Result<uv::Descriptor> open_file(const std::string& path, const std::string& user) {
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  uv::Descriptor made(::open(path.c_str(), kFlags | O_CREAT | O_EXCL, 0640));
  if (made) {
    const passwd* entry = user.empty() || ::geteuid() != 0 ? nullptr : ::getpwnam(user.c_str());
    if (entry != nullptr && ::fchown(made.get(), entry->pw_uid, entry->pw_gid) != 0) {
      return tl::unexpected<Error>(error_of_errno("give the log file " + path + " to " + user, errno));
    }
    return made;
  }
  if (errno != EEXIST) return tl::unexpected<Error>(error_of_errno("log file " + path, errno));
  uv::Descriptor found(::open(path.c_str(), kFlags));
  if (!found) return tl::unexpected<Error>(error_of_errno("log file " + path, errno));
  ::fcntl(found.get(), F_SETFL, ::fcntl(found.get(), F_GETFL) & ~O_NONBLOCK);
  return found;
}

class FileTarget final : public StreamTarget {
 public:
  FileTarget(std::string path, std::string user, uv::Descriptor file)
      : StreamTarget(file.get()), path_(std::move(path)), user_(std::move(user)), file_(std::move(file)) {}

  Result<> reopen() override {
    auto file = open_file(path_, user_);
    if (!file) return tl::unexpected<Error>(std::move(file.error()));
    file_ = std::move(*file);
    set_descriptor(file_.get());
    return {};
  }

 private:
  const std::string path_;
  const std::string user_;
  uv::Descriptor file_;
};

/// A datagram socket of a local daemon, which may come, go and come again.
class DatagramTarget : public LogTarget {
 public:
  /// Of one line: what the kernel takes in one datagram whatever its settings.
  static constexpr std::size_t kLongest = 32'768;

  explicit DatagramTarget(std::string path) : path_(std::move(path)) {}
  char separator() const override { return '\0'; }

  std::size_t write(std::string_view records) override {
    std::size_t written = 0;
    while (written < records.size()) {
      const std::size_t end = records.find('\0', written);
      if (!send(records.substr(written, end - written), 0)) break;
      written = end + 1;
    }
    return written;
  }

  bool send(std::string_view record, int flags) {
    for (int tries = 0; tries < 2; ++tries) {  // the second time to a daemon that was started anew
      if (!socket_ && !connect()) return false;
      if (::send(socket_.get(), record.data(), record.size(), MSG_NOSIGNAL | flags) >= 0) return true;
      if (errno == EINTR) {
        --tries;
      } else if (errno == EAGAIN) {
        return false;
      } else {
        socket_ = uv::Descriptor();
      }
    }
    return false;
  }

 private:
  bool connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path) return false;
    std::copy(path_.begin(), path_.end(), address.sun_path);
    uv::Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return false;
    socket_ = std::move(socket);
    return true;
  }

  const std::string path_;
  uv::Descriptor socket_;
};

/// RFC 3164, as the daemons of /dev/log read it: with the local time, without a host.
class SyslogTarget final : public DatagramTarget {
 public:
  using DatagramTarget::DatagramTarget;
  void append(std::string& out, LogLevel level, WallTime now, std::string_view line) override {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    if (seconds != stamped_) {
      stamped_ = seconds;
      std::tm local{};
      ::localtime_r(&seconds, &local);
      std::array<char, 32> text{};
      std::strftime(text.data(), text.size(), "%b %e %T", &local);
      stamp_ = text.data();
    }
    out += '<' + std::to_string(LOG_MAIL | priority(level)) + '>' + stamp_ + tag_;
    append_level(out, level);
    out += line.substr(0, kLongest);
    out += '\0';
  }

 private:
  const std::string tag_ = " adieu[" + std::to_string(::getpid()) + "]: ";
  std::time_t stamped_ = -1;
  std::string stamp_;  // of the second `stamped_`
};

/// systemd's native protocol: NAME=value lines. A line of the log holds no newline, so that none of its values needs the other form.
class JournalTarget final : public DatagramTarget {
 public:
  using DatagramTarget::DatagramTarget;
  void append(std::string& out, LogLevel level, WallTime, std::string_view line) override {
    out += "SYSLOG_IDENTIFIER=adieu\nSYSLOG_FACILITY=" + std::to_string(LOG_FAC(LOG_MAIL)) + "\nPRIORITY=" + std::to_string(priority(level)) + "\nMESSAGE=";
    append_level(out, level);
    out += line.substr(0, kLongest);
    out += '\n';
    out += '\0';
  }
};

}  // namespace

std::unique_ptr<LogTarget> make_stream_target(int descriptor) { return std::make_unique<StreamTarget>(descriptor); }

Result<std::unique_ptr<LogTarget>> make_file_target(const std::string& path, const std::string& user) {
  auto file = open_file(path, user);
  if (!file) return tl::unexpected<Error>(std::move(file.error()));
  return std::make_unique<FileTarget>(path, user, std::move(*file));
}

std::unique_ptr<LogTarget> make_syslog_target(const std::string& path) { return std::make_unique<SyslogTarget>(path); }
std::unique_ptr<LogTarget> make_journal_target(const std::string& path) { return std::make_unique<JournalTarget>(path); }

void tell_syslog(LogLevel level, std::string_view line) {
  SyslogTarget target("/dev/log");
  std::string record;
  target.append(record, level, std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()), line);
  target.send(std::string_view(record).substr(0, record.size() - 1), MSG_DONTWAIT);
}

}  // namespace adieu::daemon
