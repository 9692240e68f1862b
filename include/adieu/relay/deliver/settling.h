// One shard's settlements: what became of recipients goes into the spool, and the reverse-path is told of failures. RFC 5321 section 6.1.
//
// Failures of one message that come together are told together: a recipient that has failed stays pending in the spool for a short while, until it
// is settled with the notification that tells of it, in one write. A crash before that has its attempt done over, and loses no notification.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adieu/base/lifetime.h"
#include "adieu/base/log.h"
#include "adieu/base/loop.h"
#include "adieu/relay/access/rules.h"
#include "adieu/relay/queue/notification_limit.h"
#include "adieu/relay/queue/settle.h"
#include "adieu/relay/spool/spool.h"

namespace adieu::deliver {

class Settling {
 public:
  static constexpr Duration kCollect = std::chrono::seconds(5);

  struct Shared {
    const config::Config& config;
    const access::Rules& rules;
    spool::Spool& spool;
    Log& log;
    queue::NotificationLimit& limit;
    /// Takes a notification that is to be delivered; from any thread.
    const std::function<void(std::vector<spool::Claimed>)>& accept;
    /// Told of what is in the spool and waits to be claimed; from any thread.
    const std::function<void(const route::Destination&, WallTime due)>& queued;
  };

  /// `on_idle`: whenever the last settlement under way is done.
  Settling(Shared shared, Loop& loop, std::function<void()> on_idle);
  Settling(const Settling&) = delete;
  Settling& operator=(const Settling&) = delete;

  /// `destination`: has those that are tried again.
  void settle(const queue::Job& job, queue::Verdict verdict, const route::Destination& destination);
  /// Jobs that are not tried now are given back to the spool.
  void put_back(const std::vector<queue::Job>& jobs, const route::Destination& destination);
  void put_back(std::vector<spool::Settlement> deferrals);
  /// Nothing more is collected: what was is told now.
  void stop();
  bool busy() const { return under_way_ != 0; }

 private:
  struct Collected {
    Instant until{};
    std::shared_ptr<queue::InFlight> message;
  };

  void collect(const std::shared_ptr<queue::InFlight>& message, std::vector<queue::Failed> failures);
  void arm();
  void tell_due();
  void tell(const std::shared_ptr<queue::InFlight>& message);
  void tell_with(const std::shared_ptr<queue::InFlight>& message, std::vector<queue::Failed> failures, Octets start_of_mail_data);
  void store(spool::Settlements settlements);
  void done_one();

  const Shared shared_;
  Loop& loop_;
  const std::function<void()> on_idle_;
  std::deque<Collected> collected_;  // the first is due first
  std::map<spool::MessageId, std::shared_ptr<queue::InFlight>> collecting_;
  std::unique_ptr<Timer> timer_;
  std::size_t under_way_ = 0;        // reads and settlements that the spool has not answered
  bool stopping_ = false;
  const Lifetime lifetime_;
};

}  // namespace adieu::deliver
