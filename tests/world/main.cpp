// Runs worlds: --seeds A..B · --seed N [--trace] · --minutes M (new seeds for so long) · --until-fault N (1 to N, until one fails). Exit status 1 when something did not hold; the command that shows it
// again is printed.
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>

#include "world.h"

namespace {

int usage() {
  std::fputs("usage: world --seeds A..B | --seed N [--trace] | --minutes M | --until-fault N\n", stderr);
  return 64;
}

struct Sum {
  std::uint64_t worlds = 0, failed = 0, messages = 0, copies = 0, lost = 0, crashes = 0, events = 0;
  double hours = 0;
};

void run(std::uint64_t seed, bool traces, const char* program, Sum& sum) {
  const adieu::world::Verdict verdict = adieu::world::run(seed, traces);
  for (const std::string& line : verdict.trace) std::printf("%s\n", line.c_str());
  ++sum.worlds;
  sum.messages += verdict.messages;
  sum.copies += verdict.copies;
  sum.lost += verdict.lost;
  sum.crashes += verdict.crashes;
  sum.events += verdict.events;
  sum.hours += verdict.hours;
  if (verdict.faults.empty()) return;
  ++sum.failed;
  std::printf("seed %" PRIu64 " (%s --seed %" PRIu64 " --trace):\n", seed, program, seed);
  for (const std::string& fault : verdict.faults) std::printf("  %s\n", fault.c_str());
}

}  // namespace

int main(int count, char** arguments) {
  const auto argument = [&](int at) { return std::string_view(at < count ? arguments[at] : ""); };
  Sum sum;
  if (argument(1) == "--seed" && (count == 3 || (count == 4 && argument(3) == "--trace"))) {
    run(std::strtoull(arguments[2], nullptr, 10), count == 4, arguments[0], sum);
  } else if (argument(1) == "--seeds" && count == 3) {
    char* end = nullptr;
    const std::uint64_t first = std::strtoull(arguments[2], &end, 10);
    if (std::string_view(end).substr(0, 2) != "..") return usage();
    const std::uint64_t last = std::strtoull(end + 2, nullptr, 10);
    for (std::uint64_t seed = first; seed <= last; ++seed) run(seed, false, arguments[0], sum);
  } else if (argument(1) == "--minutes" && count == 3) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(std::strtol(arguments[2], nullptr, 10));
    for (std::random_device seeds; std::chrono::steady_clock::now() < until;) run(seeds(), false, arguments[0], sum);
  } else if (argument(1) == "--until-fault" && count == 3) {
    const std::uint64_t last = std::strtoull(arguments[2], nullptr, 10);
    for (std::uint64_t seed = 1; seed <= last && sum.failed == 0; ++seed) run(seed, false, arguments[0], sum);
  } else {
    return usage();
  }
  std::printf("%" PRIu64 " worlds, %.0f days, %" PRIu64 " events: %" PRIu64 " messages, %" PRIu64 " copies too many, %" PRIu64
              " connections lost, %" PRIu64 " crashes; %" PRIu64 " worlds failed\n",
              sum.worlds, sum.hours / 24, sum.events, sum.messages, sum.copies, sum.lost, sum.crashes, sum.failed);
  return sum.failed == 0 ? 0 : 1;
}
