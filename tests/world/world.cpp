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
#include "judge.h"
#include "holder.h"
#include "log_book.h"
#include "names.h"
#include "peers.h"
#include "rude_client.h"
#include "storage.h"

namespace adieu::world {
namespace {

constexpr std::uint64_t kMostEvents = 2'000'000;
constexpr std::uint64_t kDurable = 5;  // one world of so many has the durable spool, which is much slower
constexpr std::size_t kFewLayers = 3;
constexpr auto kLongest = std::chrono::hours(24 * 30);
/// From an acknowledgement to the next hop that is well, where nobody else is to delay it: more than the messages before it take, less than any back-off.
constexpr Duration kLongestWait = std::chrono::seconds(30);

/// What the first command of a delivery takes on its way, where nobody holds it.
constexpr Duration kOnItsWay = std::chrono::seconds(2);
/// `then-every` of the policy, spread. Nothing else waits for longer.
constexpr Duration kLongestTimer = std::chrono::minutes(33);

constexpr const char* kPolicy = R"(
hostname relay.example.org
spool rocksdb /nowhere
listen 192.0.2.1:25 { tls off }
network local 198.51.100.0/24
next-hop first { host 192.0.2.9:25; tls off; connections 3 }
next-hop second { host 192.0.2.10:25; tls off; connections 1; recipients 2 }
next-hop named { host mx.named.example:25; tls off; connections 3 }
next-hop internet { mx; tls off }
domains one one.example client.example
domains two two.example
domains named named.example
relay from network local to domains one via first
relay from network local to domains two via second
relay from network local to domains named via named
relay from network local to any via internet
reject from any to any with "550 5.7.1 no"
limits { connections 12; connections-per-address 4; outbound-connections 2 }
retry { after 1m 5m 15m; then-every 30m; give-up 20d }
)";

const IpAddress kRelay = *IpAddress::parse("192.0.2.1");
const std::array kHops = {*IpAddress::parse("192.0.2.9"), *IpAddress::parse("192.0.2.10")};
const adieu::Network kClients = *adieu::Network::parse("198.51.100.0/24");
const IpAddress kRude = *IpAddress::parse("198.51.100.99");
const IpAddress kBusy = *IpAddress::parse("192.0.2.11");

/// The relay's process: what daemon::Relay and daemon::Shard put together, over this world.
class Process {
 public:
  Process(Clock& clock, Network& network, const config::Config& config, const Tls& tls, spool::Spool& spool, Names& names, LogBook& log)
      : host_(clock, network, kRelay),
        config_(config),
        spool_(spool),
        rules_(config),
        limits_(access::shares_of(config), [this](const IpAddress& client) { return rules_.trusts(client); }),
        memory_(config.limits.queue_memory, config.limits.active_messages),
        notifications_(config.limits.notifications_per_address),
        closures_(log, config.limits.ledger_peers, [this] { return host_.wall(); }),
        connections_(config.limits.outbound_connections),
        reception_shared_{config, rules_, spool, log, closures_, metrics_, [this](std::vector<spool::Claimed> claimed) { accept(std::move(claimed)); },
                          [](Octets key) { return std::make_unique<gnutls::Gmac>(key); }},
        delivery_shared_{config, rules_, spool, log, closures_, metrics_, next_hops_, connections_, memory_,
                         [this](std::vector<spool::Claimed> claimed) { accept(std::move(claimed)); },
                         [this](const route::Destination& destination, WallTime due) { queued(destination, due); }, notifications_,
                         [] { return route::MachineAddresses{}; }} {
    for (const config::NextHop& policy : config.next_hops) {
      deliver::NextHopProfile profile = deliver::next_hop_profile(config, policy);
      profile.outbound.connection.starttls = tls.required ? smtp::ClientStartTls::required : smtp::ClientStartTls::when_offered;
      profile.outbound.plaintext_after_tls_failure = !tls.required;
      profile.outbound.channels = [&tls](const std::string&) { return tls.client(); };
      next_hops_.emplace(policy.name, std::move(profile));
    }
    log.begin_run();
    check(reception_shared_.recall(host_.wall()).has_value(), "the world's spool recalls");
    reception_ = std::make_unique<receive::Reception>(reception_shared_, host_);
    delivery_ = std::make_unique<deliver::Delivery>(delivery_shared_, host_, names.resolver());
    listener_ = receive::listener_profile(config, config.listeners.front(), tls.server());
    listener_->connection.tls = tls.required ? smtp::ServerTls::required : smtp::ServerTls::optional;
    take_up({});
    listening_ = std::make_unique<receive::Listening>(host_, *listener_, limits_, *reception_, closures_, log, [] {});
    listening_->begin([this](Listener::User& user) { return host_.listen(config_.listeners.front().endpoint, user); });
  }

  const observe::Metrics& metrics() const { return metrics_; }
  const observe::Ledger& ledger() const { return closures_.ledger(); }
  /// Those of Delivery and of Settling; each connection has two more at the most.
  static constexpr std::size_t kTimers = 2;
  std::size_t timers() const { return host_.timers(); }
  Host& host() { return host_; }
  /// What is still held that should not be when nothing is under way.
  std::string held() const {
    std::string held;
    const auto add = [&](std::uint64_t count, const char* what) {
      if (count != 0) held += " " + std::to_string(count) + " " + what;
    };
    add(timers() - kTimers, "timers");
    add(listening_->connections() + connections_.used(), "connections");
    add(memory_.messages(), "messages on their way");
    add(memory_.used(), "octets of messages");
    add(reception_shared_.memory, "octets of transactions");
    return held;
  }

 private:
  void accept(std::vector<spool::Claimed> claimed) {
    for (auto& [destination, job] : queue::on_their_way(std::move(claimed), memory_)) {
      host_.post([this, destination = std::move(destination), job = std::move(job)]() mutable { delivery_->take_in(destination, std::move(job)); });
    }
  }
  void queued(const route::Destination& destination, WallTime due) {
    host_.post([this, destination, due] { delivery_->queued(destination, due); });
  }
  void take_up(const route::Destination& after) {
    constexpr std::size_t kAtOnce = 2;
    spool_.destinations(after, kAtOnce, host_, [this](Result<std::vector<spool::QueuedAt>> found) {
      if (!found) return;
      for (const spool::QueuedAt& each : *found) queued(each.destination, each.due);
      if (found->size() == kAtOnce) take_up(found->back().destination);
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

class World {
 public:
  World(std::uint64_t seed, const Options& options)
      : options_(options), seed_(seed), clock_(seed), network_(clock_), log_(clock_, stories_, options.traces), hop_log_(clock_, stories_, false) {
    config::Loaded loaded = config::load_text("world.conf", kPolicy);
    check(loaded.config.has_value(), "the world's policy is one");
    config_ = std::move(*loaded.config);
    make_network();
    make_storage();
    make_hops();
    start_relay();
    make_clients();
    make_trouble();
  }
  ~World() { clock_.stop(); }  // streams may wait in it to be accepted
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Verdict run() {
    while (!rests() && verdict_.faults.empty()) {
      if (++verdict_.events > kMostEvents || clock_.now() - began_ > kLongest) {
        verdict_.faults.push_back("it never comes to rest: " + state());
      } else if (!clock_.turn()) {
        verdict_.faults.push_back("nothing more happens: " + state());
      } else if (clock_.instant_is_over()) {
        judge_bounds();
      }
    }
    rested_ = true;
    if (verdict_.faults.empty()) judge();
    end();
    for (const auto& [recipient, story] : stories_) {
      const bool is_token = recipient.find('.') == recipient.npos;
      const std::uint64_t meant = std::max<std::uint64_t>(story.acknowledged, 1);
      if (!is_token && story.stored + story.notified > meant) verdict_.copies += story.stored + story.notified - meant;
    }
    verdict_.lost = network_.lost();
    verdict_.hours = static_cast<double>((clock_.now() - began_).count()) / 3'600'000;
    verdict_.trace = std::move(log_.trace);
    verdict_.walks = std::move(network_.witness.walks);
    return std::move(verdict_);
  }

 private:
  struct Hop {
    Host host;
    Endpoint endpoint;
    Moods moods;
    std::optional<NextHop> next_hop;
  };

  /// Whether there is such trouble in this world. It is drawn where it is left out too, so that little else changes by that.
  bool has(const char* trouble, double probability) {
    verdict_.parts.insert(trouble);
    return clock_.happens(probability) && !options_.without.contains(trouble);
  }

  void make_network() {
    const bool attacked = clock_.happens(0.1);
    tls_ = toy_tls();
    if (attacked || clock_.happens(0.04)) tls_ = gnutls_tls(clock_.happens(0.5) ? "TLS1.2" : "TLS1.3");
    rude_channels_ = tls_.client;
    tls_.server = [this, make = tls_.server] { return network_.witness.watch(make()); };
    tls_.client = [this, make = tls_.client] { return network_.witness.watch(make()); };
    tls_.required = attacked;
    network_.attacks = has("attackers", attacked ? 1 : 0) ? 0.5 : 0;
    if (has("middleboxes", 0.5)) network_.hidden.emplace_back("CHUNKING\r\n");
    if (has("old-middleboxes", 0.3)) network_.hidden.emplace_back("8BITMIME\r\n");
    network_.writes_blanks = has("blanks", 0.3);
    const double loses = 0.01 * static_cast<double>(clock_.between(1, 60));
    network_.loses = has("losses", attacked ? 0.3 : 0.7) ? loses : 0;
    if (has("renewal", attacked ? 1 : 0.3)) {
      for (config::NextHop& next_hop : config_.next_hops) next_hop.renew_after_messages = 2;
    }
    if (has("strict-limits", 0.3)) {
      config_.limits.session.recipients = 2;
      config_.limits.session.errors = 3;
      config_.limits.session.layers = kFewLayers;
    }
    has_names_ = has("names", 0.3);
    network_.witness.tls_required = attacked;
    make_well(!attacked && !is_durable() && clock_.happens(0.3));
    network_.knows_no_ipv6 = clock_.happens(0.5) && !all_well_;
    names_.emplace(clock_, Names::Surroundings{{kHops.begin(), kHops.end()}, kBusy, !network_.knows_no_ipv6, has("unanswered-questions", 0.5), all_well_});
  }

  /// The second next hop is well and near, and does not wait for others: there are connections for both, or, where it is the others' hosts that do not
  /// answer, what is set aside of few of them. It may take its time for each message, or few recipients at once: nobody waits for that a second time.
  void make_well(bool is_so) {
    well_ = is_so;
    const std::int64_t kind = clock_.between(0, 2);
    if (!is_so) return;
    network_.near.insert(kHops[1]);
    config_.limits.outbound_connections = 40;
    auto& policy = *std::find_if(config_.next_hops.begin(), config_.next_hops.end(), [](const auto& each) { return each.name == "second"; });
    if (kind == 0) {
      policy.connections = 20;
      policy.recipients = 100;
      well_moods_.quickest = std::chrono::seconds(20);
      well_moods_.slowest = std::chrono::seconds(21);
    } else if (kind == 1) {
      policy.recipients = 100;
      well_moods_.recipients = 2;
    } else if (has_names_) {
      all_well_ = true;
      network_.near.insert(kHops.begin(), kHops.end());
      config_.limits.outbound_connections = 4;
      for (config::NextHop& each : config_.next_hops) each.connect_timeout = std::chrono::minutes(2);
    }
  }

  bool is_durable() const { return seed_ % kDurable == 0; }
  void make_storage() {
    const bool fails = has("spool", 0.3) && !well_;
    storage_ = is_durable() ? durable_storage(clock_, log_, [this] { kill_relay(); }) : memory_storage(clock_, fails);
  }

  void make_hops() {
    // The same recipients at both of them: a domain may have both as its exchangers.
    const double refuses = has("refusals", 0.5) ? 0.2 : 0;
    for (const IpAddress& address : kHops) {
      Hop& hop = *hops_.emplace_back(new Hop{Host(clock_, network_, address), {address, 25}, {}, {}});
      const double defers = 0.01 * static_cast<double>(clock_.between(1, 40));
      const bool well = well_ && (address == kHops[1] || all_well_);
      if (well && address == kHops[1]) hop.moods = well_moods_;
      if (has("deferrals", 0.5) && !well) hop.moods.defers = defers;
      hop.moods.refuses = refuses;
      hop.moods.slowest = std::max(hop.moods.slowest, has("slowness", 0.3) && !well ? std::chrono::minutes(12) : Duration(300));
      hop.moods.on_mail = [this] { judge_delivery(); };
      hop.moods.ends_tls = has("broken-tls", 0.2) && !tls_.required;
      start(hop);
      const Duration from = clock_.between(Duration(0), std::chrono::minutes(30));
      const Duration until = from + clock_.between(Duration(0), std::chrono::hours(2));
      if (!has("absence", 0.2) || well) continue;
      clock_.after(from, [this, &hop] {
        say("a next hop is gone for a while");
        network_.witness.kill(hop.endpoint.address);
        hop.next_hop.reset();
      });
      clock_.after(until, [this, &hop] { start(hop); });
    }
    Hop& busy = *hops_.emplace_back(new Hop{Host(clock_, network_, kBusy), {kBusy, 25}, {}, {}});
    constexpr std::array<std::size_t, 3> kQuestions = {0, 1, 3};  // MAIL, RCPT, and the end of data
    busy.moods.always_defers = kQuestions[static_cast<std::size_t>(clock_.between(0, 2))];
    start(busy);
  }
  void start(Hop& hop) { hop.next_hop.emplace(hop.host, hop.endpoint, stories_, tls_, hop_log_, hop.moods); }
  void start_relay() {
    storage_->start([this] { relay_.emplace(clock_, network_, config_, tls_, storage_->port(), *names_, log_); });
  }

  void make_clients() {
    const std::int64_t count = clock_.between(1, 4);
    for (std::int64_t number = 1; number <= count; ++number) {
      std::vector<std::string> tokens;
      for (std::int64_t i = clock_.between(1, 8); i > 0; --i) {
        // The seed is a part of them, since they alone decide about octets and recipients: no two worlds send the same.
        std::string token = (has_names_ ? "n" : "m") + std::to_string(seed_) + "-" + std::to_string(number) + "-" + std::to_string(i);
        // As list managers write them: local parts may be as long as a command line allows.
        if (clock_.happens(0.1)) token += "-" + std::string(64, 'v');
        verdict_.parts.insert(token);
        if (!options_.without.contains(token)) tokens.push_back(token);
      }
      verdict_.messages += tokens.size();
      hosts_.push_back(std::make_unique<Host>(clock_, network_, *IpAddress::parse("198.51.100." + std::to_string(number))));
      clients_.push_back(std::make_unique<Client>(*hosts_.back(), Endpoint{kRelay, 25}, stories_, tls_, std::move(tokens)));
    }
  }

  void make_trouble() {
    rude_host_.emplace(clock_, network_, kRude);
    const std::int64_t times = clock_.between(1, 3);
    rude_client_.emplace(*rude_host_, Endpoint{kRelay, 25}, rude_channels_, has("rudeness", 0.3) ? times : 0);
    make_holders();
    if (has("crashes", 0.3) && !well_) {
      for (std::int64_t crash = clock_.between(1, 3); crash > 0; --crash) {
        clock_.after(clock_.between(Duration(0), clock_.happens(0.5) ? std::chrono::minutes(4) : std::chrono::hours(3)), [this] { kill_relay(); });
      }
    }
    if (has("descriptors", 0.3)) {
      for (std::int64_t spells = clock_.between(1, 3); spells > 0; --spells) {
        clock_.after(clock_.between(Duration(0), std::chrono::minutes(10)), [this] {
          const Duration time = clock_.between(Duration(0), well_ ? std::chrono::seconds(5) : std::chrono::minutes(2));
          say("no descriptors for " + to_text(time));
          if (relay_) relay_->host().run_out_of_descriptors(time);
        });
      }
    }
    if (has("clock", 0.2)) {
      clock_.after(clock_.between(Duration(0), std::chrono::hours(1)), [this] {
        const Duration by = std::chrono::minutes(clock_.between(-600, 600));
        say("the wall clock steps by " + to_text(by));
        clock_.step_wall(by);
      });
    }
  }
  /// From outside: some, or more than the relay takes.
  void make_holders() {
    constexpr std::size_t kOfEach = 4;
    const std::int64_t count = clock_.happens(0.5) ? 16 : clock_.between(1, 3);
    const Instant until = clock_.now() + clock_.between(Duration(0), std::chrono::hours(3));
    if (!has("holders", 0.2)) return;
    for (std::int64_t number = 0; number < count; ++number) {
      if (holders_.size() % kOfEach == 0) {
        hosts_.push_back(std::make_unique<Host>(clock_, network_, *IpAddress::parse("203.0.113." + std::to_string(number + 1))));
      }
      holders_.push_back(std::make_unique<Holder>(*hosts_.back(), Endpoint{kRelay, 25}, static_cast<Holder::Manner>(clock_.between(0, 2)), until));
    }
  }
  void kill_relay() {
    if (rested_ || !storage_->started()) return;
    ++verdict_.crashes;
    say("the relay's process is killed");
    network_.witness.kill(kRelay);
    storage_->kill();
    relay_.reset();
    storage_->bury();
    clock_.after(clock_.between(Duration(0), std::chrono::minutes(2)), [this] { start_relay(); });
  }

  void say(const std::string& what) { log_.write(LogLevel::info, LogLine("world").field("what", what)); }
  bool rests() const {
    return relay_ && rude_client_->done() && std::all_of(holders_.begin(), holders_.end(), [](const auto& holder) { return holder->done(); }) &&
           std::all_of(clients_.begin(), clients_.end(), [](const auto& client) { return client->done(); }) &&
           storage_->stored() == 0 &&
           network_.open() == 0;
  }
  std::string state() const {
    return std::to_string(storage_->stored()) + " messages stored, " + std::to_string(network_.open()) + " ends of connections open";
  }

  void judge_bounds() {
    if (!relay_) return;
    const auto bound = [this](const char* what, std::size_t count, std::size_t most) {
      if (count > most) verdict_.faults.push_back("beyond their bound: " + std::to_string(count) + " " + what);
    };
    const std::size_t connections = config_.limits.connections + config_.limits.outbound_connections;
    bound("connections", network_.witness.open(kRelay), connections + network_.backlog());
    bound("timers", relay_->timers(), Process::kTimers + 2 * connections);
    if (const Duration longest = relay_->host().longest_timer(); longest > kLongestTimer) {
      verdict_.faults.push_back("beyond its bound: a timer set for " + to_text(longest));
    }
    if (!storage_->port().trouble()) {
      held_up_since_.reset();
    } else if (!held_up_since_) {
      held_up_since_ = clock_.now();
    }
  }

  /// What came of a delivery could not be recorded, and it would be made again.
  void judge_delivery() {
    const bool is_held_up = relay_ && held_up_since_ && clock_.now() - *held_up_since_ > kOnItsWay && !tls_.required;
    if (is_held_up) verdict_.faults.push_back("a delivery begins while the spool takes nothing: for " + to_text(clock_.now() - *held_up_since_));
  }

  void judge() {
    for (int turns = 0; turns < 1000 && clock_.turn(); ++turns) {
    }
    storage_->judge_running(verdict_.faults);
    if (const std::string held = relay_->held(); !held.empty()) verdict_.faults.push_back("still held at rest:" + held);
    for (const std::string& token : verdict_.parts) {
      for (const mail::Mailbox& recipient : recipients_of(token)) {
        if (!names_->takes_no_mail(recipient.domain)) continue;
        if (const auto story = stories_.find(recipient.local_part); story != stories_.end()) story->second.refused = true;
      }
    }
    const Facts facts{kRelay, stories_, log_, hop_log_, network_.witness, verdict_.crashes, network_.lost(), storage_->was_in_trouble(),
                      kClients, kRude};
    judge_stories(facts, verdict_.faults);
    judge_layers(facts, verdict_.faults);
    judge_clients(facts, verdict_.faults);
    for (const auto& sight : network_.witness.all()) {
      const bool too_many = sight->accepted && sight->local.address == kRelay && sight->endings.size() > config_.limits.session.layers;
      if (too_many) verdict_.faults.push_back("beyond their bound: " + std::to_string(sight->endings.size()) + " TLS layers of " + sight->remote.text());
    }
    judge_log(facts, verdict_.faults);
    if (verdict_.crashes == 0) judge_counts(facts, relay_->metrics(), relay_->ledger(), verdict_.faults);
    if (well_) judge_waits(facts, "two.example", kLongestWait, verdict_.faults);
  }

  /// All go before what they stand on.
  void end() {
    clients_.clear();
    holders_.clear();
    rude_client_.reset();
    relay_.reset();
    hops_.clear();
    storage_->judge(verdict_.faults.empty(), verdict_.faults);
  }

  const Options& options_;
  const std::uint64_t seed_;
  Clock clock_;
  Network network_;
  Stories stories_;
  LogBook log_;
  LogBook hop_log_;
  config::Config config_;
  std::unique_ptr<Storage> storage_;
  bool rested_ = false;
  Tls tls_;
  bool well_ = false;
  bool all_well_ = false;
  Moods well_moods_;
  bool has_names_ = false;
  std::optional<Instant> held_up_since_;
  std::optional<Names> names_;
  std::vector<std::unique_ptr<Hop>> hops_;
  std::optional<Process> relay_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::function<std::unique_ptr<tls::ChannelFactory>()> rude_channels_;
  std::optional<Host> rude_host_;
  std::optional<RudeClient> rude_client_;
  std::vector<std::unique_ptr<Holder>> holders_;
  const Instant began_ = clock_.now();
  Verdict verdict_;
};

}  // namespace

Verdict run(std::uint64_t seed, const Options& options) { return World(seed, options).run(); }

}  // namespace adieu::world
