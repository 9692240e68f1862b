#include "io/uv/socket.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

namespace adieu::uv {
namespace {
using namespace std::chrono_literals;

TEST(Socket, without_descriptors_the_trouble_is_ours) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto client = connect_tcp({*IpAddress::parse("127.0.0.1"), 9});
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().whose, ConnectFailure::Whose::ours);
}

TEST(Socket, an_address_without_a_route_is_told_at_once) {
  const auto client = connect_tcp({*IpAddress::parse("255.255.255.255"), 9});
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().whose, ConnectFailure::Whose::no_route) << client.error().error.message;
}

TEST(Socket, a_unix_socket_left_over_is_replaced_and_one_in_use_is_not) {
  const std::string path = testing::TempDir() + "adieu-socket-test-" + std::to_string(getpid());
  { ASSERT_TRUE(listen_unix(path)); }
  auto second = listen_unix(path);
  ASSERT_TRUE(second) << second.error().message;
  const auto third = listen_unix(path);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().kind, ErrorKind::refused);
  unlink(path.c_str());
}

const Endpoint kAnyPort{*IpAddress::parse("127.0.0.1"), 0};

TEST(Socket, a_port_is_shared_among_our_own_loops_and_with_nobody_else) {
  auto ours = listen_tcp(kAnyPort, 3);
  ASSERT_TRUE(ours) << ours.error().message;
  ASSERT_EQ(ours->size(), 3u);
  const Endpoint port = *local_endpoint(ours->front().get());
  for (const Descriptor& socket : *ours) EXPECT_EQ(*local_endpoint(socket.get()), port);
  for (const std::size_t loops : {1, 2}) {  // another relay: with one loop, such as a metrics port, and with several
    const auto other = listen_tcp(port, loops);
    ASSERT_FALSE(other) << loops;
    EXPECT_EQ(other.error().kind, ErrorKind::unavailable);
    EXPECT_NE(other.error().message.find("listen on " + port.text()), std::string::npos) << other.error().message;
    EXPECT_NE(other.error().message.find("choose another port"), std::string::npos) << other.error().message;
  }
}

TEST(Socket, each_loop_gets_its_connections_from_a_shared_port) {
  auto listeners = listen_tcp(kAnyPort, 2);
  ASSERT_TRUE(listeners);
  std::array<int, 2> got{};
  std::vector<Descriptor> clients;
  for (int i = 0; i < 64; ++i) {
    auto client = connect_tcp(*local_endpoint(listeners->front().get()));
    ASSERT_TRUE(client);
    clients.push_back(std::move(*client));
    for (int waiting = 0, found = 0; found == 0 && waiting < 5000; ++waiting) {
      for (std::size_t which = 0; which < 2; ++which) {
        const Descriptor accepted(::accept((*listeners)[which].get(), nullptr, nullptr));
        if (accepted) found = ++got[which];
      }
      if (found == 0) std::this_thread::sleep_for(1ms);
    }
  }
  EXPECT_EQ(got[0] + got[1], 64);
  EXPECT_GT(got[0], 0);
  EXPECT_GT(got[1], 0);
}

TEST(Socket, a_unix_socket_whose_owner_is_too_busy_to_accept_is_in_use_and_is_given_up_in_time) {
  const std::string path = testing::TempDir() + "adieu-busy-test-" + std::to_string(getpid());
  auto busy = listen_unix(path);
  ASSERT_TRUE(busy) << busy.error().message;
  std::vector<Descriptor> waiting;
  for (;;) {  // until its backlog is full
    auto one = connect_unix(path, 10ms);
    if (!one) {
      EXPECT_EQ(one.error().kind, ErrorKind::timeout);
      break;
    }
    waiting.push_back(std::move(*one));
  }
  EXPECT_FALSE(listen_unix(path));
  unlink(path.c_str());
}

TEST(Socket, the_last_descriptors_are_held_back) {
  auto socket = listen_tcp(kAnyPort);
  ASSERT_TRUE(socket);
  EXPECT_FALSE(is_of_reserve(socket->get(), 2));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{static_cast<rlim_t>(socket->get()) + 20, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  EXPECT_FALSE(is_of_reserve(socket->get(), 1));
  EXPECT_TRUE(is_of_reserve(socket->get(), 2));
  ::setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace adieu::uv
