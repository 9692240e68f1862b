// See network.h.
#include "network.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace adieu::world {
namespace {
constexpr std::size_t kSegment = 1460;
}  // namespace

/// One end of a connection, as long as its Stream lives.
class Network::End final : public Stream {
 public:
  End(std::shared_ptr<Link> link, int side);
  ~End() override;
  void use(User* user) override { user_ = user; }
  void read(bool on) override;
  Transferred write(Octets octets) override;
  Transferred receive(char* buffer, std::size_t size) override;
  Result<Endpoint> local_endpoint() const override;
  bool is_of_reserve(std::size_t) const override { return false; }

 private:
  friend class Link;
  void tell();
  void tell_later();
  void tell_end();
  void deliver(std::string octets);

  const std::shared_ptr<Link> link_;
  const int side_;
  const std::shared_ptr<Sight> sight_;
  User* user_ = nullptr;
  bool reads_ = false;
  bool telling_ = false;
  std::string inbox_;
  std::optional<Transfer> end_;  // behind the inbox
  bool end_told_ = false;
  std::string rest_;             // that waits for room
};

/// Both directions of a connection. It knows its ends only while they live.
class Network::Link final : public std::enable_shared_from_this<Link> {
 public:
  Link(Network& network, Connection connection) : network_(network), connection_(connection), clock_(network.clock_) {
    latency_ = clock_.between(Duration(0), Duration(80));
    capacity_ = static_cast<std::size_t>(clock_.between(2'000, 60'000));
    if (clock_.happens(network.attacks)) attacker_.emplace(clock_);
    const bool is_near = network.near.contains(connection.server.address);
    if (is_near) capacity_ = 60'000;
    if (clock_.happens(is_near ? 0 : network.loses)) {
      fate_ = static_cast<Fate>(clock_.between(0, 2));
      lost_side_ = static_cast<int>(clock_.between(0, 1));
      // Most of what is said is short.
      lost_at_ = static_cast<std::size_t>(clock_.between(0, clock_.happens(0.7) ? 700 : 20'000));
    }
  }
  const Connection& connection() const { return connection_; }
  void attach(int side, End* end) { ends_[side] = end; }
  End* end(int side) const { return ends_[side]; }

  /// What `side` may still give away before the other end takes some of it.
  std::size_t room(int side) const {
    const std::size_t used = under_way_[side];
    return used < capacity_ ? capacity_ - used : 0;
  }

  void carry(int side, Octets said) {
    if (attacker_) {
      attacked(side, attacker_->pass(side, said));
      return;
    }
    std::string octets(said);
    // As middleboxes do with what they do not know, where they can read it: so that mail goes by DATA too, with its dots, and as 7-bit mail.
    for (const std::string& extension : network_.hidden) {
      if (const std::size_t at = octets.find(extension); at != octets.npos) octets[at] = 'X';
    }
    // The toy channel's records can be read, but are no longer whole where they have more octets.
    const bool is_command = octets.starts_with("MAIL") || octets.starts_with("RCPT") || octets.starts_with("RSET");
    for (const std::string_view command : {"MAIL FROM:<", "RCPT TO:<"}) {
      const bool writes_blank = network_.writes_blanks && side == 0 && is_command;
      for (std::size_t at = octets.find(command); writes_blank && at != octets.npos; at = octets.find(command, at + 1)) {
        octets.insert(at + command.size() - 1, "  ");
      }
    }
    std::size_t whole = octets.size();
    if (fate_ && side == lost_side_ && !lost_) {
      if (carried_ + octets.size() < lost_at_) {
        carried_ += octets.size();
      } else {
        whole = lost_at_ - carried_;
        lose(Octets(octets).substr(0, whole));
        return;
      }
    }
    go_on(side, Octets(octets).substr(0, whole));
  }
  void close(int side) {
    ends_[side] = nullptr;
    if (attacker_) go_on(side, attacker_->rest(side));
    if (lost_ && (*fate_ == Fate::silence || side == lost_side_)) return;
    arrive(side, [](End& other) {
      if (!other.end_) other.end_ = Transfer::eof;
      other.tell_later();
    });
  }
  /// `side` has taken `count` octets out of its inbox.
  void taken(int side, std::size_t count) {
    under_way_[1 - side] -= std::min(count, under_way_[1 - side]);
    clock_.after(latency_, [self = shared_from_this(), writer = 1 - side] {
      End* const end = self->ends_[writer];
      if (end == nullptr || end->rest_.empty() || self->room(writer) < end->rest_.size()) return;
      const std::string rest = std::exchange(end->rest_, {});
      self->carry(writer, rest);
      self->network_.witness.at(end->sight_);
      if (end->user_ != nullptr) end->user_->on_taken(rest.size());
    });
  }

 private:
  void attacked(int side, const Attacker::Act& act) {
    if (attacker_->acted() && !std::exchange(attack_counted_, true)) ++network_.lost_;
    if (act.cut && !lost_) {
      fate_ = act.cut;
      lost_side_ = side;
      lose(act.octets);
      return;
    }
    if (act.hold != Duration(0)) last_arrival_[side] = std::max(last_arrival_[side], clock_.now() + latency_) + act.hold;
    go_on(side, act.octets);
  }
  void go_on(int side, Octets octets) {
    if (lost_ && (*fate_ == Fate::silence || side == lost_side_)) return;  // it never arrives
    send(side, octets);
  }
  void send(int side, Octets octets) {
    while (!octets.empty()) {
      const auto size = static_cast<std::size_t>(clock_.between(1, static_cast<std::int64_t>(std::min(kSegment, octets.size()))));
      std::string segment(octets.substr(0, clock_.happens(0.8) ? std::min(kSegment, octets.size()) : size));
      octets.remove_prefix(segment.size());
      under_way_[side] += segment.size();
      arrive(side, [segment = std::move(segment), self = shared_from_this(), side](End& other) mutable {
        if (other.end_) return;
        other.deliver(std::move(segment));
      }, [self = shared_from_this(), side] {
        // Nobody is there any more: whoever goes on sending is told so.
        self->reset(side);
      });
    }
  }
  /// In the order of what this side gave away.
  void arrive(int side, std::function<void(End&)> there, std::function<void()> gone = {}) {
    last_arrival_[side] = std::max(last_arrival_[side], clock_.now() + latency_);
    clock_.at(last_arrival_[side], [self = shared_from_this(), side, there = std::move(there), gone = std::move(gone)] {
      if (End* const other = self->ends_[1 - side]) {
        there(*other);
      } else if (gone) {
        gone();
      }
    });
  }
  void reset(int side) {
    if (std::exchange(reset_[side], true)) return;
    clock_.after(latency_, [self = shared_from_this(), side] {
      End* const end = self->ends_[side];
      if (end == nullptr || end->end_ == Transfer::reset) return;
      end->inbox_.clear();
      end->end_ = Transfer::reset;
      end->end_told_ = false;
      end->tell_later();
    });
  }
  void lose(Octets before) {
    if (!before.empty()) send(lost_side_, before);
    lost_ = true;
    ++network_.lost_;
    const int side = lost_side_;
    if (*fate_ == Fate::silence) return;
    if (*fate_ == Fate::fin) {
      arrive(side, [](End& other) {
        if (!other.end_) other.end_ = Transfer::eof;
        other.tell_later();
      });
      return;
    }
    arrive(side, [self = shared_from_this(), side](End&) { self->reset(1 - side); });
    reset(side);
  }

  Network& network_;
  const Connection connection_;
  Clock& clock_;
  Duration latency_{};
  std::size_t capacity_ = 0;
  std::optional<Fate> fate_;
  int lost_side_ = 0;
  std::size_t lost_at_ = 0;   // octets that this side's direction carries
  std::size_t carried_ = 0;
  bool lost_ = false;
  std::optional<Attacker> attacker_;
  bool attack_counted_ = false;
  std::array<End*, 2> ends_{};
  std::array<bool, 2> reset_{};
  std::array<std::size_t, 2> under_way_{};
  std::array<Instant, 2> last_arrival_{};
  friend class End;
};

Network::End::End(std::shared_ptr<Link> link, int side)
    : link_(std::move(link)),
      side_(side),
      sight_(link_->network_.witness.see(side == 0 ? link_->connection().client : link_->connection().server,
                                         side == 0 ? link_->connection().server : link_->connection().client, side == 1)) {}

Network::End::~End() {
  sight_->closes();
  link_->network_.witness.gone(*sight_);
  link_->close(side_);
}

void Network::End::read(bool on) {
  reads_ = on;
  if (on && (!inbox_.empty() || (end_ && !end_told_))) tell_later();
}

void Network::End::tell_later() {
  if (std::exchange(telling_, true)) return;
  link_->clock_.after(Duration(0), [link = link_, side = side_] {
    End* const end = link->end(side);
    if (end == nullptr) return;
    end->telling_ = false;
    end->tell();
  });
}

void Network::End::tell_end() {
  if (std::exchange(end_told_, true)) return;
  if (end_ == Transfer::reset) sight_->reset();
  user_->on_end(*end_);
}

void Network::End::tell() {
  link_->network_.witness.at(sight_);
  if (!reads_ || user_ == nullptr) {
    // One that waits for room alone is told of a reset, too.
    if (end_ == Transfer::reset && !rest_.empty() && user_ != nullptr) tell_end();
    return;
  }
  if (!inbox_.empty()) {
    const std::string octets = std::exchange(inbox_, {});
    link_->taken(side_, octets.size());
    const std::shared_ptr<Link> link = link_;
    const int side = side_;
    sight_->reads(octets);
    user_->on_octets(octets);
    if (End* const still = link->end(side); still != nullptr && still->end_) still->tell_later();
    return;
  }
  if (end_) tell_end();
}

void Network::End::deliver(std::string octets) {
  inbox_ += octets;
  tell_later();
}

Transferred Network::End::write(Octets octets) {
  link_->network_.witness.at(sight_);
  if (end_ == Transfer::reset) {
    sight_->reset();
    return {Transfer::reset, 0};
  }
  if (!rest_.empty()) return {Transfer::again, 0};
  sight_->writes(octets);
  const std::size_t count = std::min(octets.size(), link_->room(side_));
  if (count != 0) link_->carry(side_, octets.substr(0, count));
  rest_ = octets.substr(count, 1000);
  return {Transfer::done, count};
}

Transferred Network::End::receive(char* buffer, std::size_t size) {
  if (inbox_.empty()) {
    if (!end_) return {Transfer::again, 0};
    end_told_ = true;
    if (end_ == Transfer::reset) sight_->reset_unread();
    return {*end_, 0};
  }
  const std::size_t count = inbox_.copy(buffer, size);
  sight_->reads(Octets(buffer, count));
  inbox_.erase(0, count);
  link_->taken(side_, count);
  return {Transfer::done, count};
}

Result<Endpoint> Network::End::local_endpoint() const { return side_ == 0 ? link_->connection().client : link_->connection().server; }

class Host::HostTimer final : public Timer {
 public:
  HostTimer(Host& host, std::function<void()> callback) : host_(host), callback_(std::move(callback)) { ++host_.timers_; }
  ~HostTimer() override { --host_.timers_; }
  HostTimer(const HostTimer&) = delete;
  HostTimer& operator=(const HostTimer&) = delete;
  void set(Deadline when) override {
    *number_ += 1;
    if (!when) return;
    host_.longest_timer_ = std::max(host_.longest_timer_, std::chrono::duration_cast<Duration>(*when - host_.now()));
    host_.clock_.at(*when, [this, number = std::weak_ptr(number_), set = *number_] {
      const auto alive = number.lock();
      if (alive && *alive == set) callback_();
    });
  }

 private:
  Host& host_;
  const std::function<void()> callback_;
  const std::shared_ptr<std::uint64_t> number_ = std::make_shared<std::uint64_t>(0);  // of the last setting
};

class Host::HostListener final : public Listener {
 public:
  HostListener(Network& network, Endpoint endpoint) : network_(network), endpoint_(endpoint) {}
  ~HostListener() override { network_.listeners_.erase(endpoint_); }

 private:
  Network& network_;
  const Endpoint endpoint_;
};

void Host::post(Task task) {
  clock_.after(Duration(0), [self = std::weak_ptr(self_), task = std::move(task)]() mutable {
    if (self.lock()) task();
  });
}

std::unique_ptr<Timer> Host::timer(std::function<void()> callback) { return std::make_unique<HostTimer>(*this, std::move(callback)); }

std::unique_ptr<Listener> Host::listen(const Endpoint& endpoint, Listener::User& user) {
  check(network_.listeners_.emplace(endpoint, Network::Listening{&user, this}).second, "one listener a port");
  return std::make_unique<HostListener>(network_, endpoint);
}

/// What has come meanwhile waits in the stream, as in a kernel's backlog.
void Network::accept(std::unique_ptr<Stream> stream, const Connection& connection) {
  const auto found = listeners_.find(connection.server);
  if (found == listeners_.end()) return;
  if (found->second.host->has_descriptors()) {
    found->second.user->on_accepted({std::move(stream), connection.client});
    return;
  }
  found->second.user->on_failure({ErrorKind::unavailable, std::string(kTooManyOpenFiles)});
  ++backlog_;
  clock_.after(kOutOfDescriptors, [this, waits = std::make_shared<std::unique_ptr<Stream>>(std::move(stream)), connection] {
    --backlog_;
    accept(std::move(*waits), connection);
  });
}

tl::expected<std::unique_ptr<Stream>, ConnectFailure> Host::connect(const Endpoint& endpoint,
                                                                    std::function<void(std::optional<Error>)> decided) {
  using Whose = ConnectFailure::Whose;
  const auto failure = [](Whose whose, std::string_view why) {
    return tl::unexpected(ConnectFailure{whose, {ErrorKind::unavailable, std::string(why)}});
  };
  if (!has_descriptors()) return failure(Whose::ours, kTooManyOpenFiles);
  if (endpoint.address.is_v6() && network_.knows_no_ipv6) return failure(Whose::no_route, "network is unreachable");
  const Connection connection{{address_, ++network_.last_port_}, endpoint};
  auto link = std::make_shared<Network::Link>(network_, connection);
  auto stream = std::make_unique<Network::End>(link, 0);
  link->attach(0, stream.get());
  if (clock_.happens(network_.near.contains(endpoint.address) ? 0 : network_.loses / 4)) {  // nobody answers, and nobody says why
    ++network_.lost_;
    return stream;
  }
  if (endpoint.address.is_v6()) return stream;
  const Duration there = clock_.between(Duration(0), Duration(80));
  clock_.after(there, [self = std::weak_ptr(self_), &network = network_, link, decided = std::move(decided)]() mutable {
    const bool refused = !network.listeners_.contains(link->connection().server);
    if (!refused) {
      auto accepted = std::make_unique<Network::End>(link, 1);
      link->attach(1, accepted.get());
      network.accept(std::move(accepted), link->connection());
    }
    network.clock_.after(Duration(1), [self, link, refused, decided = std::move(decided)] {
      if (self.expired() || link->end(0) == nullptr) return;
      decided(refused ? std::optional(Error{ErrorKind::refused, "connection refused"}) : std::nullopt);
    });
  });
  return stream;
}

}  // namespace adieu::world
