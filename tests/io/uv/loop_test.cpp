#include "io/uv/loop.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <thread>

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

TEST(Loop, runs_what_its_callbacks_post_later_and_in_order) {
  Loop loop;
  std::string seen;
  Timer timer(loop, [&] {
    loop.post([&] {
      seen += 'b';
      loop.post([&] { seen += 'd'; });
      loop.post([&] { loop.stop(); });
    });
    loop.post([&] { seen += 'c'; });
    seen += 'a';
  });
  timer.set(loop.now());
  loop.run();
  EXPECT_EQ(seen, "abcd");
}

TEST(Loop, hears_of_the_world_while_its_callbacks_post_without_end) {
  Loop loop;
  bool ends = false;
  int turns = 0;
  std::function<void()> again = [&] {
    ++turns;
    if (!ends) loop.post([&] { again(); });
  };
  Timer timer(loop, [&] {
    ends = true;
    loop.stop();
  });
  timer.set(loop.now() + 20ms);
  loop.post([&] { again(); });
  loop.run();
  EXPECT_GT(turns, 1);
}

TEST(Loop, destroys_what_was_posted_when_it_ends) {
  auto token = std::make_shared<int>();
  Loop loop;
  loop.post([&] {
    loop.stop();
    loop.post([&, token] { loop.post([token] {}); });
  });
  loop.run();
  EXPECT_EQ(token.use_count(), 1);
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

TEST(Readable, tells_for_as_long_as_something_is_there) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  ASSERT_EQ(::write(pipe[1], "xx", 2), 2);
  {
    Loop loop;
    int told = 0;
    const Readable readable(loop, pipe[0], [&] {
      char octet = 0;
      EXPECT_EQ(::read(pipe[0], &octet, 1), 1);
      if (++told == 2) loop.stop();
    });
    loop.run();
    EXPECT_EQ(told, 2);
    EXPECT_THROW(Readable(loop, -1, [] {}), std::system_error);
  }
  for (const int descriptor : pipe) ::close(descriptor);
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

}  // namespace
}  // namespace adieu::uv
