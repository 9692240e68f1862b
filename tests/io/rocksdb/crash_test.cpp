// SIGKILL at any moment: what was acknowledged is there afterwards, whole; what was finished stays finished. The child is this program again.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <map>
#include <random>
#include <sstream>
#include <thread>

#include "spool_directory.h"

extern char** environ;

namespace adieu::rocksdb {
namespace {

using test::mail_data_of;
using test::SpoolSession;

constexpr int kReport = 3;  // the child's descriptor for what it has to tell
constexpr const char* kDirectory = "ADIEU_SPOOL_CHILD";

std::size_t size_of(std::uint64_t seed) { return seed % 7 == 0 ? 30'000 + seed % 10'000 : seed % 3000; }

/// One line, written at once: a letter, and the message. "A": acknowledged. "S": its end was handed to the spool. "F": it has come.
void report(char what, spool::MessageId id) {
  const std::string line = std::string(1, what) + " " + id.text() + "\n";
  if (::write(kReport, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::_Exit(2);
}

TEST(CrashChild, DISABLED_stores_until_it_is_killed) {
  const char* where = std::getenv(kDirectory);
  if (where == nullptr) GTEST_SKIP() << "run by the test below";
  test::RecordingLog log;
  config::Spool options;
  options.directory = where;
  options.sync = true;
  options.cache = 1 << 20;
  options.large = 4096;
  const auto spool = open_spool(options, log);
  ASSERT_TRUE(spool.has_value());
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      SpoolSession session(**spool);
      for (std::uint64_t seed = thread;; seed += 4) {
        auto transaction = session.begin();
        if (!transaction || !session.append(**transaction, mail_data_of(size_of(seed), seed))) std::_Exit(3);
        if (seed % 11 == 1) continue;
        if (!session.commit(**transaction, test::head_to({"to"}, std::to_string(seed)))) std::_Exit(4);
        if (seed % 11 == 2) continue;
        const auto kept = (*transaction)->acknowledge();
        const spool::MessageId id = kept.front().head->id;
        report('A', id);
        if (seed % 3 != 0) continue;
        report('S', id);
        if (!session.finish(kept)) std::_Exit(5);
        report('F', id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

/// Starts the child, kills it once it has told `lines` things, and returns all that it told.
std::map<spool::MessageId, char> run_and_kill(const std::string& directory, std::size_t lines) {
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC) == 0, "no pipe");
  ::setenv(kDirectory, directory.c_str(), 1);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], kReport);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  std::string name = "adieu-crash-child", filter = "--gtest_filter=CrashChild.*", disabled = "--gtest_also_run_disabled_tests";
  char* const arguments[] = {name.data(), filter.data(), disabled.data(), nullptr};
  pid_t child = 0;
  check(::posix_spawn(&child, "/proc/self/exe", &actions, nullptr, arguments, environ) == 0, "no child");
  ::posix_spawn_file_actions_destroy(&actions);
  ::unsetenv(kDirectory);
  ::close(ends[1]);
  std::string told;
  char buffer[4096];
  std::size_t seen = 0;
  for (ssize_t count = 0; (count = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    told.append(buffer, static_cast<std::size_t>(count));
    const auto before = std::exchange(seen, static_cast<std::size_t>(std::count(told.begin(), told.end(), '\n')));
    if (before < lines && seen >= lines) ::kill(child, SIGKILL);
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "the child ended by itself: " << status;
  std::map<spool::MessageId, char> last;
  std::istringstream in(told);
  std::string what, id;
  while (in >> what >> id) last[spool::MessageId::parse(id).value()] = what[0];
  return last;
}

TEST(Crash, R11_what_was_acknowledged_survives_a_kill_at_any_moment) {
  const char* asked = std::getenv("ADIEU_KILL_ROUNDS");
  const int rounds = asked != nullptr ? std::atoi(asked) : 50;
  std::mt19937 random(20261123);
  SpoolDirectory directory;
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const auto told = run_and_kill(directory.options.directory, 1 + random() % 300);
    ASSERT_FALSE(told.empty());
    const auto spool = directory.open();
    ASSERT_TRUE(spool);
    const auto recalled = spool->recall(std::chrono::hours(4), 1'000'000);
    EXPECT_FALSE(recalled->ended_in_order);
    SpoolSession session(*spool);
    std::map<spool::MessageId, spool::Claimed> found;
    for (const auto& stored : session.claim()) {
      const spool::MessageHead& head = *stored.head;
      const std::uint64_t seed = std::stoull(head.client);
      ASSERT_EQ(head.size, size_of(seed));
      const auto whole = session.read(head);
      ASSERT_TRUE(whole.has_value()) << whole.error().message;
      ASSERT_TRUE(*whole == mail_data_of(size_of(seed), seed)) << "half a message";
      found.emplace(head.id, stored);
    }
    for (const auto& [id, what] : told) {
      if (what == 'A') {
        EXPECT_EQ(found.count(id), 1u) << id.text() << " was acknowledged and is lost";
      }
      if (what == 'F') {
        EXPECT_EQ(found.count(id), 0u) << id.text() << " was finished and is back";
      }
    }
    EXPECT_EQ(recalled->recent.size(), found.size()) << "R12: clients may come again with any of them";
    std::size_t files = 0;
    for (const auto& [id, claimed] : found) files += claimed.head->in_file;
    EXPECT_EQ(directory.files().size(), files) << "files that no record names";
    EXPECT_EQ(directory.log.count("level=error") + directory.log.count("event=spool-record"), 0u);
    for (const auto& [id, claimed] : found) ASSERT_TRUE(session.finish({claimed}));
  }
  EXPECT_EQ(directory.keys(), 0u);
  EXPECT_TRUE(directory.files().empty());
}

}  // namespace
}  // namespace adieu::rocksdb
