// How many connections to next hops may be open, over all destinations and loops: each takes a descriptor, and the spool, the listeners and the
// control socket need some too. Destinations that do not answer may not take all of them: a tenth is left for those that do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

namespace adieu::deliver {

/// What of `configured` fits: the process may have `descriptors` open, clients take up to `inbound`, and `reserve` are for all else. Where not all
/// fits, clients and next hops share what there is in the proportion of what they were to have; at least 1.
std::size_t outbound_connections(std::size_t configured, std::size_t inbound, std::size_t descriptors, std::size_t reserve);

/// What is known of a connection's destination: whether it answers.
enum class Standing : std::uint8_t { reached, unreached };

/// From any thread. One Member for each loop; all of them gone before this is.
class ConnectionBudget {
 public:
  /// Connections to unreached destinations are at most nine tenths of `limit`, and at least one.
  explicit ConnectionBudget(std::size_t limit);
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
    bool take(Standing standing);
    /// One less; `standing`: as it was taken, or `reached` since `reached` was called for it.
    void give_back(Standing standing);
    /// A connection that was taken for an unreached destination has reached it.
    void reached();
    /// Whether somebody has been refused one, not yet been told of room, and could have the place of a connection that has reached its destination.
    bool others_wait() const;
    /// None of this standing is wanted any more.
    void withdraw(Standing standing);
    /// The turn that `room` announced was not used: whoever else waits has it.
    void pass_on();

   private:
    friend class ConnectionBudget;
    ConnectionBudget& budget_;
    const std::function<void()> room_;
    const std::function<void()> spare_;
  };

  std::size_t used() const;

 private:
  struct Waiting {
    Member* member = nullptr;
    Standing standing{};
    bool operator==(const Waiting&) const = default;
  };

  bool fits(Standing standing, std::size_t used) const;
  void stop_waiting(const Waiting& waiting);
  void tell_next();

  const std::size_t limit_;
  const std::size_t set_aside_;       // of limit_, for reached destinations
  mutable std::mutex mutex_;
  std::size_t used_ = 0;              // guarded by mutex_, as all below
  std::size_t unreached_ = 0;         // of used_
  std::vector<Member*> members_;
  std::deque<Waiting> waiting_;       // the longest first
};

}  // namespace adieu::deliver
