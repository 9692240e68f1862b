// One shard's queue: what is to be tried next, for each destination, and what waits for its time. RFC 5321 section 4.5.4.1. Pure: it
// holds jobs, counts connections and knows times; whoever delivers asks it what to do.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adieu/base/clock.h"
#include "adieu/relay/queue/in_flight.h"
#include "adieu/relay/route/destination.h"

namespace adieu::queue {

/// The recipients of one message that go to one destination, in one attempt.
struct Job {
  std::shared_ptr<InFlight> message;
  std::vector<std::uint32_t> recipients;  // indices into the head's recipients
  std::uint32_t attempts = 0;             // made before
  WallTime next_attempt{};                // not before then
  std::string last_reply;                 // of the last attempt, for people
  std::uint64_t number = 0;               // given by the queue: later ones are greater
};

/// A job as `adieu queue` shows it.
struct Listed {
  const Job& job;
  const route::Destination& destination;
  WallTime next_attempt;           // the destination's, where that is later
  const std::string& reason;       // what its last attempt met, or why its destination is not tried
  bool waits = false;              // until next_attempt
};

class Queue {
 public:
  /// To the end of its destination's line when its time has come, else among those that wait.
  void add(const route::Destination& destination, Job job, WallTime now);

  /// The oldest job that is due for `destination`, or none. A destination that is backed off gives none.
  std::optional<Job> take(const route::Destination& destination, WallTime now);
  /// A destination where a job is due, that is not backed off and for which fewer than `limit(destination)` connections are open or
  /// opening, and no more of them than jobs; each call another one in turn. None: nothing to begin now.
  std::optional<route::Destination> wants_connection(WallTime now, const std::function<std::size_t(const route::Destination&)>& limit);
  void connection_opened(const route::Destination& destination);
  void connection_closed(const route::Destination& destination);

  /// No connection could be had: nothing is tried before `until`, whatever is due. Returns the jobs of the destination that `expired`
  /// says have waited for long enough, oldest first: they are taken.
  std::vector<Job> back_off(const route::Destination& destination, WallTime until, std::string reason,
                            const std::function<bool(const Job&)>& expired);
  bool backed_off(const route::Destination& destination, WallTime now) const;
  /// A connection was had: the back-off's count begins anew.
  void reached(const route::Destination& destination);
  /// How many times in a row it could not be reached.
  std::uint32_t failures(const route::Destination& destination) const;

  /// Moves what waits and whose time has come to its line. Call before asking for work.
  void wake(WallTime now);
  /// When `wake` has something to do, or a back-off ends.
  std::optional<WallTime> next_wake() const;

  /// Lets what waits be tried now: the jobs of one message, or all, and ends the back-off of their destinations. How many jobs that were.
  std::size_t retry(std::optional<spool::MessageId> id, WallTime now);
  /// How far a walk through all jobs has come; new: nowhere.
  struct Place {
    bool waiting_done = false;
    bool at_end = false;
    WallTime when{};
    route::Destination destination;
    std::uint64_t number = 0;
  };
  /// Goes on from `place`, which it moves, for at most `steps` jobs. Between two calls the queue may change: what does not change its place is visited
  /// once; what does may be met twice, or missed when it went back to those that wait.
  void walk(Place& place, std::size_t steps, WallTime now, const std::function<void(const Listed&)>& visit) const;
  std::size_t size() const { return size_; }

 private:
  struct Site {
    std::map<std::uint64_t, Job> due;  // by number, the oldest first
    std::size_t connections = 0;
    std::uint32_t failures = 0;
    WallTime blocked_until{};
    std::string reason;
    bool in_turn = false;  // stands in turn_
  };
  using Sites = std::map<route::Destination, Site>;

  void line_up(Sites::iterator site);
  void drop_if_unused(Sites::iterator site);

  Sites sites_;
  std::list<route::Destination> turn_;                                      // destinations with due jobs, next one first
  std::multimap<WallTime, std::pair<route::Destination, Job>> waiting_;     // by next attempt
  std::multimap<WallTime, route::Destination> blocked_;                     // by end of back-off; may name sites that are gone
  std::size_t size_ = 0;
  std::uint64_t last_number_ = 0;
};

}  // namespace adieu::queue
