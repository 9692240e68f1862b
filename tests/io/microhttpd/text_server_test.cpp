#include "io/microhttpd/text_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>
#include <vector>

namespace adieu::microhttpd {
namespace {

class TextServerTest : public testing::Test {
 protected:
  void SetUp() override {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof any;
    ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&any), size), 0);
    ASSERT_EQ(::listen(socket, 16), 0);
    ASSERT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&any), &size), 0);
    address_ = any;
    auto started = TextServer::start(socket, "/metrics", [this] { return "asked " + std::to_string(++asked_) + "\n"; });
    ASSERT_TRUE(started) << started.error().message;
    server_ = std::move(*started);
  }
  /// Sends it whole and reads to the end.
  std::string talk(const std::string& request) const {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    std::string answer;
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) == 0 &&
        ::send(socket, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
      char block[4096];
      for (ssize_t got = 0; (got = ::recv(socket, block, sizeof block, 0)) > 0;) answer.append(block, static_cast<std::size_t>(got));
    }
    ::close(socket);
    return answer;
  }

  sockaddr_in address_{};
  std::atomic<int> asked_ = 0;
  std::unique_ptr<TextServer> server_;
};

TEST_F(TextServerTest, makes_its_text_anew_for_each_get) {
  const std::string get = "GET /metrics HTTP/1.0\r\n\r\n";
  EXPECT_TRUE(talk(get).ends_with("\r\n\r\nasked 1\n"));
  EXPECT_TRUE(talk(get).ends_with("\r\n\r\nasked 2\n"));
}
TEST_F(TextServerTest, answers_nothing_else) {
  EXPECT_TRUE(talk("GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 404"));
  EXPECT_TRUE(talk("GET /metrics/../etc HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 404"));
  EXPECT_TRUE(talk("POST /metrics HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc").starts_with("HTTP/1.1 405"));
  EXPECT_EQ(talk("GET /" + std::string(100'000, 'x') + " HTTP/1.0\r\n\r\n").find("200 OK"), std::string::npos);
  EXPECT_EQ(asked_, 0);
}
TEST_F(TextServerTest, serves_many_at_once_and_ends_with_readers_connected) {
  std::vector<std::thread> readers;
  for (int i = 0; i < 8; ++i) {
    readers.emplace_back([this] {
      for (int j = 0; j < 20; ++j) EXPECT_NE(talk("GET /metrics HTTP/1.0\r\n\r\n").find("200 OK"), std::string::npos);
    });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(asked_, 160);
  const int idle = ::socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(::connect(idle, reinterpret_cast<const sockaddr*>(&address_), sizeof address_), 0);
  server_.reset();
  ::close(idle);
}

/// Slow in asking, and so never idle: without a bound of their own they had all the connections there are.
TEST_F(TextServerTest, slow_readers_lock_nobody_out) {
  std::vector<int> slow;
  for (int i = 0; i < 40; ++i) {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_EQ(::connect(socket, reinterpret_cast<const sockaddr*>(&address_), sizeof address_), 0);
    ::send(socket, "G", 1, MSG_NOSIGNAL);
    slow.push_back(socket);
  }
  std::atomic<bool> answered = false;
  std::thread drip([&] {
    while (!answered) {
      for (const int socket : slow) ::send(socket, "E", 1, MSG_NOSIGNAL);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  });
  EXPECT_TRUE(talk("GET /metrics HTTP/1.0\r\n\r\n").ends_with("asked 1\n"));
  answered = true;
  drip.join();
  for (const int socket : slow) ::close(socket);
}

}  // namespace
}  // namespace adieu::microhttpd
