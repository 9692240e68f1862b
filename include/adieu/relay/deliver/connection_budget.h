// How many connections to next hops may be open, over all destinations and loops: each takes a descriptor, and the spool, the listeners and the
// control socket need some too.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

namespace adieu::deliver {

/// What of `configured` fits: the process may have `descriptors` open, clients take up to `inbound`, and `reserve` are for all else. Where not all
/// fits, clients and next hops share what there is in the proportion of what they were to have; at least 1.
std::size_t outbound_connections(std::size_t configured, std::size_t inbound, std::size_t descriptors, std::size_t reserve);

/// From any thread. One Member for each loop; all of them gone before this is.
class ConnectionBudget {
 public:
  explicit ConnectionBudget(std::size_t limit) : limit_(limit) {}
  ConnectionBudget(const ConnectionBudget&) = delete;
  ConnectionBudget& operator=(const ConnectionBudget&) = delete;

  class Member {
   public:
    /// Both are called from any thread, with a lock held: they only post. `room`: a connection may be opened that was refused before.
    /// `spare`: somebody waits for one, so that a connection that idles is to be ended.
    Member(ConnectionBudget& budget, std::function<void()> room, std::function<void()> spare);
    ~Member();
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

    /// One connection more. False: there are as many as may be; `room` will be called, unless `take` succeeds before.
    bool take();
    /// One less.
    void give_back();
    /// Whether somebody has been refused one and not yet been told of room.
    bool others_wait() const;
    /// Nothing more is wanted: whoever else waits has the turn that `room` announced.
    void pass_on();

   private:
    friend class ConnectionBudget;
    ConnectionBudget& budget_;
    const std::function<void()> room_;
    const std::function<void()> spare_;
    bool waits_ = false;  // guarded by the budget's mutex_, as is its place in waiting_
  };

  std::size_t used() const;

 private:
  void tell_next();

  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::size_t used_ = 0;              // guarded by mutex_, as the next two
  std::vector<Member*> members_;
  std::deque<Member*> waiting_;       // the longest first
};

}  // namespace adieu::deliver
