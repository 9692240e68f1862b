// See world.h.
#include "world.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <utility>

#include "adieu/relay/config/load.h"
#include "adieu/relay/deliver/delivery.h"
#include "adieu/relay/queue/jobs.h"
#include "adieu/relay/receive/listener_profile.h"
#include "adieu/relay/receive/listening.h"
#include "adieu/relay/receive/reception.h"
#include "io/gnutls/gmac.h"
#include "peers.h"
#include "storage.h"
#include "support/table_resolver.h"

namespace adieu::world {
namespace {

constexpr std::uint64_t kMostEvents = 2'000'000;
constexpr std::uint64_t kDurable = 5;  // one world of so many has the durable spool, which is much slower
constexpr auto kLongest = std::chrono::hours(24 * 30);

constexpr const char* kPolicy = R"(
hostname relay.example.org
spool rocksdb /nowhere
listen 192.0.2.1:25 { tls off }
network local 198.51.100.0/24
next-hop first { host 192.0.2.9:25; tls off; connections 3 }
next-hop second { host 192.0.2.10:25; tls off; connections 1; recipients 2 }
domains one one.example client.example
relay from network local to domains one via first
relay from network local to any via second
reject from any to any with "550 5.7.1 no"
limits { connections 12; connections-per-address 4; outbound-connections 2 }
retry { after 1m 5m 15m; then-every 30m; give-up 20d }
)";

const IpAddress kRelay = *IpAddress::parse("192.0.2.1");
const std::array kHops = {*IpAddress::parse("192.0.2.9"), *IpAddress::parse("192.0.2.10")};

/// Every line with the world's time, and how many lines there were of each event.
class WorldLog final : public Log {
 public:
  WorldLog(const Clock& clock, Stories& stories, bool traces) : clock_(clock), stories_(stories), traces_(traces) {}
  bool enabled(LogLevel) const override { return true; }
  void write(LogLevel, std::string_view line) override {
    const std::string_view event = line.substr(0, line.find(' '));
    ++events_[std::string(event)];
    if (const std::size_t to = line.find(" to=<"); to != line.npos && line.find("the next hop may have it") != line.npos) {
      ++stories_[std::string(line.substr(to + 5, line.find('@', to) - to - 5))].relay_unsure;
    }
    if (traces_) trace.push_back(rfc3339(clock_.wall()) + " " + std::string(line));
  }
  using Log::write;
  std::uint64_t count(const std::string& event) const {
    const auto found = events_.find("event=" + event);
    return found == events_.end() ? 0 : found->second;
  }
  std::vector<std::string> trace;

 private:
  const Clock& clock_;
  Stories& stories_;
  const bool traces_;
  std::map<std::string, std::uint64_t> events_;
};

/// The relay's process: what daemon::Relay and daemon::Shard put together, over this world.
class Process {
 public:
  Process(Clock& clock, Network& network, const config::Config& config, const Tls& tls, spool::Spool& spool, Log& log)
      : host_(clock, network, kRelay),
        config_(config),
        spool_(spool),
        rules_(config),
        limits_(access::shares_of(config), [this](const IpAddress& client) { return rules_.trusts(client); }),
        memory_(config.limits.queue_memory),
        notifications_(config.limits.notifications_per_address),
        closures_(log, config.limits.ledger_peers, [this] { return host_.wall(); }),
        connections_(config.limits.outbound_connections),
        reception_shared_{config, rules_, spool, log, closures_, metrics_, memory_, [this](spool::Transaction::Kept kept) { accept(std::move(kept)); },
                          [](Octets key) { return std::make_unique<gnutls::Gmac>(key); }},
        delivery_shared_{config, rules_, spool, log, closures_, metrics_, next_hops_, connections_,
                         [this](spool::Transaction::Kept kept) { accept(std::move(kept)); }, notifications_, [] { return route::MachineAddresses{}; }} {
    for (const config::NextHop& policy : config.next_hops) {
      deliver::NextHopProfile profile = deliver::next_hop_profile(config, policy);
      profile.outbound.connection.starttls = smtp::ClientStartTls::when_offered;
      profile.outbound.channels = [&tls](const std::string&) { return tls.client(); };
      next_hops_.emplace(policy.name, std::move(profile));
    }
    check(reception_shared_.recall(host_.wall()).has_value(), "the world's spool recalls");
    reception_ = std::make_unique<receive::Reception>(reception_shared_, host_);
    delivery_ = std::make_unique<deliver::Delivery>(delivery_shared_, host_, std::make_unique<test::TableResolver>());
    listener_ = receive::listener_profile(config, config.listeners.front(), tls.server());
    listener_->connection.tls = smtp::ServerTls::optional;
    take_up({});
    listening_ = std::make_unique<receive::Listening>(host_, *listener_, limits_, *reception_, closures_, log, [] {});
    listening_->begin([this](Listener::User& user) { return host_.listen(config_.listeners.front().endpoint, user); });
  }

  std::size_t connections() const { return listening_->connections() + connections_.used(); }
  /// What is still held that should not be when nothing is under way.
  std::string held() const {
    std::string held;
    if (memory_.recipients() != 0) held += " " + std::to_string(memory_.recipients()) + " recipients";
    if (memory_.used() != 0) held += " " + std::to_string(memory_.used()) + " octets of messages";
    if (reception_shared_.memory != 0) held += " " + std::to_string(reception_shared_.memory) + " octets of transactions";
    return held;
  }

 private:
  void accept(spool::Transaction::Kept kept) {
    queue::Jobs jobs = queue::jobs_of(std::make_shared<queue::InFlight>(std::move(kept.head), std::move(kept.mail_data), memory_), config_);
    for (auto& [destination, job] : jobs.by_destination) {
      host_.post([this, destination = destination, job = std::move(job)]() mutable { delivery_->add(destination, std::move(job)); });
    }
  }
  void take_up(spool::MessageId after) {
    spool_.claim(after, 2, Duration(0), host_, [this](Result<std::vector<spool::Stored>> stored) {
      if (stored->empty()) return;
      const spool::MessageId last = stored->back().head->id;
      for (spool::Stored& message : *stored) {
        reception_shared_.found(*message.head, host_.wall());
        accept({std::move(message.head), nullptr});
      }
      take_up(last);
    });
  }

  Host host_;
  const config::Config& config_;
  spool::Spool& spool_;
  const access::Rules rules_;
  access::ConnectionLimits limits_;
  queue::MemoryBudget memory_;
  queue::NotificationLimit notifications_;
  observe::Closures closures_;
  observe::Metrics metrics_;
  std::map<std::string, deliver::NextHopProfile> next_hops_;
  deliver::ConnectionBudget connections_;
  receive::Reception::Shared reception_shared_;
  deliver::Delivery::Shared delivery_shared_;
  std::unique_ptr<receive::ListenerProfile> listener_;
  std::unique_ptr<receive::Reception> reception_;
  std::unique_ptr<deliver::Delivery> delivery_;
  std::unique_ptr<receive::Listening> listening_;
};

/// `notification_unsure`: attempts to deliver notifications about the message that may have arrived.
void judge(const std::string& recipient, const Story& story, std::uint64_t notification_unsure, std::uint64_t crashes,
           std::vector<std::string>& faults) {
  const auto fault = [&](const std::string& what) { faults.push_back(recipient + ": " + what); };
  const std::uint64_t arrived = story.stored + story.notified;
  if (story.acknowledged && arrived == 0) fault("acknowledged and lost");
  if (story.acknowledged && story.stored == 0 && !story.refused) fault("a failure was told of what nobody refused");
  if (story.altered) fault("altered on its way");
  if (story.refused && story.stored != 0) fault("stored where it is refused");
  if (!story.acknowledged && arrived != 0 && story.client_unsure == 0) fault("delivered, and never acknowledged");
  const std::uint64_t excused = story.client_unsure + story.relay_unsure + notification_unsure + crashes;
  if (arrived > 1 + excused) fault(std::to_string(arrived) + " copies, where " + std::to_string(1 + excused) + " can be explained");
}

}  // namespace

Verdict run(std::uint64_t seed, bool traces) {
  Clock clock(seed);
  Network network(clock);
  Stories stories;
  WorldLog log(clock, stories, traces);
  WorldLog hop_log(clock, stories, false);
  config::Loaded loaded = config::load_text("world.conf", kPolicy);
  check(loaded.config.has_value(), "the world's policy is one");
  config::Config& config = *loaded.config;
  std::function<void()> crash;
  const std::unique_ptr<Storage> storage = seed % kDurable == 0 ? durable_storage(clock, log, [&crash] { crash(); }) : memory_storage(clock);
  Tls tls = toy_tls();
  if (clock.happens(0.05)) tls = gnutls_tls(clock.happens(0.5) ? "TLS1.2" : "TLS1.3");
  Verdict verdict;

  network.hides_chunking = clock.happens(0.5);
  network.loses = clock.happens(0.3) ? 0 : 0.01 * static_cast<double>(clock.between(1, 60));
  struct Hop {
    Host host;
    Endpoint endpoint;
    Moods moods;
    std::optional<NextHop> next_hop;
  };
  std::vector<std::unique_ptr<Hop>> hops;
  for (const IpAddress& address : kHops) {
    Hop& hop = *hops.emplace_back(new Hop{Host(clock, network, address), {address, 25}, {}, {}});
    hop.moods.defers = clock.happens(0.5) ? 0 : 0.01 * static_cast<double>(clock.between(1, 40));
    hop.moods.refuses = clock.happens(0.5) ? 0 : 0.2;
    hop.moods.slowest = clock.happens(0.3) ? std::chrono::minutes(12) : Duration(300);
    const auto begin = [&hop, &stories, &tls, &hop_log] { hop.next_hop.emplace(hop.host, hop.endpoint, stories, tls, hop_log, hop.moods); };
    begin();
    if (!clock.happens(0.2)) continue;
    clock.after(clock.between(Duration(0), std::chrono::minutes(30)), [&, begin] {
      log.write(LogLevel::info, LogLine("world").field("what", "a next hop is gone for a while"));
      hop.next_hop.reset();
      clock.after(clock.between(Duration(0), std::chrono::hours(2)), begin);
    });
  }

  std::optional<Process> relay;
  const auto start = [&] { storage->start([&] { relay.emplace(clock, network, config, tls, storage->port(), log); }); };
  start();
  std::vector<std::unique_ptr<Host>> hosts;
  std::vector<std::unique_ptr<Client>> clients;
  const std::int64_t kinds = clock.between(1, 4);
  for (std::int64_t number = 1; number <= kinds; ++number) {
    std::vector<std::string> tokens;
    // The seed is a part of them, since they alone decide about octets and recipients: no two worlds send the same.
    for (std::int64_t i = clock.between(1, 8); i > 0; --i) tokens.push_back("m" + std::to_string(seed) + "-" + std::to_string(number) + "-" + std::to_string(i));
    verdict.messages += tokens.size();
    hosts.push_back(std::make_unique<Host>(clock, network, *IpAddress::parse("198.51.100." + std::to_string(number))));
    clients.push_back(std::make_unique<Client>(*hosts.back(), Endpoint{kRelay, 25}, stories, tls, std::move(tokens)));
  }

  bool rested = false;
  const Instant began = clock.now();
  crash = [&] {
    if (rested || !storage->started()) return;
    ++verdict.crashes;
    log.write(LogLevel::info, LogLine("world").field("what", "the relay's process is killed"));
    storage->kill();
    relay.reset();
    storage->bury();
    clock.after(clock.between(Duration(0), std::chrono::minutes(2)), start);
  };
  if (clock.happens(0.3)) {
    for (std::int64_t crashes = clock.between(1, 3); crashes > 0; --crashes) {
      clock.after(clock.between(Duration(0), clock.happens(0.5) ? std::chrono::minutes(4) : std::chrono::hours(3)), crash);
    }
  }
  if (clock.happens(0.2)) {
    clock.after(clock.between(Duration(0), std::chrono::hours(1)), [&] {
      const Duration by = std::chrono::minutes(clock.between(-600, 600));
      log.write(LogLevel::info, LogLine("world").field("what", "the wall clock steps by " + to_text(by)));
      clock.step_wall(by);
    });
  }

  const auto rests = [&] {
    return relay && std::all_of(clients.begin(), clients.end(), [](const auto& client) { return client->done(); }) && storage->stored() == 0 &&
           network.open() == 0;
  };
  while (!rests()) {
    if (++verdict.events > kMostEvents || clock.now() - began > kLongest) {
      verdict.faults.push_back("it never comes to rest: " + std::to_string(storage->stored()) + " messages stored, " + std::to_string(network.open()) +
                               " ends of connections open");
      break;
    }
    if (!clock.turn()) {
      verdict.faults.push_back("nothing more happens: " + std::to_string(storage->stored()) + " messages stored, " + std::to_string(network.open()) +
                               " ends of connections open");
      break;
    }
  }
  rested = true;
  if (verdict.faults.empty()) {
    for (const auto& [recipient, story] : stories) {
      const std::size_t dot = recipient.find('.');
      if (dot == recipient.npos) continue;  // whom notifications go to
      const auto told = stories.find(recipient.substr(0, dot));
      if (!story.acknowledged && network.lost() == 0 && verdict.crashes == 0 && !storage->was_in_trouble()) verdict.faults.push_back(recipient + ": given up, and no connection was lost");
      judge(recipient, story, told == stories.end() ? 0 : told->second.relay_unsure, verdict.crashes, verdict.faults);
    }
    for (int turns = 0; turns < 1000 && clock.turn(); ++turns) {
    }
    storage->judge_running(verdict.faults);
    if (const std::string held = relay->held(); !held.empty()) verdict.faults.push_back("still held at rest:" + held);
    if (verdict.crashes == 0 && log.count("queued") != log.count("removed") + log.count("revoked")) {
      verdict.faults.push_back("the log: " + std::to_string(log.count("queued")) + " queued, " + std::to_string(log.count("removed")) + " removed, " +
                               std::to_string(log.count("revoked")) + " revoked");
    }
  }
  for (const auto& [recipient, story] : stories) verdict.copies += story.stored + story.notified > 1 ? story.stored + story.notified - 1 : 0;
  verdict.lost = network.lost();
  verdict.hours = static_cast<double>((clock.now() - began).count()) / 3'600'000;
  verdict.trace = std::move(log.trace);
  clients.clear();
  relay.reset();
  hops.clear();
  storage->judge(verdict.faults.empty(), verdict.faults);
  return verdict;
}

}  // namespace adieu::world
