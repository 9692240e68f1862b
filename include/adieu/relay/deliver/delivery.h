// One shard's delivery: takes jobs from its queue, finds out where their destinations are, opens and reuses connections, and settles what came
// of each attempt. Rules R14 to R16; RFC 5321 sections 4.5.4.1, 5.1, 6.1.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "adieu/base/lifetime.h"
#include "adieu/protocol/dns/resolver.h"
#include "adieu/relay/access/rules.h"
#include "adieu/relay/deliver/connection_budget.h"
#include "adieu/relay/deliver/listed.h"
#include "adieu/relay/deliver/next_hop_profile.h"
#include "adieu/relay/deliver/outbound.h"
#include "adieu/relay/deliver/search.h"
#include "adieu/relay/deliver/settling.h"
#include "adieu/relay/observe/metrics.h"
#include "adieu/relay/queue/queue.h"
#include "adieu/relay/queue/settle.h"

namespace adieu::deliver {

class Delivery final : public Outbound::Owner {
 public:
  struct Shared {
    const config::Config& config;
    const access::Rules& rules;
    spool::Spool& spool;
    Log& log;
    observe::Closures& closures;
    observe::Metrics& metrics;
    const std::map<std::string, NextHopProfile>& next_hops;
    deliver::ConnectionBudget& connections;
    queue::MemoryBudget& memory;
    /// Takes a message that is to be delivered; from any thread.
    std::function<void(std::vector<spool::Claimed>)> accept;
    /// Told of what is in the spool for a destination, of whichever shard, and waits to be claimed; from any thread. Calls `Delivery::queued` there.
    std::function<void(const route::Destination&, WallTime due)> queued;
    queue::NotificationLimit& notifications;
    /// Those that this machine has at the moment.
    std::function<route::MachineAddresses()> machine_addresses;
  };

  Delivery(Shared& shared, Loop& loop, std::unique_ptr<dns::Resolver> resolver);
  ~Delivery() override;
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  /// A new message's.
  void take_in(const route::Destination& destination, queue::Job job);
  /// The spool has something for this destination.
  void queued(const route::Destination& destination, WallTime due);
  /// What is known here of jobs that the spool has listed, all of this shard's destinations.
  void complete(std::vector<Listed>& jobs) const;
  /// The next few destinations behind `after`; none: that was all.
  std::vector<queue::ListedSite> destinations(const route::Destination& after) const;
  /// Tries these now, as far as nobody does; `done`: how many these were.
  void retry(std::vector<Listed> jobs, std::function<void(std::size_t)> done);

  /// Begins nothing new; calls `on_idle` when no message is under way any more.
  void shut_down(std::function<void()> on_idle);
  /// Ends the connections that are left, now.
  void cut();

 private:
  /// A connection, from the moment when its addresses are looked up.
  struct Connection {
    route::Destination destination;
    const NextHopProfile* next_hop = nullptr;
    deliver::Standing standing{};                // as the budget counts it
    std::uint64_t back_offs = 0;                 // of the destination when this began
    std::unique_ptr<deliver::Search> search;
    std::unique_ptr<Outbound> outbound;          // null while addresses are looked up
    queue::Doing doing = queue::Doing::opening;
    std::optional<smtp::Outcome> failure;        // of the hosts that were tried before
    std::optional<queue::Job> job;               // under way
    std::optional<queue::Job> rest;              // the recipients of the last message that its next transaction is to have
    std::unique_ptr<Timer> idle;             // runs while the connection waits for a message
    std::list<std::uint64_t>::iterator waiting;  // its place in idle_order_, while it does
    bool has_waited = false;                     // so that the next hop may have had enough of it when the next message came
  };
  using Connections = std::unordered_map<std::uint64_t, Connection>;

  void on_ready(Outbound& outbound) override;
  void on_finished(Outbound& outbound, std::vector<smtp::Outcome> outcomes) override;
  void on_tried(const Outbound& outbound, const smtp::Outcome& failure) override;
  void on_closed(Outbound& outbound, const std::optional<smtp::Outcome>& failure) override;

  void add(const route::Destination& destination, queue::Job job);
  /// Later in this turn of the loop, once: gives due jobs to waiting connections, opens others.
  void schedule();
  void work();
  bool may_begin();
  void fetch_wanted(bool reached);
  void fetched(const route::Destination& destination, Result<spool::Due> due);
  std::optional<queue::Job> take_over(spool::Claimed claimed);
  void give_up_old(const route::Destination& destination, const smtp::Outcome& outcome);
  bool open_wanted(deliver::Standing standing);
  void open(const route::Destination& destination, deliver::Standing standing);
  void search_on(std::uint64_t id, std::size_t dialled);
  void connect(Connections::iterator connection, deliver::Search::Found found);
  void unreachable(Connections::iterator connection, const smtp::Outcome& outcome);
  void give_up_elsewhere(const route::Destination& destination);
  void move(Connections::iterator connection, queue::Doing to);
  void wait_for_message(Connections::iterator connection);
  void send(Connection& connection);
  void quit(Connections::iterator connection);
  void quit_one_that_idles();
  void end_those_that_open();
  bool go_elsewhere(Connection& connection, queue::Job& job, std::vector<smtp::Outcome>& outcomes);
  void pause(const smtp::Outcome& failure);
  /// Returns the recipients that the next transaction with the same next hop is to have.
  std::optional<queue::Job> judge_and_settle(const queue::Job& job, const std::vector<smtp::Outcome>& outcomes,
                                             const route::Destination& destination, const Outbound* outbound);
  void report(const queue::Job& job, const std::vector<smtp::Outcome>& outcomes, const Outbound* outbound);
  void end_if_idle();
  Connections::iterator connection_of(const Outbound& outbound);
  void drop_outbound(Connection& connection);
  void end(Connections::iterator connection);
  void arm();
  queue::Now now() const;
  WallTime shown(WallTime due) const;
  double random();
  const route::MachineAddresses& machine_addresses();

  Shared& shared_;
  Loop& loop_;
  const Lifetime lifetime_;
  queue::Queue queue_;
  std::unique_ptr<dns::Resolver> resolver_;
  Settling settling_;
  Connections connections_;
  std::unordered_map<const Outbound*, std::uint64_t> connection_ids_;
  std::uint64_t last_id_ = 0;
  std::map<route::Destination, std::vector<std::uint64_t>> idle_;  // those that wait for a message, by destination
  std::list<std::uint64_t> idle_order_;                            // the same, the longest first
  deliver::ConnectionBudget::Member budget_;
  bool has_room_ = false;                                          // the budget has said so, and it was not used yet
  Instant paused_until_{};                                         // no descriptors: nothing is opened before then
  Instant pause_told_{};
  route::MachineAddresses machine_;
  std::optional<Instant> machine_asked_;
  bool scheduled_ = false;
  bool shutting_down_ = false;
  bool held_up_ = false;             // the spool takes nothing
  std::size_t fetches_ = 0;          // under way
  Instant began_{};
  WallTime wall_at_begin_{};
  std::function<void()> on_idle_;
  std::unique_ptr<Timer> wake_;
};

}  // namespace adieu::deliver
