// One shard's delivery while its spool takes nothing: nothing begins, and nobody is forgotten or has the message twice.
#include "adieu/relay/deliver/delivery.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mutex>
#include <thread>

#include "adieu/relay/observe/closures.h"
#include "adieu/relay/queue/jobs.h"
#include "io/uv/loop.h"
#include "support/memory_spool.h"
#include "support/recording_log.h"
#include "support/table_resolver.h"

namespace adieu::test {
namespace {
using namespace std::chrono_literals;

/// A next hop that takes one recipient in each transaction and has 452 for the others. `on_message` is called before it takes the first message.
class OneAtATime {
 public:
  explicit OneAtATime(std::function<void()> on_message) : on_message_(std::move(on_message)), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), length);
    ::listen(listener_, 8);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      for (int client = -1; (client = ::accept(listener_, nullptr, nullptr)) >= 0; ::close(client)) serve(client);
    });
  }
  ~OneAtATime() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  std::vector<std::string> taken() const {
    const std::lock_guard lock(mutex_);
    return taken_;
  }

  std::uint16_t port = 0;

 private:
  void serve(int client) {
    std::string read, recipient;
    bool in_data = false;
    const auto say = [&](std::string_view reply) { (void)!::send(client, reply.data(), reply.size(), MSG_NOSIGNAL); };
    say("220 next.example ESMTP\r\n");
    char block[4096];
    for (ssize_t got = 0; (got = ::recv(client, block, sizeof block, 0)) > 0;) {
      read.append(block, static_cast<std::size_t>(got));
      for (std::size_t end = 0; (end = read.find("\r\n")) != std::string::npos; read.erase(0, end + 2)) {
        const std::string line = read.substr(0, end);
        if (in_data) {
          if (line != ".") continue;
          in_data = false;
          if (const auto first = std::exchange(on_message_, nullptr)) first();
          const std::lock_guard lock(mutex_);
          taken_.push_back(std::exchange(recipient, {}));
          say("250 2.0.0 stored\r\n");
        } else if (line.starts_with("RCPT")) {
          say(recipient.empty() ? "250 2.1.5 ok\r\n" : "452 4.5.3 one at a time\r\n");
          if (recipient.empty()) recipient = line.substr(8);
        } else if (line == "DATA") {
          in_data = true;
          say("354 go\r\n");
        } else {
          say(line == "QUIT" ? "221 bye\r\n" : "250 ok\r\n");
          if (line == "QUIT") return;
        }
      }
    }
  }

  std::function<void()> on_message_;
  const int listener_;
  mutable std::mutex mutex_;
  std::vector<std::string> taken_;  // guarded by mutex_
  std::thread thread_;
};

class HeldUp : public testing::TestWithParam<Duration> {
 protected:
  template <class Condition>
  bool turn_until(const Condition& condition, Duration limit) {
    for (const auto end = loop_.now() + limit; !condition() && loop_.now() < end;) {
      loop_.turn(false);
      std::this_thread::sleep_for(1ms);
    }
    return condition();
  }

  MemorySpool spool_;
  uv::Loop loop_;
};

TEST_P(HeldUp, the_rest_of_the_recipients_waits_until_the_spool_takes_what_came_of_the_first) {
  OneAtATime hop([this] { spool_.set_trouble(Error{ErrorKind::unavailable, "no space"}); });
  RecordingLog log;
  config::Config config;
  config.hostname = "relay.example.org";
  config.retry.after = {1min};
  config.retry.give_up = 1h;
  config::NextHop& policy = config.next_hops.emplace_back();
  policy.name = "out";
  policy.target = config::HostTarget{"127.0.0.1", hop.port};
  policy.connections = 1;
  policy.messages_per_connection = 100;
  policy.idle_timeout = GetParam();
  std::map<std::string, deliver::NextHopProfile> next_hops;
  next_hops["out"].policy = policy;
  deliver::OutboundProfile& outbound = next_hops["out"].outbound;
  outbound.connect_timeout = 20s;
  outbound.connection.session.hostname = config.hostname;
  outbound.connection.session.recipients = 100;
  outbound.connection.starttls = smtp::ClientStartTls::never;
  const access::Rules rules(config);
  observe::Closures closures(log, 10, [this] { return loop_.wall(); });
  observe::Metrics metrics;
  deliver::ConnectionBudget connections(10);
  queue::NotificationLimit notifications(3);
  queue::MemoryBudget memory(1'000'000);
  deliver::Delivery::Shared shared{config, rules, spool_, log, closures, metrics, next_hops, connections, memory, [](auto) {}, [](auto&&...) {},
                                  notifications, [] { return route::MachineAddresses{}; }};
  deliver::Delivery delivery(shared, loop_, std::make_unique<TableResolver>());

  spool::MessageHead head;
  head.arrived = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  head.reverse_path = {"a", "example.org"};
  for (const char* recipient : {"b", "c", "d"}) head.recipients.push_back({{recipient, "example.net"}, "out"});
  auto jobs = queue::jobs_of(head, config);
  auto transaction = spool_.begin(loop_).value();
  ASSERT_TRUE(transaction->append("Subject: the one\r\n\r\ntext\r\n", [](Result<>) {}));
  transaction->commit(std::move(head), std::move(jobs), [](Result<> done) { EXPECT_TRUE(done); });
  for (int turns = 0; turns < 5; ++turns) loop_.turn(false);
  auto on_their_way = queue::on_their_way(transaction->acknowledge(), memory);
  const spool::MessageId id = on_their_way.front().second.message->head()->id;
  delivery.take_in(on_their_way.front().first, std::move(on_their_way.front().second));

  ASSERT_TRUE(turn_until([&] { return hop.taken().size() == 1; }, 20s));
  EXPECT_FALSE(turn_until([&] { return hop.taken().size() > 1; }, 300ms)) << "what came of it could not be recorded";
  spool_.set_trouble(std::nullopt);
  EXPECT_TRUE(turn_until([&] { return !spool_.holds(id); }, 20s));
  EXPECT_EQ(hop.taken(), (std::vector<std::string>{"<b@example.net>", "<c@example.net>", "<d@example.net>"}));
  bool idle = false;
  delivery.shut_down([&] { idle = true; });
  EXPECT_TRUE(turn_until([&] { return idle; }, 20s));
  for (int turns = 0; turns < 5; ++turns) loop_.turn(false);  // what was left to be destroyed later
}

INSTANTIATE_TEST_SUITE_P(Delivery, HeldUp, testing::Values(Duration(1h), Duration(0)), [](const auto& idle) {
  return std::string(idle.param == Duration(0) ? "the_connection_ends" : "the_connection_waits");
});

}  // namespace
}  // namespace adieu::test
