// The relay as a whole: everything a policy names, opened in the right order, run until a signal ends it in good order.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "adieu/relay/access/limits.h"
#include "adieu/relay/observe/closures.h"
#include "daemon/control.h"
#include "daemon/shard.h"
#include "io/microhttpd/text_server.h"

namespace adieu::daemon {

class Relay {
 public:
  /// Binds the ports, reads certificates and keys, becomes `user`, opens the spool: in this order, so that what needs root is done when root
  /// is given up. Errors say which of these failed and what to do.
  static Result<std::unique_ptr<Relay>> open(config::Config config, Log& log);
  ~Relay();

  /// Starts the shards, takes up what the spool holds, listens and says so, and returns when SIGTERM or SIGINT has been served. The process's exit status.
  /// `reopen_log`: called at each SIGHUP; none where there is nothing to open anew.
  int run(std::function<void()> reopen_log = {});

 private:
  Relay(config::Config config, Log& log);

  static Result<std::unique_ptr<Relay>> open_all(config::Config config, Log& log);
  void share_descriptors();
  Result<> bind();
  Result<> prepare_next_hops();
  void accept(std::vector<spool::Claimed> claimed);
  void queued(const route::Destination& destination, WallTime due);
  void take_up(const route::Destination& after);
  std::size_t shard_number(const route::Destination& destination) const;
  Shard& shard_of(const route::Destination& destination) { return *shards_[shard_number(destination)]; }
  void listen();
  void hang_up();
  void shut_down();
  void stop_when_idle();
  Control::Answer answer(const std::string& request);
  template <class Entry, class Place>
  Control::Answer by_shards(std::function<std::pair<std::vector<Entry>, bool>(deliver::Delivery&, Place&)> part);
  struct Listing;
  void list_on(const std::shared_ptr<Listing>& listing, std::function<void(Result<std::vector<deliver::Listed>>)> then);
  void retry_on(const std::shared_ptr<Listing>& listing, std::function<void(std::string)> reply);

  const config::Config config_;
  Log& log_;
  const access::Rules rules_;
  access::ConnectionLimits limits_;
  queue::MemoryBudget memory_;
  queue::NotificationLimit notifications_;
  uv::Loop loop_;  // the main thread's: signals, control
  observe::Closures closures_;
  observe::Metrics metrics_;
  std::unique_ptr<spool::Spool> spool_;
  std::map<std::string, deliver::NextHopProfile> next_hops_;
  std::vector<std::unique_ptr<receive::ListenerProfile>> listeners_;
  struct Bound {
    uv::Descriptor socket;
    const receive::ListenerProfile* listener;
    std::size_t shard;
  };
  std::vector<Bound> bound_;
  uv::Descriptor control_socket_;
  uv::Descriptor metrics_socket_;
  std::unique_ptr<microhttpd::TextServer> metrics_server_;
  std::unique_ptr<deliver::ConnectionBudget> connections_;  // outlives the shards
  std::unique_ptr<receive::Reception::Shared> reception_;
  std::unique_ptr<deliver::Delivery::Shared> delivery_;
  std::size_t loops_ = 1;

  std::list<uv::Signal> signals_;
  std::function<void()> reopen_log_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<Control> control_;
  std::size_t busy_shards_ = 0;
  bool shutting_down_ = false;
};

}  // namespace adieu::daemon
