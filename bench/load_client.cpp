// Load for measurements: many SMTP sessions at once in one thread, plain or under TLS: load_client --port N [options], see kUsage.
// Prints one line of JSON: messages accepted, seconds, its own CPU share, and how long final dots waited for their 250.
#include <getopt.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "load_session.h"

namespace adieu::bench {
namespace {

constexpr const char* kUsage =
    "load_client --port N [--sessions N] [--messages N] [--per-session N] [--recipients N] [--size OCTETS] [--pace OCTETS-A-SECOND]\n"
    "            [--tls] [--hold]\n"
    "--hold opens the sessions, says how many are open, and keeps them until its standard input ends\n";

std::string mail_data_of(std::size_t size) {
  std::string out = "From: <a@example.org>\r\nTo: <b@example.net>\r\nSubject: load\r\n\r\n";
  while (out.size() < size) out.append(std::min<std::size_t>(78, size - out.size()), 'x').append("\r\n");
  return out + ".\r\n";
}

bool parse(int argc, char** argv, Options& options) {
  const std::array<option, 10> kOptions = {{{"port", required_argument, nullptr, 'p'},
                                            {"sessions", required_argument, nullptr, 's'},
                                            {"messages", required_argument, nullptr, 'm'},
                                            {"per-session", required_argument, nullptr, 'k'},
                                            {"recipients", required_argument, nullptr, 'r'},
                                            {"size", required_argument, nullptr, 'l'},
                                            {"pace", required_argument, nullptr, 'b'},
                                            {"tls", no_argument, nullptr, 't'},
                                            {"hold", no_argument, nullptr, 'h'},
                                            {nullptr, 0, nullptr, 0}}};
  for (int found = 0; (found = getopt_long(argc, argv, "", kOptions.data(), nullptr)) != -1;) {
    const unsigned long value = optarg != nullptr ? std::strtoul(optarg, nullptr, 10) : 0;
    switch (found) {
      case 'p': options.port = static_cast<std::uint16_t>(value); break;
      case 's': options.sessions = static_cast<unsigned>(value); break;
      case 'm': options.messages = value; break;
      case 'k': options.per_session = value; break;
      case 'r': options.recipients = static_cast<unsigned>(value); break;
      case 'l': options.size = value; break;
      case 'b': options.pace = value; break;
      case 't': options.tls = true; break;
      case 'h': options.hold = true; break;
      default: return false;
    }
  }
  return options.port != 0;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// The value below which `part` of the sorted waits lie, in milliseconds.
double quantile(const std::vector<std::uint32_t>& sorted, double part) {
  if (sorted.empty()) return 0;
  const auto index = static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1));
  return sorted[index] / 1000.0;
}

void report(Load& load, double seconds, double cpu) {
  std::sort(load.waits.begin(), load.waits.end());
  std::printf("{\"accepted\": %llu, \"connections\": %llu, \"seconds\": %.6f, \"cpu\": %.6f, \"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}\n",
              static_cast<unsigned long long>(load.accepted), static_cast<unsigned long long>(load.connections), seconds, cpu,
              quantile(load.waits, 0.5), quantile(load.waits, 0.99), quantile(load.waits, 1.0));
}

void wait_for_end_of_input() {
  std::array<char, 256> ignored;
  while (read(STDIN_FILENO, ignored.data(), ignored.size()) > 0) {
  }
}

int run(const Options& options) {
  Load load;
  load.options = options;
  load.mail_data = mail_data_of(options.size);
  load.waits.reserve(options.messages);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<std::unique_ptr<LoadSession>> sessions;
  const auto began = Clock::now();
  std::size_t open = 0;
  const auto failed = [](const LoadSession& session) {
    if (session.error().empty()) return false;
    std::fprintf(stderr, "load_client: %s\n", session.error().c_str());
    return true;
  };
  const auto open_one = [&] {
    LoadSession& session = *sessions.emplace_back(std::make_unique<LoadSession>(load, epoll));
    if (session.start()) ++open;
    return !failed(session);
  };
  // Held sessions are opened a hundred ahead, so that no listen queue overflows; the others all at once, which is the load.
  const auto want_more = [&] {
    return sessions.size() < options.sessions && (!options.hold || sessions.size() < load.held + 100U);
  };
  std::array<epoll_event, 256> events{};
  int quiet = 0;  // times that nothing came, one after another
  for (;;) {
    while (want_more()) {
      if (!open_one()) return 1;
    }
    if (open == 0 || (options.hold && load.held == options.sessions)) break;
    const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), options.pace != 0 ? 20 : 3'000);
    quiet = count == 0 && options.pace == 0 ? quiet + 1 : 0;
    if (quiet == 20) {
      std::fprintf(stderr, "load_client: nothing came for a minute\n");
      return 1;
    }
    // A relay with a short listen queue under SYN cookies forgets connections that we take for established.
    for (const auto& session : sessions) {
      if (quiet == 0 || !session->waits_for_greeting()) continue;
      if (!session->connect_again()) return 1;
    }
    for (int i = 0; i < count; ++i) {
      LoadSession& session = *static_cast<LoadSession*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (!session.ready()) --open;
      if (failed(session)) return 1;
    }
    if (options.pace == 0) continue;
    for (const auto& session : sessions) {
      if (!session->paced()) continue;
      if (!session->ready()) --open;
      if (failed(*session)) return 1;
    }
  }
  report(load, std::chrono::duration<double>(Clock::now() - began).count(), cpu_seconds());
  std::fflush(stdout);
  if (options.hold) wait_for_end_of_input();
  return 0;
}

}  // namespace
}  // namespace adieu::bench

int main(int argc, char** argv) {
  adieu::bench::Options options;
  if (!adieu::bench::parse(argc, argv, options)) {
    std::fputs(adieu::bench::kUsage, stderr);
    return 64;
  }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  return adieu::bench::run(options);
}
