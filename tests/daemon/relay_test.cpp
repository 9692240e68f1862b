// The relay as a whole, in this process: clients on several threads, two loops, the durable spool, a sink behind it, SIGTERM. What threads share is
// what ThreadSanitizer is to look at here.
#include "daemon/relay.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>

#include "adieu/relay/config/load.h"
#include "tools/sink.h"

namespace adieu::daemon {
namespace {
namespace fs = std::filesystem;

class KeptLog final : public Log {
 public:
  bool enabled(LogLevel) const override { return true; }
  void write(LogLevel, std::string_view line) override {
    {
      const std::lock_guard lock(mutex_);
      text_ += std::string(line) + "\n";
    }
    if (on_line) on_line(line);
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }
  std::size_t count(std::string_view what) {
    const std::string all = text();
    std::size_t found = 0;
    for (std::size_t at = all.find(what); at != std::string::npos; at = all.find(what, at + 1)) ++found;
    return found;
  }
  std::function<void(std::string_view)> on_line;  // in the thread that writes; set before there is one

 private:
  std::mutex mutex_;
  std::string text_;
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

std::uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  ::bind(socket, reinterpret_cast<const sockaddr*>(&address), length);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
  ::close(socket);
  return ntohs(address.sin_port);
}

/// Sends a whole session at once and reads to its end.
std::string talk(std::uint16_t port, const std::string& session) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(port);
  std::string replies;
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    for (std::size_t at = 0; at < session.size();) {
      const ssize_t sent = ::send(socket, session.data() + at, session.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) break;
      at += static_cast<std::size_t>(sent);
    }
    char block[4096];
    for (ssize_t got = 0; (got = ::recv(socket, block, sizeof block, 0)) > 0;) replies.append(block, static_cast<std::size_t>(got));
  }
  ::close(socket);
  return replies;
}

/// A relay in a directory of its own, until SIGTERM; `more` ends its policy.
class RunningRelay {
 public:
  explicit RunningRelay(const std::string& more, std::function<void(std::string_view)> on_line = {}) {
    log.on_line = std::move(on_line);
    fs::create_directories(directory_);
    config::Loaded loaded = config::load_text(
        "test.conf", "hostname relay.example.org\nspool rocksdb " + (directory_ / "spool").string() + " { free-space 1MiB }\ncontrol-socket " +
                         (directory_ / "control").string() + "\nlisten 127.0.0.1:" + std::to_string(port) + "\nnetwork local 127.0.0.0/8\n" + more);
    EXPECT_TRUE(loaded.config) << loaded.text();
    auto opened = Relay::open(std::move(loaded.config.value()), log);
    EXPECT_TRUE(opened) << opened.error().message;
    relay_ = std::move(*opened);
    thread_ = std::thread([this] { EXPECT_EQ(relay_->run(), 0); });
    wait_for("event=listening");
  }
  ~RunningRelay() {
    ::kill(::getpid(), SIGTERM);
    thread_.join();
    relay_.reset();
    fs::remove_all(directory_);
  }
  void wait_for(std::string_view what, std::size_t count = 1) {
    while (log.count(what) < count) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const std::uint16_t port = free_port();
  KeptLog log;

 private:
  const fs::path directory_ = fs::path(testing::TempDir()) / ("adieu-relay-" + std::to_string(getpid()));
  std::unique_ptr<Relay> relay_;
  std::thread thread_;
};

/// A next hop without TLS that obeys; behind its 250 on the first connection it says `odd`.
class OddHop {
 public:
  explicit OddHop(std::string odd) : odd_(std::move(odd)) {
    const sockaddr_in address = loopback(port);
    const int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    thread_ = std::thread([this] {
      for (int socket = 0; (socket = ::accept(listener_, nullptr, nullptr)) >= 0;) serve(socket);
    });
  }
  ~OddHop() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  /// FIN on the connection that it serves.
  void close() { ::shutdown(serves_.load(), SHUT_WR); }
  const std::uint16_t port = free_port();

 private:
  static void say(int socket, std::string_view text) { ::send(socket, text.data(), text.size(), MSG_NOSIGNAL); }
  void serve(int socket) {
    serves_ = socket;
    say(socket, "220 next.example\r\n");
    bool data = false;
    std::string in;
    char block[4096];
    for (ssize_t got = 0; (got = ::recv(socket, block, sizeof block, 0)) > 0;) {
      in.append(block, static_cast<std::size_t>(got));
      for (std::size_t end = 0; (end = in.find("\r\n")) != std::string::npos;) {
        const std::string line = in.substr(0, end);
        in.erase(0, end + 2);
        if (data && line != ".") continue;
        say(socket, line == "DATA" ? "354 go\r\n" : "250 ok\r\n");
        if (std::exchange(data, line == "DATA")) say(socket, std::exchange(odd_, ""));
      }
    }
    ::close(socket);
  }

  std::string odd_;
  std::atomic<int> serves_ = -1;
  const int listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
  std::thread thread_;
};

/// No two messages alike: QUIT stands behind the dot, so that the 250 counts as unconfirmed, and the same message would be one that comes again (R12).
std::string session_of(int number) {
  return "EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nbody " + std::to_string(number) + "\r\n.\r\nQUIT\r\n";
}

TEST(Relay, goes_on_when_a_message_finds_its_connection_out_of_step) {
  OddHop hop("2");
  RunningRelay relay("next-hop a { host 127.0.0.1:" + std::to_string(hop.port) + "; tls off; idle-timeout 1m }\n" +
                     "relay from network local to any via a\n");
  for (int messages = 1; messages <= 2; ++messages) {
    talk(relay.port, session_of(messages));
    relay.wait_for("event=delivered", static_cast<std::size_t>(messages));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the octet behind the 250 arrives
  }
  EXPECT_EQ(relay.log.count("event=again-at-once"), 1u);
  EXPECT_EQ(relay.log.count("event=deferred"), 0u);
}

// Time-outs come before what was read, and what an ended connection leaves behind goes after both.
TEST(Relay, goes_on_when_a_next_hop_closes_just_as_the_idle_time_out_comes) {
  OddHop hop("");
  std::array<int, 2> clients{};
  std::atomic<int> rejected = 0;
  constexpr std::string_view kRefused = "RCPT TO:<b@elsewhere.example>\r\n";
  RunningRelay relay("loops 1\nnext-hop a { host 127.0.0.1:" + std::to_string(hop.port) + "; tls off; idle-timeout 400ms }\n" +
                         "domains ours example.net\nrelay from network local to domains ours via a\n",
                     [&](std::string_view line) {
                       if (line.find("event=reject") == std::string_view::npos) return;
                       if (++rejected == 1) {  // the loop finds both of these at once, in this order
                         ::send(clients[1], kRefused.data(), kRefused.size(), MSG_NOSIGNAL);
                         std::this_thread::sleep_for(std::chrono::milliseconds(20));
                         hop.close();
                         std::this_thread::sleep_for(std::chrono::milliseconds(20));
                       } else {
                         std::this_thread::sleep_for(std::chrono::milliseconds(500));
                       }
                     });
  for (int& client : clients) {
    client = ::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = loopback(relay.port);
    ASSERT_EQ(::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    char block[4096];
    for (const std::string_view said : {"", "EHLO c\r\n", "MAIL FROM:<a@example.org>\r\n"}) {
      ::send(client, said.data(), said.size(), MSG_NOSIGNAL);
      ASSERT_GT(::recv(client, block, sizeof block, 0), 0);
    }
  }
  talk(relay.port, session_of(1));
  relay.wait_for("event=delivered");
  ::send(clients[0], kRefused.data(), kRefused.size(), MSG_NOSIGNAL);
  relay.wait_for("event=reject", 2);
  talk(relay.port, session_of(2));
  relay.wait_for("event=delivered", 2);
  for (const int client : clients) ::close(client);
}

TEST(Relay, takes_mail_of_many_clients_on_two_loops_delivers_it_and_stops_in_good_order) {
  const fs::path directory = fs::path(testing::TempDir()) / ("adieu-relay-" + std::to_string(getpid()));
  fs::create_directories(directory);
  const std::uint16_t sink_port = free_port();
  const std::uint16_t port = free_port();
  const std::string policy = "hostname relay.example.org\nloops 2\nspool rocksdb " + (directory / "spool").string() +
                             " { free-space 1MiB; large-message 64KiB }\ncontrol-socket " + (directory / "control").string() +
                             "\nlisten 127.0.0.1:" + std::to_string(port) +
                             "\nnetwork local 127.0.0.0/8\nnext-hop a { host 127.0.0.1:" + std::to_string(sink_port) +
                             "; tls opportunistic }\nnext-hop b { host 127.0.0.1:" + std::to_string(sink_port) +
                             "; tls off }\ndomains second second.example\nrelay from network local to domains second via b\n"
                             "relay from network local to any via a\n";
  config::Loaded loaded = config::load_text("test.conf", policy);
  ASSERT_TRUE(loaded.config) << loaded.text();
  KeptLog log;
  KeptLog sink_log;
  auto relay = Relay::open(std::move(*loaded.config), log);
  ASSERT_TRUE(relay) << relay.error().message;
  std::thread sink([&] { EXPECT_TRUE(tools::run_sink({*IpAddress::parse("127.0.0.1"), sink_port}, directory / "sink", sink_log)); });
  std::thread running([&] { EXPECT_EQ((*relay)->run(), 0); });
  while (log.count("event=listening") == 0 || sink_log.count("event=listening") == 0) std::this_thread::yield();

  constexpr int kThreads = 4;
  constexpr int kSessions = 15;
  std::atomic<int> acknowledged = 0;
  std::vector<std::thread> clients;
  for (int t = 0; t < kThreads; ++t) {
    clients.emplace_back([&, t] {
      for (int i = 0; i < kSessions; ++i) {
        const std::string body = (i % 5 == 0 ? std::string(1200, 'x') + "\r\n" : "short\r\n");
        std::string data;
        for (int line = 0; line < (i % 5 == 0 ? 100 : 1); ++line) data += body;
        // Two messages a session; every second one goes both ways. Some clients cut the second short.
        const std::string envelope = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n" +
                                     std::string(i % 2 == 0 ? "RCPT TO:<c@second.example>\r\n" : "") + "DATA\r\n";
        const std::string number = std::to_string(t) + '/' + std::to_string(i);
        const std::string session = "EHLO c" + std::to_string(t) + "\r\n" + envelope + "first " + number + "\r\n" + data + ".\r\n" + envelope +
                                    "second " + number + "\r\n" + data + ".\r\nQUIT\r\n";
        const std::string replies = talk(port, session);
        for (std::size_t at = replies.find("queued as"); at != std::string::npos; at = replies.find("queued as", at + 1)) ++acknowledged;
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(acknowledged.load(), kThreads * kSessions * 2);
  const auto expected = static_cast<std::size_t>(kThreads * (kSessions * 2 + (kSessions + 1) / 2 * 2));
  while (log.count("event=delivered") < expected) std::this_thread::yield();
  while (log.count("event=removed") < static_cast<std::size_t>(acknowledged.load())) std::this_thread::yield();
  const auto answer = ask_relay(directory / "control", R"({"command":"list"})");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(*answer, "");
  ::kill(::getpid(), SIGTERM);
  running.join();
  sink.join();
  EXPECT_EQ(log.count("event=delivered"), expected);
  EXPECT_EQ(log.count("event=removed"), static_cast<std::size_t>(acknowledged.load()));
  EXPECT_EQ(log.count("event=stopped"), 1u);
  std::size_t arrived = 0;
  for (const auto& entry : fs::directory_iterator(directory / "sink")) arrived += entry.path().extension() == ".eml";
  EXPECT_EQ(arrived, expected);
  EXPECT_TRUE(fs::is_empty(directory / "spool" / "data"));
  relay->reset();
  fs::remove_all(directory);
}

}  // namespace
}  // namespace adieu::daemon
