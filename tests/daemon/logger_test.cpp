// The log that the program writes, into a pipe.
#include "daemon/logger.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace adieu::daemon {
namespace {

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
  std::string read_all() {
    std::string all;
    std::array<char, 65536> block{};
    for (ssize_t count = 0; (count = ::read(ends_[0], block.data(), block.size())) > 0;) all.append(block.data(), static_cast<std::size_t>(count));
    return all;
  }

 private:
  std::array<int, 2> ends_{};
};

TEST(StreamLog, lines_carry_time_and_level_and_those_below_the_level_are_dropped) {
  Pipe pipe;
  {
    const auto log = make_stream_log(pipe.in(), LogLevel::info);
    log->write(LogLevel::debug, LogLine("hidden"));
    log->write(LogLevel::warning, LogLine("seen").field("a", "b c"));
  }
  pipe.close_in();
  const std::string text = pipe.read_all();
  EXPECT_TRUE(std::regex_match(text, std::regex(R"(time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=warning event=seen a="b c"\n)"))) << text;
}

TEST(StreamLog, lines_of_several_threads_stay_whole_and_in_each_threads_order) {
  Pipe pipe;
  std::string text;
  std::thread reader([&] { text = pipe.read_all(); });
  {
    const auto log = make_stream_log(pipe.in(), LogLevel::debug);
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

TEST(StreamLog, a_reader_that_does_not_read_blocks_nobody_and_learns_how_many_lines_it_missed) {
  Pipe pipe;
  const std::string filler(1000, 'x');
  std::string text;
  std::thread reader;
  {
    const auto log = make_stream_log(pipe.in(), LogLevel::info);
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

}  // namespace
}  // namespace adieu::daemon
