// The network of a simulated world: connections with latency, segments cut anywhere, small buffers, and an end at any octet. One Host is the loop of one
// process; what it began does nothing any more once it is gone.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "adieu/base/loop.h"
#include "attacker.h"
#include "clock.h"
#include "witness.h"

namespace adieu::world {

/// How a failure reads that comes of them.
constexpr std::string_view kTooManyOpenFiles = "too many open files";

struct Connection {
  Endpoint client;
  Endpoint server;
};

class Host;

class Network {
 public:
  explicit Network(Clock& clock) : witness(clock), clock_(clock) {}

  /// Sees every end of every connection.
  Witness witness;

  /// Of new connections: whether, and how, they end before their time.
  double loses = 0;
  /// Those to these servers never do, and hold much.
  std::set<IpAddress> near;
  /// Whether processes know at once that there is no way to IPv6; else nobody there answers.
  bool knows_no_ipv6 = false;
  /// Of new connections: how many have somebody on their path.
  double attacks = 0;
  /// Extensions that middleboxes hide where they can read them, each with the end of its line.
  std::vector<std::string> hidden;
  /// Whether commands in clear are written as devices write them: with two blanks behind the colon.
  bool writes_blanks = false;
  /// How many connections were ended, or attacked, so far.
  std::size_t lost() const { return lost_; }
  /// Streams that wait to be accepted: they are nobody's yet.
  std::size_t backlog() const { return backlog_; }
  /// Streams that are open, at both ends counted.
  std::size_t open() const { return witness.open(); }

 private:
  friend class Host;
  void accept(std::unique_ptr<Stream> stream, const Connection& connection);
  class Link;
  class End;
  Clock& clock_;
  struct Listening {
    Listener::User* user = nullptr;
    const Host* host = nullptr;
  };
  std::map<Endpoint, Listening> listeners_;
  std::size_t lost_ = 0;
  std::size_t backlog_ = 0;
  std::uint16_t last_port_ = 20'000;
};

/// One process' loop.
class Host final : public Loop {
 public:
  Host(Clock& clock, Network& network, IpAddress address) : clock_(clock), network_(network), address_(address) {}
  ~Host() override = default;

  void post(Task task) override;
  Instant now() const override { return clock_.now(); }
  WallTime wall() const override { return clock_.wall(); }
  std::uint64_t random() override { return clock_.random(); }
  std::unique_ptr<Timer> timer(std::function<void()> callback) override;
  tl::expected<std::unique_ptr<Stream>, ConnectFailure> connect(const Endpoint& endpoint,
                                                                std::function<void(std::optional<Error>)> decided) override;
  std::unique_ptr<Listener> listen(const Endpoint& endpoint, Listener::User& user);
  Clock& clock() { return clock_; }
  /// From now on, for so long, it has no descriptor for another connection.
  void run_out_of_descriptors(Duration time) { none_until_ = clock_.now() + time; }
  bool has_descriptors() const { return clock_.now() >= none_until_; }
  /// Timers that there are.
  std::size_t timers() const { return timers_; }
  /// The longest that any of them was set for.
  Duration longest_timer() const { return longest_timer_; }

 private:
  friend class Network::Link;
  class HostTimer;
  class HostListener;
  Clock& clock_;
  Network& network_;
  const IpAddress address_;
  Instant none_until_{};
  std::size_t timers_ = 0;
  Duration longest_timer_{};
  const std::shared_ptr<Host*> self_ = std::make_shared<Host*>(this);
};

}  // namespace adieu::world
