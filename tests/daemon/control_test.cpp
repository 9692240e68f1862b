// The control socket over a real one: answers in parts, askers that say nothing, relays that do not answer.
#include "daemon/control.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace adieu::daemon {
namespace {
using namespace std::chrono_literals;

/// A control socket with a loop in a thread of its own.
class ControlTest : public testing::Test {
 protected:
  void start(Control::Handler handler, Duration patience = 1min) {
    auto socket = uv::listen_unix(path_);
    ASSERT_TRUE(socket) << socket.error().message;
    control_ = std::make_unique<Control>(*loop_, std::move(*socket), std::move(handler), patience);
    thread_ = std::thread([this] { loop_->run(); });
  }
  void TearDown() override {
    if (thread_.joinable()) {
      loop_->post([this] {
        control_.reset();
        loop_->stop();
      });
      thread_.join();
    }
    ::unlink(path_.c_str());
  }
  uv::Descriptor connect() const {
    auto socket = uv::connect_unix(path_, 1min);
    EXPECT_TRUE(socket);
    return std::move(*socket);
  }

  const std::string path_ = testing::TempDir() + "adieu-control-test-" + std::to_string(getpid());
  std::unique_ptr<uv::Loop> loop_ = std::make_unique<uv::Loop>();
  std::unique_ptr<Control> control_;
  std::thread thread_;
};

/// An answer of `parts` parts of `size` octets each; counts those that were made.
Control::Answer parts(std::shared_ptr<std::atomic<int>> made, int parts, std::size_t size) {
  return [made, parts, size](const std::function<void(Control::Part)>& give) {
    const int number = ++*made;
    give({std::string(size - 1, 'x') + "\n", number == parts});
  };
}

TEST_F(ControlTest, a_long_answer_comes_whole_and_line_by_line) {
  auto made = std::make_shared<std::atomic<int>>(0);
  start([&](const std::string&) { return parts(made, 500, 10'000); });
  std::size_t lines = 0;
  const auto asked = ask_relay(path_, "list", [&](std::string_view line) {
    EXPECT_EQ(line.size(), 9'999u);
    ++lines;
    return true;
  });
  EXPECT_TRUE(asked) << asked.error().message;
  EXPECT_EQ(lines, 500u);
}

TEST_F(ControlTest, no_more_is_made_of_an_answer_than_the_asker_takes) {
  auto made = std::make_shared<std::atomic<int>>(0);
  start([&](const std::string& request) { return request == "list" ? parts(made, 1000, 100'000) : whole_answer("pong\n"); });
  const uv::Descriptor slow = connect();
  ASSERT_EQ(uv::send(slow.get(), "list\n").octets, 5u);
  while (*made == 0) std::this_thread::yield();
  for (int others = 0; others < 20; ++others) EXPECT_EQ(ask_relay(path_, "ping").value_or("none"), "pong\n");
  EXPECT_LT(*made, 100) << "the kernel's buffer alone";
}

TEST_F(ControlTest, an_answer_that_breaks_off_is_an_error_even_at_the_end_of_a_line) {
  std::thread relay;
  auto listener = uv::listen_unix(path_);
  ASSERT_TRUE(listener);
  relay = std::thread([&] {
    for (;;) {
      const uv::Descriptor accepted(::accept(listener->get(), nullptr, nullptr));
      if (accepted) {
        uv::send(accepted.get(), "one\n");
        return;
      }
      std::this_thread::sleep_for(1ms);
    }
  });
  EXPECT_FALSE(ask_relay(path_, "list"));
  relay.join();
}

TEST_F(ControlTest, askers_that_say_nothing_give_way_the_oldest_first) {
  start([](const std::string&) { return whole_answer("pong\n"); });
  std::vector<uv::Descriptor> silent;
  for (int i = 0; i < 40; ++i) {
    silent.push_back(connect());
    EXPECT_EQ(ask_relay(path_, "ping").value_or("none"), "pong\n") << i;
  }
}

TEST_F(ControlTest, an_asker_that_says_nothing_for_too_long_is_let_go) {
  start([](const std::string&) { return whole_answer("pong\n"); }, 20ms);
  const uv::Descriptor silent = connect();
  char octet = 0;
  EXPECT_EQ(uv::receive(silent.get(), &octet, 1).how, Transfer::eof);
}

TEST_F(ControlTest, a_relay_that_does_not_answer_is_given_up) {
  start([](const std::string&) -> Control::Answer { return [](const auto&) {}; });
  const auto asked = ask_relay(path_, "list", [](std::string_view) { return true; }, 50ms);
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().kind, ErrorKind::timeout);
}

}  // namespace
}  // namespace adieu::daemon
