// Words for tests of a spool: one message made, committed, claimed, read, settled, waiting for each completion.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adieu/relay/spool/spool.h"
#include "support/queued_executor.h"

namespace adieu::test {

/// Mail data that differs in every message and everywhere within one.
inline std::string mail_data_of(std::size_t size, std::uint64_t seed) {
  std::string octets(size, '\0');
  std::uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  for (char& c : octets) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    c = static_cast<char>(state >> 56);
  }
  return octets;
}

inline spool::MessageHead head_to(std::vector<std::string> local_parts, std::string client = "client.example[192.0.2.1]") {
  spool::MessageHead head;
  head.arrived = WallTime(Duration(1'795'464'082'123));
  head.reverse_path = {"from", "client.example"};
  head.trace = "Received: from client.example by relay.example; Mon, 23 Nov 2026 20:01:22 +0000\r\n";
  head.client = std::move(client);
  for (std::string& local_part : local_parts) {
    spool::Recipient recipient;
    recipient.forward_path = {std::move(local_part), "example.org"};
    recipient.next_hop = "smarthost";
    head.recipients.push_back(std::move(recipient));
  }
  return head;
}

inline const route::Destination kSmarthost{"smarthost", ""};
constexpr WallTime kEver = WallTime::max();

/// All recipients, due when it arrived.
inline std::vector<spool::Job> one_job(const spool::MessageHead& head) {
  spool::Job job;
  job.destination = kSmarthost;
  job.due = head.arrived;
  for (std::uint32_t index = 0; index < head.recipients.size(); ++index) job.recipients.push_back(index);
  return {job};
}
inline spool::Settlement done_with(const spool::Claimed& claimed) { return {claimed.claim, claimed.job.recipients}; }
inline spool::Settlement deferred(const spool::Claimed& claimed, std::vector<std::uint32_t> recipients, WallTime due, std::string last_reply = "451 later") {
  return {claimed.claim, {}, spool::Settlement::Deferred{std::move(recipients), claimed.job.destination, claimed.job.attempts + 1, due, {}, std::move(last_reply)}};
}

/// One thread's dealings with a spool. Everything waits for its completion, but what is called `start_`.
class SpoolSession {
 public:
  using Kept = std::vector<spool::Claimed>;

  explicit SpoolSession(spool::Spool& spool) : spool_(spool) {}

  Result<std::unique_ptr<spool::Transaction>> begin() { return spool_.begin(executor); }

  /// In parts, each after the one before was taken.
  Result<> append(spool::Transaction& transaction, std::string_view mail_data, std::size_t part = 65536) {
    while (!mail_data.empty()) {
      std::optional<Result<>> done;
      const bool stored = transaction.append(std::string(mail_data.substr(0, part)), [&](Result<> result) { done = std::move(result); });
      mail_data.remove_prefix(std::min(part, mail_data.size()));
      if (stored) continue;
      executor.run_until([&] { return done.has_value(); });
      if (!*done) return *done;
    }
    return {};
  }
  Result<> commit(spool::Transaction& transaction, spool::MessageHead head, std::vector<spool::Job> jobs = {}) {
    std::optional<Result<>> done;
    if (jobs.empty()) jobs = one_job(head);
    transaction.commit(std::move(head), std::move(jobs), [&](Result<> result) { done = std::move(result); });
    EXPECT_FALSE(done.has_value()) << "completed within the call";
    executor.run_until([&] { return done.has_value(); });
    return *done;
  }
  Result<Kept> store(std::string_view mail_data, spool::MessageHead head = head_to({"to"}), std::vector<spool::Job> jobs = {}) {
    auto transaction = begin();
    if (!transaction) return tl::unexpected<Error>(transaction.error());
    Result<> done = append(**transaction, mail_data);
    if (done) done = commit(**transaction, std::move(head), std::move(jobs));
    if (!done) return tl::unexpected<Error>(done.error());
    return (*transaction)->acknowledge();
  }

  spool::Due claim_due(const route::Destination& destination = kSmarthost, WallTime now = kEver, std::size_t limit = 1'000'000,
                       Duration lease = Duration::max()) {
    std::optional<Result<spool::Due>> got;
    spool_.claim_due(destination, now, limit, lease, executor, [&](auto result) { got = std::move(result); });
    executor.run_until([&] { return got.has_value(); });
    EXPECT_TRUE(got->has_value()) << (*got ? "" : got->error().message);
    return *got ? std::move(**got) : spool::Due{};
  }
  std::vector<spool::Claimed> claim() { return claim_due().jobs; }
  std::vector<spool::QueuedAt> destinations(const route::Destination& after = {}, std::size_t limit = 1'000'000) {
    std::optional<Result<std::vector<spool::QueuedAt>>> got;
    spool_.destinations(after, limit, executor, [&](auto result) { got = std::move(result); });
    executor.run_until([&] { return got.has_value(); });
    return got->value();
  }
  std::vector<spool::Listed> list(spool::MessageId after = {}, std::size_t messages = 1'000'000) {
    std::optional<Result<std::vector<spool::Listed>>> got;
    spool_.list(after, messages, executor, [&](auto result) { got = std::move(result); });
    executor.run_until([&] { return got.has_value(); });
    return got->value();
  }
  std::size_t advance(const std::vector<spool::JobId>& jobs, WallTime now) {
    std::optional<Result<std::size_t>> got;
    spool_.advance(jobs, now, executor, [&](auto result) { got = std::move(result); });
    executor.run_until([&] { return got.has_value(); });
    return got->value();
  }
  Result<std::string> read(const spool::MessageHead& head, std::uint64_t offset, std::size_t length) {
    std::optional<Result<std::string>> got;
    spool_.read(head, offset, length, executor, [&](auto result) { got = std::move(result); });
    executor.run_until([&] { return got.has_value(); });
    return std::move(*got);
  }
  /// All of it, in parts.
  Result<std::string> read(const spool::MessageHead& head) {
    std::string whole;
    while (whole.size() < head.size) {
      auto part = read(head, whole.size(), 100'000);
      if (!part) return part;
      whole += *part;
      if (part->empty()) break;
    }
    return whole;
  }
  void start_settle(spool::Settlements settlements) {
    spool_.settle(std::move(settlements), executor, [](const auto&) {});
  }
  Result<spool::Settled> settle(spool::Settlements settlements) {
    std::optional<Result<spool::Settled>> got;
    spool_.settle(std::move(settlements), executor, [&](auto result) { got = std::move(result); });
    executor.run_until([&] { return got.has_value(); });
    return std::move(*got);
  }
  /// Of all its jobs.
  Result<spool::Settled> finish(const Kept& kept) {
    spool::Settlements settlements;
    for (const spool::Claimed& each : kept) settlements.jobs.push_back(done_with(each));
    return settle(std::move(settlements));
  }

  QueuedExecutor executor;

 private:
  spool::Spool& spool_;
};

}  // namespace adieu::test
