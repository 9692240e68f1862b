// See shard.h.
#include "daemon/shard.h"

#include <pthread.h>

#include <utility>

#include "daemon/dns.h"

namespace adieu::daemon {

Shard::Shard(receive::Reception::Shared& reception) : shared_(reception), reception_(std::make_unique<receive::Reception>(reception, loop_)) {}

Result<std::unique_ptr<Shard>> Shard::open(receive::Reception::Shared& reception, deliver::Delivery::Shared& delivery) {
  std::unique_ptr<Shard> shard(new Shard(reception));
  auto resolver = make_resolver(shard->loop_, reception.config.resolver);
  if (!resolver) return tl::unexpected<Error>(resolver.error());
  shard->delivery_ = std::make_unique<deliver::Delivery>(delivery, shard->loop_, std::move(*resolver));
  return shard;
}

Shard::~Shard() = default;

void Shard::listen(uv::Descriptor socket, const receive::ListenerProfile& profile, access::ConnectionLimits& limits) {
  listening_.push_back(std::make_unique<receive::Listening>(loop_, profile, limits, *reception_, shared_.closures, shared_.log, [this] { idle(); }));
  listening_.back()->begin([&](Listener::User& user) { return std::make_unique<uv::Listener>(loop_, std::move(socket), user); });
}

void Shard::start() {
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "loop");  // for top -H and ps -T
    loop_.run();
  });
}

void Shard::shut_down(Duration timeout, std::function<void()> done) {
  loop_.post([this, timeout, done = std::move(done)]() mutable {
    done_ = std::move(done);
    cut_ = loop_.timer([this] {
      for (const auto& listening : listening_) listening->cut();
      delivery_->cut();
      if (busy_ == 0) return;
      busy_ = 1;
      idle();
    });
    cut_->set(loop_.now() + timeout);
    busy_ = listening_.size() + 1;
    for (const auto& listening : listening_) listening->shut_down();
    delivery_->shut_down([this] { idle(); });
  });
}

void Shard::idle() {
  if (busy_ == 0 || --busy_ != 0) return;
  cut_->set(std::nullopt);
  std::exchange(done_, nullptr)();
}

void Shard::join() {
  if (!thread_.joinable()) return;
  loop_.post([this] {
    // In their own loop, while it still runs: what they hold lives in it.
    cut_.reset();
    listening_.clear();
    delivery_.reset();
    loop_.stop();
  });
  thread_.join();
}

}  // namespace adieu::daemon
