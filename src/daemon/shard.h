// A shard: one thread with a loop, its part of every listener, and the delivery to those destinations that are its own. Shards share nothing
// but what is thread-safe: the spool, the rules, the limits on connections, the log.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "adieu/relay/deliver/delivery.h"
#include "adieu/relay/receive/listening.h"
#include "adieu/relay/receive/reception.h"
#include "io/uv/stream.h"

namespace adieu::daemon {

class Shard {
 public:
  /// Errors: the resolver of the policy cannot be used.
  static Result<std::unique_ptr<Shard>> open(receive::Reception::Shared& reception, deliver::Delivery::Shared& delivery);
  /// The thread must have ended.
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  /// Before `start`.
  void listen(uv::Descriptor socket, const receive::ListenerProfile& profile, access::ConnectionLimits& limits);
  void start();

  /// From any thread: accept no more, finish what is under way, then call `done` on the shard's thread. At `deadline` what is left is cut.
  void shut_down(Duration timeout, std::function<void()> done);
  /// Ends the loop and waits for its thread.
  void join();

  Executor& executor() { return loop_; }
  /// Only from the shard's own thread.
  deliver::Delivery& delivery() { return *delivery_; }

 private:
  explicit Shard(receive::Reception::Shared& reception);
  void idle();

  receive::Reception::Shared& shared_;
  uv::Loop loop_;
  std::unique_ptr<receive::Reception> reception_;
  std::unique_ptr<deliver::Delivery> delivery_;
  std::vector<std::unique_ptr<receive::Listening>> listening_;
  std::unique_ptr<Timer> cut_;
  std::function<void()> done_;
  std::size_t busy_ = 0;   // listeners and delivery that are not idle yet, while shutting down
  std::thread thread_;
};

}  // namespace adieu::daemon
