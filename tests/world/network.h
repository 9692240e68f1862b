// The network of a simulated world: connections with latency, segments cut anywhere, small buffers, and an end at any octet. One Host is the loop of one
// process; what it began does nothing any more once it is gone.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "adieu/base/loop.h"
#include "clock.h"

namespace adieu::world {

/// How a connection ends before its time, for both who use it.
enum class Fate : std::uint8_t { fin, rst, silence };

struct Connection {
  Endpoint client;
  Endpoint server;
};

class Network {
 public:
  explicit Network(Clock& clock) : clock_(clock) {}

  /// Of new connections: whether, and how, they end before their time.
  double loses = 0;
  /// Whether middleboxes hide CHUNKING where they can read it.
  bool hides_chunking = false;
  /// How much was lost so far.
  std::size_t lost() const { return lost_; }
  /// Streams that are open, at both ends counted.
  std::size_t open() const { return open_; }

 private:
  friend class Host;
  class Link;
  class End;
  Clock& clock_;
  std::map<Endpoint, Listener::User*> listeners_;
  std::size_t lost_ = 0;
  std::size_t open_ = 0;
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

 private:
  friend class Network::Link;
  class HostTimer;
  class HostListener;
  Clock& clock_;
  Network& network_;
  const IpAddress address_;
  const std::shared_ptr<Host*> self_ = std::make_shared<Host*>(this);
};

}  // namespace adieu::world
