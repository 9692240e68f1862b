// The log that the program writes: into pipes, files and the sockets of local daemons.
#include "daemon/logger.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace adieu::daemon {
namespace {
namespace fs = std::filesystem;

class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0); }
  ~Pipe() {
    close_in();
    ::close(ends_[0]);
  }
  int in() const { return ends_[1]; }
  void close_in() {
    if (ends_[1] >= 0) ::close(std::exchange(ends_[1], -1));
  }
  ssize_t read_some() {
    std::array<char, 65536> block{};
    return ::read(ends_[0], block.data(), block.size());
  }
  std::string read_all() {
    std::string all;
    std::array<char, 65536> block{};
    for (ssize_t count = 0; (count = ::read(ends_[0], block.data(), block.size())) > 0;) all.append(block.data(), static_cast<std::size_t>(count));
    return all;
  }

 private:
  std::array<int, 2> ends_{};
};

TEST(Logger, lines_carry_time_and_level_and_those_below_the_level_are_dropped) {
  Pipe pipe;
  {
    const auto log = make_log(make_stream_target(pipe.in()), LogLevel::info);
    log->write(LogLevel::debug, LogLine("hidden"));
    log->write(LogLevel::warning, LogLine("seen").field("a", "b c"));
  }
  pipe.close_in();
  const std::string text = pipe.read_all();
  EXPECT_TRUE(std::regex_match(text, std::regex(R"(time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=warning event=seen a="b c"\n)"))) << text;
}

TEST(Logger, lines_of_several_threads_stay_whole_and_in_each_threads_order) {
  Pipe pipe;
  std::string text;
  std::thread reader([&] { text = pipe.read_all(); });
  {
    const auto log = make_log(make_stream_target(pipe.in()), LogLevel::debug);
    std::vector<std::thread> writers;
    for (int who = 0; who < 4; ++who) {
      writers.emplace_back([&log, who] {
        for (int i = 0; i < 2000; ++i) log->write(LogLevel::info, LogLine("x").field("who", who).field("i", i));
      });
    }
    for (std::thread& writer : writers) writer.join();
  }
  pipe.close_in();
  reader.join();
  std::map<int, int> next;
  std::istringstream lines(text);
  static const std::regex kLine(R"(time=\S+ level=info event=x who=(\d) i=(\d+))");
  for (std::string line; std::getline(lines, line);) {
    std::smatch found;
    ASSERT_TRUE(std::regex_match(line, found, kLine)) << line;
    EXPECT_EQ(std::stoi(found[2]), next[std::stoi(found[1])]++);
  }
  for (int who = 0; who < 4; ++who) EXPECT_EQ(next[who], 2000);
}

TEST(Logger, a_reader_that_does_not_read_blocks_nobody_and_learns_how_many_lines_it_missed) {
  Pipe pipe;
  const std::string filler(1000, 'x');
  std::string text;
  std::thread reader;
  {
    const auto log = make_log(make_stream_target(pipe.in()), LogLevel::info);
    for (int i = 0; i < 40'000; ++i) log->write(LogLevel::info, LogLine("x").field("filler", filler));
    reader = std::thread([&] { text = pipe.read_all(); });
  }
  pipe.close_in();
  reader.join();
  static constexpr std::string_view kLost = "lines-lost=";
  std::size_t lost = 0;
  for (std::size_t at = text.find(kLost); at != std::string::npos; at = text.find(kLost, at + 1)) lost += std::stoul(text.substr(at + kLost.size()));
  EXPECT_GT(lost, 0u);
  std::size_t lines = 0;
  for (std::size_t line = text.find("event=x"); line != std::string::npos; line = text.find("event=x", line + 1)) ++lines;
  EXPECT_EQ(lines + lost, 40'000u);
}

TEST(Logger, ends_although_nobody_reads_what_it_writes) {
  std::signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  const std::string filler(1000, 'x');
  {
    const auto log = make_log(make_stream_target(pipe.in()), LogLevel::info, std::chrono::milliseconds(20));
    for (int i = 0; i < 1000; ++i) log->write(LogLevel::info, LogLine("x").field("filler", filler));
  }  // hung here
  EXPECT_GT(pipe.read_some(), 0);
}

/// A log file in a directory of its own.
class LogFile : public testing::Test {
 protected:
  LogFile() { fs::create_directories(directory_); }
  ~LogFile() override { fs::remove_all(directory_); }
  static std::string read(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  const fs::path directory_ = fs::path(testing::TempDir()) / ("adieu-logger-" + std::to_string(getpid()));
  const fs::path path_ = directory_ / "adieu.log";
};

TEST_F(LogFile, is_appended_to_and_opened_anew_by_its_name) {
  std::ofstream(path_) << "before\n";
  {
    auto target = make_file_target(path_, "");
    ASSERT_TRUE(target) << target.error().message;
    const auto log = make_log(std::move(*target), LogLevel::info);
    log->write(LogLevel::info, LogLine("first"));
    while (read(path_).find("event=first") == std::string::npos) std::this_thread::yield();
    fs::rename(path_, directory_ / "adieu.log.1");
    log->reopen();
    while (!fs::exists(path_)) std::this_thread::yield();
    log->write(LogLevel::info, LogLine("second"));
  }
  EXPECT_TRUE(std::regex_match(read(directory_ / "adieu.log.1"), std::regex("before\ntime=\\S+ level=info event=first\n")));
  EXPECT_TRUE(std::regex_match(read(path_), std::regex("time=\\S+ level=info event=second\n")));
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0137, 0u);
}

TEST_F(LogFile, that_cannot_be_opened_anew_is_written_to_as_before_and_says_so) {
  const fs::path inner = directory_ / "inner";
  fs::create_directories(inner);
  const fs::path moved = directory_ / "moved";
  {
    auto target = make_file_target(inner / "adieu.log", "");
    ASSERT_TRUE(target) << target.error().message;
    const auto log = make_log(std::move(*target), LogLevel::info);
    fs::rename(inner, moved);
    log->reopen();
    log->write(LogLevel::info, LogLine("second"));
  }
  const std::string text = read(moved / "adieu.log");
  EXPECT_NE(text.find("event=log-reopen"), std::string::npos) << text;
  EXPECT_NE(text.find("event=second"), std::string::npos) << text;
}

TEST_F(LogFile, that_is_a_pipe_without_a_reader_is_an_error_and_no_hang) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_FALSE(make_file_target(path_, ""));
}

/// A target that takes `room` octets, and more when somebody makes room.
class SmallDisk final : public LogTarget {
 public:
  explicit SmallDisk(std::string& text, std::atomic<std::size_t>& room) : text_(text), room_(room) {}
  void append(std::string& out, LogLevel, WallTime, std::string_view line) override { out.append(line).append("\n"); }
  char separator() const override { return '\n'; }
  std::size_t write(std::string_view records) override {
    const std::size_t taken = std::min(records.size(), room_.load());
    text_ += records.substr(0, taken);
    room_ -= taken;
    return taken;
  }

 private:
  std::string& text_;
  std::atomic<std::size_t>& room_;
};

TEST(Logger, what_a_full_disk_refused_is_written_when_there_is_room_and_no_line_is_torn) {
  std::string text;
  std::atomic<std::size_t> room = 15;
  {
    const auto log = make_log(std::make_unique<SmallDisk>(text, room), LogLevel::info);
    log->write(LogLevel::info, LogLine("first"));
    log->write(LogLevel::info, LogLine("second"));
    while (room != 0) std::this_thread::yield();
    log->write(LogLevel::info, LogLine("third"));
    room = 1000;
  }
  EXPECT_EQ(text, "event=first\nevent=second\nevent=third\n");
}

/// A daemon's datagram socket.
class Datagrams {
 public:
  Datagrams() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~Datagrams() {
    ::close(socket_);
    ::unlink(path.c_str());
  }
  std::string next() {
    std::array<char, 65536> block{};
    const ssize_t count = ::recv(socket_, block.data(), block.size(), 0);
    return {block.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
  }
  const std::string path = testing::TempDir() + "adieu-log-socket-" + std::to_string(getpid());

 private:
  const int socket_ = ::socket(AF_UNIX, SOCK_DGRAM, 0);
};

TEST(Logger, syslog_gets_a_datagram_a_line_with_facility_mail) {
  Datagrams daemon;
  const auto log = make_log(make_syslog_target(daemon.path), LogLevel::info);
  log->write(LogLevel::warning, LogLine("seen").field("a", "b c"));
  log->write(LogLevel::info, LogLine("next"));
  const std::string first = daemon.next();
  EXPECT_TRUE(std::regex_match(first, std::regex(R"(<20>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d adieu\[\d+\]: level=warning event=seen a="b c")"))) << first;
  EXPECT_EQ(daemon.next().substr(0, 4), "<22>");
}

TEST(Logger, the_journal_gets_the_priority_as_a_field) {
  Datagrams daemon;
  const auto log = make_log(make_journal_target(daemon.path), LogLevel::info);
  log->write(LogLevel::error, LogLine("seen"));
  EXPECT_EQ(daemon.next(), "SYSLOG_IDENTIFIER=adieu\nSYSLOG_FACILITY=2\nPRIORITY=3\nMESSAGE=level=error event=seen\n");
}

TEST(Logger, finds_a_syslog_daemon_that_was_started_anew) {
  auto daemon = std::make_unique<Datagrams>();
  const auto log = make_log(make_syslog_target(daemon->path), LogLevel::info);
  log->write(LogLevel::info, LogLine("first"));
  EXPECT_NE(daemon->next().find("event=first"), std::string::npos);
  daemon.reset();
  log->write(LogLevel::info, LogLine("second"));
  daemon = std::make_unique<Datagrams>();
  EXPECT_NE(daemon->next().find("event=second"), std::string::npos);
}

TEST(Logger, leaves_the_time_to_the_journal_only_where_its_descriptor_leads_there) {
  for (const bool leads : {true, false}) {
    Pipe pipe;
    struct stat status {};
    ASSERT_EQ(::fstat(pipe.in(), &status), 0);
    ::setenv("JOURNAL_STREAM", (std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino + (leads ? 0 : 1))).c_str(), 1);
    make_log(make_stream_target(pipe.in()), LogLevel::info)->write(LogLevel::info, LogLine("seen"));
    ::unsetenv("JOURNAL_STREAM");
    pipe.close_in();
    const std::string text = pipe.read_all();
    EXPECT_EQ(text.starts_with("<6>level=info event=seen"), leads) << text;
    EXPECT_EQ(text.starts_with("time="), !leads) << text;
  }
}

}  // namespace
}  // namespace adieu::daemon
