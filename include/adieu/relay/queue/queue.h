// One shard's queue, as far as it is in memory: the destinations that have something to be done, and of their jobs those that were claimed from the spool;
// all others stay there. RFC 5321 section 4.5.4.1. Pure: it holds jobs, counts connections and knows times; whoever delivers asks it what to do. Nothing
// that is asked in each turn of the loop walks through destinations or jobs: a destination that has something to do stands in a list of those.
//
// Waits are measured by the monotonic clock, so that they last as long as they were meant to when the wall clock is set; the spool's times are
// Now::schedule. Wall time is what people see.
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

/// Recipients of a claimed job, all of them or what is left of them, in one attempt.
struct Job {
  std::shared_ptr<InFlight> message;
  spool::Claim claim;
  std::vector<std::uint32_t> recipients;  // indices into the head's recipients
  std::uint32_t attempts = 0;             // made before; those asked for out of turn do not count
  WallTime due{};                         // not before then, by Now::schedule
  std::string last_reply;                 // of the last attempt, for people
  std::uint64_t number = 0;               // given by the queue: later ones are greater
  /// Set when an attempt out of turn was asked for: the time of its turn. If that attempt fails, the next one is made at this time.
  std::optional<WallTime> promised{};
  /// What an exchanger said to these recipients in this attempt, where others are tried behind it: one for each recipient.
  std::vector<smtp::Outcome> so_far{};
};

/// A destination as `adieu queue destinations` shows it.
struct ListedSite {
  route::Destination destination;
  std::array<std::size_t, 4> connections{};  // by Doing
  std::size_t limit = 0;
  std::size_t due = 0;              // jobs in memory
  std::optional<WallTime> stored;   // when the first of those in the spool is due
  std::uint32_t failures = 0;       // in a row
  bool reached = false;             // the last time
  std::optional<WallTime> until;    // backed off until then
  std::string reason;               // of that
};

/// What a connection to a destination is doing. All of them count for the destination's limit; the first two can take a job.
enum class Doing : std::uint8_t { opening, idling, sending, ending };

class Queue {
 public:
  /// How many connections may be open to a destination at once.
  using Limit = std::function<std::size_t(const route::Destination&)>;
  /// `longest_wait`: no job waits for longer, whatever the time that was stored with it; it may be a wrong clock's. `most_jobs`: of one destination in memory.
  Queue(Limit limit, Duration longest_wait, std::size_t most_jobs) : limit_(std::move(limit)), longest_wait_(longest_wait), most_jobs_(most_jobs) {}
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  /// Whether a new job of `destination` is kept in memory; else it has its place behind others in the spool, or has to wait.
  bool takes(const route::Destination& destination) const;
  /// Whether it answered the last time, as far as that is remembered; a configured host is believed to until it does not.
  bool is_reached(const route::Destination& destination) const;
  /// Puts a claimed job at the end of its destination's line.
  void add(const route::Destination& destination, Job job);
  /// Something is in the spool for `destination`, due then.
  void stored(const route::Destination& destination, WallTime due, Now now);

  /// A destination whose jobs are to be claimed from the spool, each call another one in turn; until `fetched` it is not asked for again. None: there is none.
  /// `reached`: as of `wants_connection`. Of the others a few are enough to see whether they answer.
  struct Fetch {
    route::Destination destination;
    WallTime until{};        // what is due by then
    std::size_t count = 0;
  };
  std::optional<Fetch> wants_jobs(bool reached, Now now);
  bool has_wanted_jobs(bool reached) const { return !hungry_[reached ? 1 : 0].empty(); }
  /// What was found has been added. `next`: when the first of the others is due.
  void fetched(const route::Destination& destination, std::optional<WallTime> next, Now now);

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
  /// before. What of its jobs is in memory is taken out, the oldest first.
  struct BackOff {
    Duration wait{};
    std::vector<Job> jobs;
  };
  BackOff back_off(const route::Destination& destination, Duration wait, std::string reason, Now now);
  bool backed_off(const route::Destination& destination) const;
  /// How often it was backed off. Whoever opens a connection remembers this number: where it has grown when the connection fails, the failure of
  /// another one has been counted, and this one says nothing new.
  std::uint64_t back_offs(const route::Destination& destination) const;
  /// A connection was had: the back-off's count begins anew.
  void reached(const route::Destination& destination);
  /// How many times in a row it could not be reached; attempts out of turn do not count.
  std::uint32_t failures(const route::Destination& destination) const;
  /// Something was asked for out of turn: its back-off is over, for an attempt that changes nothing of the schedule if it fails.
  void try_now(const route::Destination& destination);

  /// What waited and whose time has come is due. Call before asking for work.
  void wake(Now now);
  /// When `wake` has something to do.
  std::optional<Instant> next_wake() const;

  /// Until when a destination is backed off, and why. None: it is not.
  struct Blocked {
    WallTime until{};
    std::string reason;
  };
  std::optional<Blocked> blocked(const route::Destination& destination) const;
  /// At most `count` destinations behind `after`, in their order: those that have something due, a connection, or a failure to remember.
  std::vector<ListedSite> sites(const route::Destination& after, std::size_t count) const;
  /// Jobs in memory.
  std::size_t size() const { return size_; }

 private:
  struct Site;
  using Sites = std::map<route::Destination, Site>;
  using Line = std::list<Sites::iterator>;
  using Times = std::multimap<Instant, Sites::iterator>;
  enum class Ready : std::uint8_t { nothing, for_idle, for_connection, for_first_connection };

  struct Site {
    std::map<std::uint64_t, Job> due;          // by number, the oldest first
    std::array<std::uint32_t, 4> connections{};  // by what they do
    std::uint32_t limit = 1;
    std::uint32_t failures = 0;
    bool reached = false;                      // the last time
    bool fetching = false;                     // the spool is asked for jobs
    bool stored_is_due = false;
    bool far = false;                          // what is stored is due later than anything waits: by a wrong clock
    Ready ready = Ready::nothing;              // in which line it stands
    Line::iterator place;
    std::optional<Line::iterator> hungry;      // its place among those that want jobs
    bool hungry_as_reached = false;            // in which of these lines
    std::optional<WallTime> stored;            // when the first of its jobs in the spool is due
    std::optional<Times::iterator> waits;      // until then
    std::optional<Times::iterator> blocked;    // backed off
    std::uint64_t back_offs = 0;
    std::optional<Instant> promised;           // see Job
    WallTime until{};                          // of the back-off, for people
    std::string reason;

    std::size_t doing(Doing what) const { return connections[static_cast<std::size_t>(what)]; }
    std::size_t open() const;
  };

  Sites::iterator site_of(const route::Destination& destination);
  /// After each change of a site: puts it into the lines it belongs to, or lets go of it.
  void update(Sites::iterator site);
  Ready readiness(const Site& site) const;
  bool is_hungry(const Site& site) const;
  Line& line(Ready ready) { return lines_[static_cast<std::size_t>(ready)]; }
  const Line& line(Ready ready) const { return lines_[static_cast<std::size_t>(ready)]; }
  void forget_stored(Site& site);
  void unblock(Site& site);
  bool is_believed(const route::Destination& destination) const;
  void remember(const route::Destination& reached);
  void forget(const route::Destination& unreached);

  const Limit limit_;
  const Duration longest_wait_;
  const std::size_t most_jobs_;
  Sites sites_;
  std::array<Line, 4> lines_;  // destinations by Ready, next one first
  std::array<Line, 2> hungry_; // those whose jobs are to be claimed, next one first: the unreached, the reached
  Times waiting_;              // by the time when something in the spool is due
  Times blocked_;              // by the end of their back-off
  std::list<route::Destination> reached_;  // the last one first
  std::map<route::Destination, std::list<route::Destination>::iterator> in_reached_;
  std::size_t size_ = 0;
  std::uint64_t last_number_ = 0;
};

}  // namespace adieu::queue
