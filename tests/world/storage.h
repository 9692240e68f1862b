// Where a world's messages are kept: in memory (tests/support/memory_spool.h), or in the durable spool on a disk of the world's (durable_spool.h).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "adieu/base/log.h"
#include "adieu/relay/spool/spool.h"
#include "clock.h"

namespace adieu::world {

class Storage {
 public:
  virtual ~Storage() = default;
  /// The same, as long as the world lasts; to be used by the process that was started.
  virtual spool::Spool& port() = 0;
  /// `ready`, once a process can use the spool: now or later, or never, where it is killed before.
  virtual void start(std::function<void()> ready) = 0;
  /// Whether there is a process, be it that it only waits to be ready.
  virtual bool started() const = 0;
  /// The process dies at this moment. What it still does while it is destroyed changes nothing; `bury` comes behind that.
  virtual void kill() = 0;
  virtual void bury() = 0;
  /// So many messages are stored; more, as long as that is not known.
  virtual std::size_t stored() const = 0;
  /// Whether mail may have been refused for the spool's sake, again and again.
  virtual bool was_in_trouble() const = 0;
  /// What does not hold of a process that has nothing to do.
  virtual void judge_running(std::vector<std::string>& faults) = 0;
  /// What did not hold. `at_rest`: nothing should be stored any more; the process is gone, in order.
  virtual void judge(bool at_rest, std::vector<std::string>& faults) = 0;
};

/// `fails`: some of its operations do, once each.
std::unique_ptr<Storage> memory_storage(Clock& clock, bool fails);
/// `crash`: kills the process that uses it, from within an event; it asks for that at moments that matter.
std::unique_ptr<Storage> durable_storage(Clock& clock, Log& log, std::function<void()> crash);

}  // namespace adieu::world
