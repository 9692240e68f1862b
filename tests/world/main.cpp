// Runs worlds, and says which did not hold. tests/world/run is what people use; this is what it calls.
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>

#include "world.h"

namespace {

using adieu::world::Options;
using adieu::world::Verdict;

int usage() {
  std::fputs(
      "usage: world --seeds A..B | --seed N | --minutes M | --until-fault N | --parts N  [--trace] [--walks] [--without PART,…]\n"
      "--seeds A..B     these worlds; --seed N this one; --minutes M new ones for so long; --until-fault N from 1 to N, until one fails\n"
      "--trace          a world's story: the relay's log, with the world's time\n"
      "--walks          at the end, each way that a TLS layer took through the closure machine\n"
      "--without PART,… leaves parts of the worlds out; --parts N: those of a world, one a line\n",
      stderr);
  return 64;
}

class Runner {
 public:
  explicit Runner(std::string program) : program_(std::move(program)) {}
  Options options;
  std::string without;  // as it was given

  void run(std::uint64_t seed) {
    Verdict verdict = adieu::world::run(seed, options);
    for (const std::string& line : verdict.trace) std::printf("%s\n", line.c_str());
    ++sum_.worlds;
    sum_.messages += verdict.messages;
    sum_.copies += verdict.copies;
    sum_.lost += verdict.lost;
    sum_.crashes += verdict.crashes;
    sum_.events += verdict.events;
    sum_.hours += verdict.hours;
    sum_.walks.merge(verdict.walks);
    if (verdict.faults.empty()) return;
    ++sum_.failed;
    std::printf("seed %" PRIu64 " (%s --seed %" PRIu64 "%s --trace):\n", seed, program_.c_str(), seed,
                without.empty() ? "" : (" --without " + without).c_str());
    for (const std::string& fault : verdict.faults) std::printf("  %s\n", fault.c_str());
  }
  bool failed() const { return sum_.failed != 0; }
  void tell(bool walks) const {
    for (const std::string& walk : sum_.walks) {
      if (walks) std::printf("walk %s\n", walk.c_str());
    }
    std::printf("%" PRIu64 " worlds, %.0f days, %" PRIu64 " events: %" PRIu64 " messages, %" PRIu64 " copies too many, %" PRIu64
                " connections lost, %" PRIu64 " crashes; %" PRIu64 " worlds failed\n",
                sum_.worlds, sum_.hours / 24, sum_.events, sum_.messages, sum_.copies, sum_.lost, sum_.crashes, sum_.failed);
  }

 private:
  const std::string program_;
  struct {
    std::uint64_t worlds = 0, failed = 0, messages = 0, copies = 0, lost = 0, crashes = 0, events = 0;
    double hours = 0;
    std::set<std::string> walks;
  } sum_;
};

}  // namespace

int main(int count, char** arguments) {
  Runner runner(arguments[0]);
  bool walks = false;
  std::string_view which;
  std::string_view value;
  for (int at = 1; at < count; ++at) {
    const std::string_view flag = arguments[at];
    if (flag == "--trace") {
      runner.options.traces = true;
    } else if (flag == "--walks") {
      walks = true;
    } else if (at + 1 == count) {
      return usage();
    } else if (flag == "--without") {
      runner.without = arguments[++at];
      for (std::string_view parts = runner.without; !parts.empty();) {
        const std::size_t end = std::min(parts.find(','), parts.size());
        runner.options.without.emplace(parts.substr(0, end));
        parts.remove_prefix(std::min(end + 1, parts.size()));
      }
    } else {
      which = flag;
      value = arguments[++at];
    }
  }
  if (value.empty()) return usage();
  char* end = nullptr;
  const std::uint64_t number = std::strtoull(value.data(), &end, 10);
  if (which == "--parts") {
    for (const std::string& part : adieu::world::run(number, {}).parts) std::printf("%s\n", part.c_str());
    return 0;
  }
  if (which == "--seed") {
    runner.run(number);
  } else if (which == "--seeds" && std::string_view(end).substr(0, 2) == "..") {
    const std::uint64_t last = std::strtoull(end + 2, nullptr, 10);
    for (std::uint64_t seed = number; seed <= last; ++seed) runner.run(seed);
  } else if (which == "--minutes") {
    const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(number);
    for (std::random_device seeds; std::chrono::steady_clock::now() < until;) runner.run(seeds());
  } else if (which == "--until-fault") {
    for (std::uint64_t seed = 1; seed <= number && !runner.failed(); ++seed) runner.run(seed);
  } else {
    return usage();
  }
  runner.tell(walks);
  return runner.failed() ? 1 : 0;
}
