// See relay.h.
#include "daemon/relay.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <system_error>
#include <thread>
#include <utility>

#include "adieu/base/bytes.h"
#include "adieu/relay/deliver/next_hop_profile.h"
#include "adieu/relay/queue/jobs.h"
#include "adieu/relay/receive/listener_profile.h"
#include "daemon/privileges.h"
#include "daemon/tls_setup.h"
#include "io/gnutls/gmac.h"
#include "io/rocksdb/ledger_store.h"
#include "io/rocksdb/rocksdb_spool.h"
#include "io/uv/machine_addresses.h"

namespace adieu::daemon {
namespace {

constexpr int kTryAgain = 75;  // EX_TEMPFAIL of sysexits(3)
constexpr std::size_t kDestinationsAtOnce = 1000;
constexpr std::size_t kReservedDescriptors = 384;  // RocksDB holds up to 256 tables open; files of large messages, logs, sockets of our own
constexpr std::size_t kReservedForLoop = 32;      // its epoll sets, and what a name service's question opens
constexpr Duration kSaveClosures = std::chrono::minutes(1);

}  // namespace

Relay::Relay(config::Config config, Log& log)
    : config_(std::move(config)),
      log_(log),
      rules_(config_),
      limits_(access::shares_of(config_), [this](const IpAddress& client) { return rules_.trusts(client); }),
      memory_(config_.limits.queue_memory, config_.limits.active_messages),
      notifications_(config_.limits.notifications_per_address),
      closures_(log, config_.limits.ledger_peers, [this] { return loop_.wall(); }),
      loops_(config_.loops != 0 ? config_.loops : std::max(1u, std::thread::hardware_concurrency())) {}

Relay::~Relay() {
  control_.reset();
  shards_.clear();
}

Result<std::unique_ptr<Relay>> Relay::open(config::Config config, Log& log) {
  try {
    return open_all(std::move(config), log);
  } catch (const std::system_error& error) {  // no descriptors for a loop, no thread
    return failure(ErrorKind::unavailable, std::string(error.what()) + "; raise the limits on open files (LimitNOFILE) and threads (TasksMax)");
  }
}

Result<std::unique_ptr<Relay>> Relay::open_all(config::Config config, Log& log) {
  std::unique_ptr<Relay> relay(new Relay(std::move(config), log));
  const config::Config& policy = relay->config_;
  raise_descriptor_limit();
  relay->share_descriptors();
  keep_freed_memory();
  const auto and_then = [](Result<> done, auto next) { return done ? next() : done; };
  Result<> done = relay->bind();
  done = and_then(std::move(done), [&] { return relay->prepare_next_hops(); });
  done = and_then(std::move(done), [&] { return make_directory(policy.spool.directory, policy.user); });
  done = and_then(std::move(done), [&] { return become(policy.user); });
  if (!done) return tl::unexpected<Error>(done.error());
  auto spool = rocksdb::open_spool(policy.spool, log);
  if (!spool) return tl::unexpected<Error>(spool.error());
  relay->spool_ = std::move(*spool);
  relay->closures_.keep_in(rocksdb::LedgerStore::open(policy.spool.directory, log));
  const auto accept = [self = relay.get()](std::vector<spool::Claimed> claimed) { self->accept(std::move(claimed)); };
  const auto queued = [self = relay.get()](const route::Destination& destination, WallTime due) { self->queued(destination, due); };
  relay->reception_.reset(new receive::Reception::Shared{policy, relay->rules_, *relay->spool_, log, relay->closures_, relay->metrics_, accept,
                                                [](Octets key) { return std::make_unique<gnutls::Gmac>(key); }});
  relay->delivery_.reset(new deliver::Delivery::Shared{policy, relay->rules_, *relay->spool_, log, relay->closures_, relay->metrics_, relay->next_hops_,
                                              *relay->connections_, relay->memory_, accept, queued, relay->notifications_, uv::machine_addresses});
  if (auto recalled = relay->reception_->recall(relay->loop_.wall()); !recalled) return tl::unexpected<Error>(std::move(recalled.error()));
  if (relay->metrics_socket_) {
    auto server = microhttpd::TextServer::start(relay->metrics_socket_.release(), "/metrics", [self = relay.get()] {
      return observe::prometheus(self->metrics_, self->closures_.ledger());
    });
    if (!server) return tl::unexpected<Error>(std::move(server.error()));
    relay->metrics_server_ = std::move(*server);
  }
  for (std::size_t i = 0; i < relay->loops_; ++i) {
    auto shard = Shard::open(*relay->reception_, *relay->delivery_);
    if (!shard) return tl::unexpected<Error>(shard.error());
    relay->shards_.push_back(std::move(*shard));
  }
  for (const int number : {SIGTERM, SIGINT}) relay->signals_.emplace_back(relay->loop_, number, [self = relay.get()] { self->shut_down(); });
  relay->signals_.emplace_back(relay->loop_, SIGHUP, [self = relay.get()] { self->hang_up(); });
  return relay;
}

/// What next hops may have of them. Where not all fits that the policy allows, connections are fewer, and this is told: the spool, the listeners, the
/// name service and the control socket must never find that none is left.
void Relay::share_descriptors() {
  const std::size_t wanted = config_.limits.outbound_connections;
  const std::size_t reserve = kReservedDescriptors + loops_ * (kReservedForLoop + config_.listeners.size());
  const std::size_t outbound = deliver::outbound_connections(wanted, config_.limits.connections, descriptor_limit(), reserve);
  connections_ = std::make_unique<deliver::ConnectionBudget>(outbound);
  if (outbound == wanted) return;
  log_.write(LogLevel::warning, LogLine("descriptors")
                                    .field("limit", static_cast<std::int64_t>(descriptor_limit()))
                                    .field("outbound-connections", static_cast<std::int64_t>(outbound))
                                    .field("hint", "the limit on open files does not hold `outbound-connections` " + std::to_string(wanted) +
                                                       ", `connections` " + std::to_string(config_.limits.connections) + " and " +
                                                       std::to_string(reserve) + " for all else: raise it (LimitNOFILE) or lower those"));
}

Result<> Relay::bind() {
  for (const config::Listener& listener : config_.listeners) {
    auto channels = make_server_channels(config_, listener, log_);
    if (!channels) return tl::unexpected<Error>(channels.error());
    auto profile = receive::listener_profile(config_, listener, std::move(*channels));
    profile->number = listeners_.size();
    auto sockets = uv::listen_tcp(listener.endpoint, loops_);
    if (!sockets) return tl::unexpected<Error>(std::move(sockets.error()));
    for (std::size_t shard = 0; shard < loops_; ++shard) bound_.push_back({std::move((*sockets)[shard]), profile.get(), shard});
    listeners_.push_back(std::move(profile));
  }
  if (config_.metrics) {
    auto metrics = uv::listen_tcp(*config_.metrics);
    if (!metrics) return tl::unexpected<Error>(std::move(metrics.error()));
    metrics_socket_ = std::move(*metrics);
  }
  if (config_.control_socket.empty()) return {};
  const std::size_t slash = config_.control_socket.rfind('/');
  // One that is there may be anybody's: the socket is made before root is given up.
  const std::string directory = config_.control_socket.substr(0, slash == std::string::npos ? 0 : slash);
  if (!directory.empty() && ::access(directory.c_str(), F_OK) != 0) {
    auto made = make_directory(directory, config_.user);
    if (!made) return tl::unexpected<Error>(std::move(made.error()).within("control socket"));
  }
  auto control = uv::listen_unix(config_.control_socket);
  if (!control) return tl::unexpected<Error>(std::move(control.error()));
  control_socket_ = std::move(*control);
  return {};
}

Result<> Relay::prepare_next_hops() {
  for (const config::NextHop& policy : config_.next_hops) {
    deliver::NextHopProfile profile = deliver::next_hop_profile(config_, policy);
    if (profile.outbound.connection.starttls != smtp::ClientStartTls::never) {
      auto channels = make_client_channels(config_, policy);
      if (!channels) return tl::unexpected<Error>(channels.error());
      profile.outbound.channels = std::move(*channels);
    }
    next_hops_.emplace(policy.name, std::move(profile));
  }
  return {};
}

int Relay::run(std::function<void()> reopen_log) {
  reopen_log_ = std::move(reopen_log);
  try {
    for (const auto& shard : shards_) shard->start();
  } catch (const std::system_error& error) {
    log_.write(LogLevel::error, LogLine("failed").field("error", error.what()).field("hint", "raise the limit on threads (TasksMax)"));
    for (const auto& shard : shards_) shard->join();
    return kTryAgain;
  }
  if (control_socket_) {
    control_ = std::make_unique<Control>(loop_, std::move(control_socket_), [this](const std::string& request) { return answer(request); });
  }
  listen();
  take_up({});
  uv::Timer save(loop_, [this, &save] {
    closures_.save();
    save.set(loop_.now() + kSaveClosures);
  });
  save.set(loop_.now() + kSaveClosures);
  loop_.run();
  control_.reset();
  if (!config_.control_socket.empty()) ::unlink(config_.control_socket.c_str());
  for (const auto& shard : shards_) shard->join();
  spool_.reset();  // its last completions are posted to the shards' loops
  shards_.clear();
  log_.write(LogLevel::info, LogLine("stopped"));
  return 0;
}

/// Clients that came before have waited in the kernel.
void Relay::listen() {
  if (bound_.empty() || shutting_down_) return;
  LogLine listening("listening");
  for (const auto& listener : listeners_) listening.field("on", listener->name);
  log_.write(LogLevel::info, listening.field("hostname", config_.hostname).field("loops", static_cast<std::int64_t>(loops_)));
  for (Bound& bound : bound_) {
    Shard& shard = *shards_[bound.shard];
    shard.executor().post([this, &shard, socket = std::move(bound.socket), listener = bound.listener]() mutable {
      shard.listen(std::move(socket), *listener, limits_);
    });
  }
  bound_.clear();
  notify_service_manager("READY=1");
}

void Relay::hang_up() {
  LogLine line("reload");
  if (reopen_log_) {
    reopen_log_();
    line.field("log", "opened anew");
  }
  line.field("hint", "the policy file is not read again: restart to change the policy");
  log_.write(reopen_log_ ? LogLevel::info : LogLevel::warning, line);
}

void Relay::shut_down() {
  if (std::exchange(shutting_down_, true)) return;
  log_.write(LogLevel::info, LogLine("stopping").field("timeout", to_text(config_.shutdown_timeout)));
  notify_service_manager("STOPPING=1");
  closures_.stopping();
  busy_shards_ = shards_.size();
  for (const auto& shard : shards_) {
    shard->shut_down(config_.shutdown_timeout, [this] { loop_.post([this] { stop_when_idle(); }); });
  }
}

void Relay::stop_when_idle() {
  if (--busy_shards_ == 0) loop_.stop();
}

/// What the spool has from before: destinations, a part at a time. Their messages are read when they are due.
void Relay::take_up(const route::Destination& after) {
  spool_->destinations(after, kDestinationsAtOnce, loop_, [this](Result<std::vector<spool::QueuedAt>> found) {
    if (!found) {
      log_.write(LogLevel::error, LogLine("spool-claim")
                                      .field("error", found.error().message)
                                      .field("hint", "messages of earlier runs stay in the spool until a restart"));
      return;
    }
    for (const spool::QueuedAt& each : *found) {
      if (next_hops_.contains(each.destination.next_hop)) {
        queued(each.destination, each.due);
      } else {
        log_.write(LogLevel::error, LogLine("no-next-hop")
                                        .field("destination", each.destination.text())
                                        .field("hint", "mail waits in the spool for a next hop of this name: define it in the policy file again"));
      }
    }
    if (found->size() == kDestinationsAtOnce) take_up(found->back().destination);
  });
}

std::size_t Relay::shard_number(const route::Destination& destination) const { return std::hash<std::string>()(destination.text()) % shards_.size(); }

void Relay::accept(std::vector<spool::Claimed> claimed) {
  for (auto& [destination, job] : queue::on_their_way(std::move(claimed), memory_)) {
    Shard& shard = shard_of(destination);
    shard.executor().post([&shard, destination = std::move(destination), job = std::move(job)]() mutable {
      shard.delivery().take_in(destination, std::move(job));
    });
  }
}

void Relay::queued(const route::Destination& destination, WallTime due) {
  Shard& shard = shard_of(destination);
  shard.executor().post([&shard, destination, due] { shard.delivery().queued(destination, due); });
}

}  // namespace adieu::daemon
