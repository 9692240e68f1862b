// One shard's queue: what is to be tried next, for each destination, and what waits for its time. RFC 5321 section 4.5.4.1. Pure: it
// holds jobs, counts connections and knows times; whoever delivers asks it what to do. Nothing that is asked in each turn of the loop walks through
// destinations or jobs: a destination that has something to do stands in a list of those.
//
// Waits are measured by the monotonic clock, so that they last as long as they were meant to when the wall clock is set. Wall time is what the spool
// stores and what people see.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adieu/base/clock.h"
#include "adieu/protocol/smtp/outcome.h"
#include "adieu/relay/queue/in_flight.h"
#include "adieu/relay/queue/retry.h"
#include "adieu/relay/route/destination.h"

namespace adieu::queue {

/// The recipients of one message that go to one destination, in one attempt.
struct Job {
  std::shared_ptr<InFlight> message;
  std::vector<std::uint32_t> recipients;  // indices into the head's recipients
  std::uint32_t attempts = 0;             // made before; those asked for out of turn do not count
  WallTime next_attempt{};                // not before then
  std::string last_reply;                 // of the last attempt, for people
  std::uint64_t number = 0;               // given by the queue: later ones are greater
  /// Set when an attempt out of turn was asked for: the time of its turn. If that attempt fails, the next one is made at this time.
  std::optional<WallTime> promised{};
  /// What an exchanger said to these recipients in this attempt, where others are tried behind it: one for each recipient.
  std::vector<smtp::Outcome> so_far{};
};

/// A job as `adieu queue` shows it.
struct Listed {
  const Job& job;
  const route::Destination& destination;
  WallTime next_attempt;           // the destination's, where that is later
  const std::string& reason;       // what its last attempt met, or why its destination is not tried
  bool waits = false;              // until next_attempt
};

/// A destination as `adieu queue destinations` shows it.
struct ListedSite {
  route::Destination destination;
  std::array<std::size_t, 4> connections{};  // by Doing
  std::size_t limit = 0;
  std::size_t due = 0;              // jobs
  std::uint32_t failures = 0;       // in a row
  bool reached = false;             // the last time
  std::optional<WallTime> until;    // backed off until then
  std::string reason;               // of that
};

/// What a connection to a destination is doing. All of them count for the destination's limit; the first two can take a job.
enum class Doing : std::uint8_t { opening, idling, sending, ending };

class Queue {
 private:
  using Waiting = std::multimap<Instant, std::pair<route::Destination, Job>>;

 public:
  /// How many connections may be open to a destination at once.
  using Limit = std::function<std::size_t(const route::Destination&)>;
  /// `longest_wait`: no job waits for longer, whatever the time that was stored with it; it may be a wrong clock's.
  Queue(Limit limit, Duration longest_wait) : limit_(std::move(limit)), longest_wait_(longest_wait) {}
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  /// Puts the job at the end of its destination's line if its time has come, else among those that wait.
  void add(const route::Destination& destination, Job job, Now now);

  /// The oldest job that is due for `destination`, or none. A destination that is backed off gives none.
  std::optional<Job> take(const route::Destination& destination);
  /// A destination with a job that is due and a connection that idles: have it take the job. None: there is none.
  std::optional<route::Destination> next_for_idle() const;
  /// A destination with more jobs due than connections that can take them, and fewer connections than its limit; one alone while the destination has
  /// not been reached since it was backed off. Each call another one in turn. None: no connection is wanted now. `reached`: one of those that answered
  /// the last time, as far as that is remembered; a configured host is believed to until it does not. Else: one of the others.
  std::optional<route::Destination> wants_connection(bool reached);
  bool has_wanted_connection(bool reached) const { return !line(reached ? Ready::for_connection : Ready::for_first_connection).empty(); }

  void connection_opened(const route::Destination& destination);
  void connection_moved(const route::Destination& destination, Doing from, Doing to);
  void connection_closed(const route::Destination& destination, Doing last);

  /// No connection could be had: nothing is tried for `wait`, whatever is due; after an attempt out of turn, until the time of the turn that it was made
  /// before. `expired` says which jobs of the destination have waited for long enough: they are taken out.
  struct BackOff {
    Duration wait{};
    std::vector<Job> expired;  // oldest first
  };
  BackOff back_off(const route::Destination& destination, Duration wait, std::string reason, Now now,
                   const std::function<bool(const Job&)>& expired);
  bool backed_off(const route::Destination& destination) const;
  /// How often it was backed off. Whoever opens a connection remembers this number: where it has grown when the connection fails, the failure of
  /// another one has been counted, and this one says nothing new.
  std::uint64_t back_offs(const route::Destination& destination) const;
  /// A connection was had: the back-off's count begins anew.
  void reached(const route::Destination& destination);
  /// How many times in a row it could not be reached; attempts out of turn do not count.
  std::uint32_t failures(const route::Destination& destination) const;

  /// Moves what waits and whose time has come to its line. Call before asking for work.
  void wake(Now now);
  /// When `wake` has something to do.
  std::optional<Instant> next_wake() const;

  /// Lets what waits be tried now: the jobs that are `chosen`; ends the back-off of their destinations. How many jobs that were.
  std::size_t retry(const std::function<bool(const Listed&)>& chosen, Now now);
  /// How far a walk through all jobs has come; new: nowhere.
  struct Place {
    bool waiting_done = false;
    bool at_end = false;
    Waiting::key_type when{};
    route::Destination destination;
    std::uint64_t number = 0;
  };
  /// Goes on from `place`, which it moves, for at most `steps` jobs. Between two calls the queue may change: what does not change its place is visited
  /// once; what does may be met twice, or missed when it went back to those that wait.
  void walk(Place& place, std::size_t steps, const std::function<void(const Listed&)>& visit) const;
  /// At most `count` destinations behind `after`, in their order: those that have something due, a connection, or a failure to remember.
  std::vector<ListedSite> sites(const route::Destination& after, std::size_t count) const;
  std::size_t size() const { return size_; }

 private:
  enum class Ready : std::uint8_t { nothing, for_idle, for_connection, for_first_connection };
  using Line = std::list<route::Destination>;
  using Blocked = std::multimap<Instant, route::Destination>;

  struct Site {
    std::map<std::uint64_t, Job> due;          // by number, the oldest first
    std::array<std::size_t, 4> connections{};  // by what they do
    std::size_t limit = 1;
    std::uint32_t failures = 0;
    bool reached = false;                      // the last time
    std::optional<Blocked::iterator> blocked;  // backed off
    std::uint64_t back_offs = 0;
    std::optional<Instant> promised;           // see Job
    WallTime until{};                          // of the back-off, for people
    std::string reason;
    Ready ready = Ready::nothing;              // in which line it stands
    Line::iterator place;

    std::size_t doing(Doing what) const { return connections[static_cast<std::size_t>(what)]; }
    std::size_t open() const;
  };
  using Sites = std::map<route::Destination, Site>;

  static Listed listed(const Waiting::value_type& waiting);
  static Listed listed(const Job& due, const Sites::value_type& site);
  Sites::iterator site_of(const route::Destination& destination);
  /// After each change of a site: puts it into the line it belongs to, or lets go of it.
  void update(Sites::iterator site);
  Ready readiness(const Site& site) const;
  Line& line(Ready ready) { return lines_[static_cast<std::size_t>(ready)]; }
  const Line& line(Ready ready) const { return lines_[static_cast<std::size_t>(ready)]; }
  void unblock(Site& site);
  void remember(const route::Destination& reached);
  void forget(const route::Destination& unreached);

  const Limit limit_;
  const Duration longest_wait_;
  Sites sites_;
  std::array<Line, 4> lines_;  // destinations by Ready, next one first
  Line reached_;               // the last one first
  std::map<route::Destination, Line::iterator> in_reached_;
  Waiting waiting_;
  Blocked blocked_;       // by the end of their back-off
  std::size_t size_ = 0;
  std::uint64_t last_number_ = 0;
};

}  // namespace adieu::queue
