// Fills a spool as a long outage does, without the hours: spool_fill DIRECTORY MESSAGES DOMAINS NEXT-HOP [SECONDS]. Messages of 1 KiB to NAME@dN.example, of
// which each is tried again SECONDS from now (0: at once). What it writes is not synced one by one.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "io/rocksdb/rocksdb_spool.h"
#include "spool_loop.h"

namespace adieu {
namespace {

int fill(const std::string& directory, std::size_t messages, std::size_t domains, const std::string& next_hop, Duration wait) {
  constexpr std::size_t kAtOnce = 1000;
  bench::StandardError log;
  bench::Loop loop;
  config::Spool options;
  options.directory = directory;
  options.cache = 64 << 20;
  options.large = 128 << 10;
  auto spool = rocksdb::open_spool(options, log);
  check(spool.has_value(), spool ? "" : spool.error().message);
  const std::string mail_data = "Subject: one of many\r\n\r\n" + std::string(1000, 'x') + "\r\n";
  for (std::size_t first = 0; first < messages; first += kAtOnce) {
    std::vector<std::unique_ptr<spool::Transaction>> all;
    std::size_t stored = 0;
    for (std::size_t number = first; number < std::min(messages, first + kAtOnce); ++number) {
      all.push_back(std::move(spool->get()->begin(loop).value()));
      check(all.back()->append(mail_data, [](const Result<>&) {}), "a small message waits for nothing");
      spool::MessageHead head = bench::head_of_one();
      head.arrived = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
      head.recipients.front() = {{"to", "d" + std::to_string(number % domains) + ".example"}, next_hop};
      spool::Job job{0, {next_hop, head.recipients.front().forward_path.domain}, {0}, 0, head.arrived, {}, {}};
      all.back()->commit(std::move(head), {std::move(job)}, [&](const Result<>& done) {
        check(done.has_value(), done ? "" : done.error().message);
        ++stored;
      });
    }
    loop.run_until([&] { return stored == all.size(); });
    std::size_t settled = 0;
    for (const auto& transaction : all) {
      const spool::Claimed claimed = transaction->acknowledge().front();
      spool::Settlement::Deferred later{claimed.job.recipients, claimed.job.destination, 1, claimed.job.due + wait, {}, "4.4.1 no answer"};
      spool->get()->settle({{{claimed.claim, {}, std::move(later)}}, {}}, loop, [&](const auto&) { ++settled; });
    }
    loop.run_until([&] { return settled == all.size(); });
  }
  std::printf("%zu messages for %zu domains\n", messages, domains);
  return 0;
}

}  // namespace
}  // namespace adieu

int main(int count, char** arguments) {
  if (count < 5) {
    std::fputs("spool_fill DIRECTORY MESSAGES DOMAINS NEXT-HOP [SECONDS]\n", stderr);
    return 64;
  }
  const auto number = [&](int at) { return static_cast<std::size_t>(std::atoll(arguments[at])); };
  return adieu::fill(arguments[1], number(2), number(3), arguments[4], std::chrono::seconds(count > 5 ? std::atoll(arguments[5]) : 0));
}
