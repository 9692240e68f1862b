// How many messages a second the durable spool takes, each synced before it is acknowledged, then settled: spool_bench [DIRECTORY [SECONDS]].
// One thread plays all sessions, as a shard does; DIRECTORY (made, then removed) stands on the disk to be measured.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include "io/rocksdb/rocksdb_spool.h"
#include "spool_loop.h"

namespace adieu {
namespace {

using bench::head_of_one;
using bench::Loop;
using bench::StandardError;

/// `sessions` at once, each: begin, append, commit, acknowledge, settle, again. Messages a second.
double measure(spool::Spool& spool, Loop& loop, std::size_t sessions, const std::string& mail_data, std::chrono::duration<double> time) {
  using Clock = std::chrono::steady_clock;
  std::vector<std::unique_ptr<spool::Transaction>> transactions(sessions);
  const Clock::time_point start = Clock::now();
  const auto end = start + std::chrono::duration_cast<Clock::duration>(time);
  std::size_t running = sessions, settling = 0, messages = 0;
  std::function<void(std::size_t)> begin;
  const auto commit = [&](std::size_t session) {
    spool::Job job;
    job.destination = {"smarthost", ""};
    job.recipients = {0};
    transactions[session]->commit(head_of_one(), {std::move(job)}, [&, session](const Result<>& done) {
      check(done.has_value(), done ? "" : done.error().message);
      const auto kept = transactions[session]->acknowledge();
      ++messages;
      ++settling;
      spool.settle({{{kept.front().claim, {0}}}, {}}, loop, [&](const auto&) { --settling; });
      begin(session);
    });
  };
  begin = [&](std::size_t session) {
    transactions[session].reset();
    if (Clock::now() >= end) {
      --running;
      return;
    }
    auto transaction = spool.begin(loop);
    check(transaction.has_value(), "begin");
    transactions[session] = std::move(*transaction);
    const bool stored = transactions[session]->append(mail_data, [&, session](const Result<>& done) {
      check(done.has_value(), done ? "" : done.error().message);
      commit(session);
    });
    if (stored) commit(session);
  };
  for (std::size_t session = 0; session < sessions; ++session) begin(session);
  loop.run_until([&] { return running == 0 && settling == 0; });
  return static_cast<double>(messages) / std::chrono::duration<double>(Clock::now() - start).count();
}

int run(const std::string& directory, double seconds) {
  StandardError log;
  config::Spool options;
  options.directory = directory;
  options.sync = true;
  options.cache = 64 << 20;
  options.large = 128 << 10;
  for (const std::size_t size : {std::size_t{4} << 10, std::size_t{64} << 10, std::size_t{1} << 20}) {
    const std::string mail_data(size, 'x');
    for (const std::size_t sessions : {1, 16, 256}) {
      Loop loop;
      auto spool = rocksdb::open_spool(options, log);
      check(spool.has_value(), spool ? "" : spool.error().message);
      const double rate = measure(**spool, loop, sessions, mail_data, std::chrono::duration<double>(seconds));
      std::printf("%5zu KiB %4zu sessions %8.0f messages/s %7.1f MiB/s\n", size >> 10, sessions, rate,
                  rate * static_cast<double>(size) / (1 << 20));
      std::fflush(stdout);
      spool->reset();
      std::filesystem::remove_all(directory);
    }
  }
  return 0;
}

}  // namespace
}  // namespace adieu

int main(int count, char** arguments) {
  const std::string directory = count > 1 ? arguments[1] : "spool_bench.spool";
  return adieu::run(directory, count > 2 ? std::atof(arguments[2]) : 3);
}
