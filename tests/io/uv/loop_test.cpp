#include "io/uv/loop.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <thread>

#include "io/uv/socket.h"

/// How often epoll_ctl says that the user watches too many descriptors already.
static std::atomic<int> epoll_additions_refused = 0;

extern "C" int epoll_ctl(int epoll, int change, int descriptor, epoll_event* event) {
  if (change == EPOLL_CTL_ADD && epoll_additions_refused > 0) {
    --epoll_additions_refused;
    errno = ENOSPC;
    return -1;
  }
  static const auto real = reinterpret_cast<decltype(&epoll_ctl)>(::dlsym(RTLD_NEXT, "epoll_ctl"));
  return real(epoll, change, descriptor, event);
}

namespace adieu::uv {
namespace {
using namespace std::chrono_literals;

TEST(Loop, runs_tasks_of_other_threads_in_the_order_of_each) {
  Loop loop;
  constexpr int kThreads = 4;
  constexpr int kTasks = 500;
  std::vector<std::vector<int>> seen(kThreads);
  int done = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTasks; ++i) {
        loop.post([&, t, i] {
          seen[static_cast<std::size_t>(t)].push_back(i);
          if (++done == kThreads * kTasks) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (auto& thread : threads) thread.join();
  for (const auto& order : seen) {
    ASSERT_EQ(order.size(), static_cast<std::size_t>(kTasks));
    for (int i = 0; i < kTasks; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  }
}

TEST(Loop, destroys_tasks_that_come_after_its_end) {
  auto token = std::make_shared<int>();
  Loop loop;
  loop.post([&] { loop.stop(); });
  loop.run();
  loop.post([token] {});
  EXPECT_EQ(token.use_count(), 1);
}

TEST(Timer, fires_once_and_not_before_the_later_of_two_settings) {
  Loop loop;
  int fired = 0;
  const Instant start = loop.now();
  Instant when{};
  Timer timer(loop, [&] {
    ++fired;
    when = loop.now();
    loop.stop();
  });
  timer.set(start + 5ms);
  timer.set(start + 30ms);
  loop.run();
  EXPECT_EQ(fired, 1);
  EXPECT_GE(when, start + 30ms);
}

TEST(Timer, that_is_unset_or_destroyed_never_fires) {
  Loop loop;
  int fired = 0;
  Timer unset(loop, [&] { ++fired; });
  unset.set(loop.now() + 1ms);
  unset.set(std::nullopt);
  {
    Timer destroyed(loop, [&] { ++fired; });
    destroyed.set(loop.now() + 1ms);
  }
  Timer end(loop, [&] { loop.stop(); });
  end.set(loop.now() + 20ms);
  loop.run();
  EXPECT_EQ(fired, 0);
}

/// Two descriptors are ready in the same turn; whichever is told first makes the other one unwanted.
TEST(Poll, that_is_unset_or_destroyed_by_another_in_the_same_turn_is_not_told) {
  for (const bool destroyed : {false, true}) {
    std::array<std::array<int, 2>, 2> pipes{};
    Loop loop;
    std::array<std::unique_ptr<Poll>, 2> polls;
    int told = 0;
    for (std::size_t i = 0; i < 2; ++i) {
      ASSERT_EQ(::pipe(pipes[i].data()), 0);
      ASSERT_EQ(::write(pipes[i][1], "x", 1), 1);
      polls[i] = std::make_unique<Poll>(loop, pipes[i][0], [&, i](int events) {
        ++told;
        EXPECT_EQ(events, UV_READABLE);
        if (destroyed) {
          polls[1 - i].reset();
        } else {
          polls[1 - i]->set(0);
        }
        char octet = 0;
        EXPECT_EQ(::read(pipes[i][0], &octet, 1), 1);
      });
      polls[i]->set(UV_READABLE);
    }
    Timer end(loop, [&] { loop.stop(); });
    end.set(loop.now() + 20ms);
    loop.run();
    EXPECT_EQ(told, 1) << destroyed;
    polls = {};
    for (const auto& pipe : pipes) {
      for (const int descriptor : pipe) ::close(descriptor);
    }
  }
}

TEST(Socket, brings_octets_and_eof_over_loopback) {
  auto listener = listen_tcp({*IpAddress::parse("127.0.0.1"), 0});
  ASSERT_TRUE(listener) << listener.error().message;
  const auto endpoint = local_endpoint(*listener);
  ASSERT_TRUE(endpoint);
  Loop loop;
  auto client = connect_tcp(*endpoint);
  ASSERT_TRUE(client);
  std::string got;
  Descriptor accepted;
  std::unique_ptr<Poll> reader;
  Poll writable(loop, client->get(), [&](int) {
    EXPECT_FALSE(connect_error(*client));
    EXPECT_EQ(send(*client, "hello").octets, 5u);
    shut_down_writing(*client);
    writable.set(0);
  });
  writable.set(UV_WRITABLE);
  Poll incoming(loop, listener->get(), [&](int) {
    auto one = accept(*listener);
    ASSERT_TRUE(one && *one);
    EXPECT_TRUE((*one)->peer.address.is_loopback());
    accepted = std::move((*one)->socket);
    reader = std::make_unique<Poll>(loop, accepted.get(), [&](int) {
      std::array<char, 3> buffer{};
      const Transferred result = receive(accepted, buffer.data(), buffer.size());
      if (result.how == Transfer::done) got.append(buffer.data(), result.octets);
      if (result.how == Transfer::eof) loop.stop();
    });
    reader->set(UV_READABLE);
  });
  incoming.set(UV_READABLE);
  loop.run();
  EXPECT_EQ(got, "hello");
}

TEST(Socket, a_port_nobody_listens_on_is_refused) {
  auto listener = listen_tcp({*IpAddress::parse("127.0.0.1"), 0});
  const Endpoint gone = *local_endpoint(*listener);
  *listener = Descriptor();
  Loop loop;
  auto client = connect_tcp(gone);
  if (!client) {
    EXPECT_EQ(client.error().error.kind, ErrorKind::refused);
    EXPECT_EQ(client.error().whose, ConnectFailure::Whose::peer);
    return;
  }
  std::optional<Error> error;
  Poll decided(loop, client->get(), [&](int) {
    error = connect_error(*client);
    loop.stop();
  });
  decided.set(UV_WRITABLE);
  loop.run();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, ErrorKind::refused);
}

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
  const Endpoint port = *local_endpoint(ours->front());
  for (const Descriptor& socket : *ours) EXPECT_EQ(*local_endpoint(socket), port);
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
    auto client = connect_tcp(*local_endpoint(listeners->front()));
    ASSERT_TRUE(client);
    clients.push_back(std::move(*client));
    for (int waiting = 0, found = 0; found == 0 && waiting < 5000; ++waiting) {
      for (std::size_t which = 0; which < 2; ++which) {
        auto accepted = accept((*listeners)[which]);
        ASSERT_TRUE(accepted);
        if (*accepted) found = ++got[which];
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

/// No descriptors are left while it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit none{0, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST(Loop, that_finds_no_descriptors_is_an_error_and_not_the_end_of_the_process) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "UndefinedBehaviorSanitizer, which is built in with it, needs a descriptor to look at an exception";
#else
  const NoDescriptors none;
  EXPECT_THROW(Loop(), std::system_error);
#endif
}

TEST(Socket, the_last_descriptors_are_held_back) {
  auto socket = listen_tcp(kAnyPort);
  ASSERT_TRUE(socket);
  EXPECT_FALSE(is_of_reserve(*socket, 2));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{static_cast<rlim_t>(socket->get()) + 20, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  EXPECT_FALSE(is_of_reserve(*socket, 1));
  EXPECT_TRUE(is_of_reserve(*socket, 2));
  ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST(Poll, that_the_kernel_has_no_room_for_is_asked_for_again) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  ASSERT_EQ(::write(pipe[1], "x", 1), 1);
  Loop loop;
  int told = 0;
  Poll poll(loop, pipe[0], [&](int) {
    ++told;
    poll.set(0);
    loop.stop();
  });
  epoll_additions_refused = 3;
  poll.set(UV_READABLE);
  loop.run();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(epoll_additions_refused, 0);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

}  // namespace
}  // namespace adieu::uv
