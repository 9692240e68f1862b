// The loop that everything lives in which has time or a peer, as a port: io/uv implements it by libuv, tests by a world of their own. A loop and all that
// was made by it belong to one thread; only `post` may be called from others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "adieu/base/bytes.h"
#include "adieu/base/clock.h"
#include "adieu/base/ip.h"
#include "adieu/base/result.h"
#include "adieu/base/task.h"

namespace adieu {

/// Calls back once when an instant has come. Never within the call to `set`.
class Timer {
 public:
  virtual ~Timer() = default;
  /// None: never.
  virtual void set(Deadline when) = 0;
};

enum class Transfer : std::uint8_t { done, again, eof, reset };
struct Transferred {
  Transfer how = Transfer::again;
  std::size_t octets = 0;
};

/// A connected stream of octets, or one that is being connected. Closed by its destructor, which drops what has not been taken by then. What the
/// transport took is known exactly, which R10 and R11 of adieu-closure(7) need: a reply is handed over when the transport has taken it.
class Stream {
 public:
  /// Who uses it. Called from the loop, never from within a call to the stream; may destroy it.
  class User {
   public:
    /// While it reads. The octets are gone when this returns.
    virtual void on_octets(Octets octets) = 0;
    /// Nothing comes any more: `eof` or `reset`.
    virtual void on_end(Transfer how) = 0;
    /// The transport has taken `count` octets of what it did not take at once.
    virtual void on_taken(std::size_t count) = 0;

   protected:
    ~User() = default;
  };

  virtual ~Stream() = default;
  /// Before it reads or writes; null: nobody is told anything.
  virtual void use(User* user) = 0;
  /// Whether octets, and the end, are to be told of.
  virtual void read(bool on) = 0;
  /// What the transport takes at once: `done` and how many octets, or `reset`. Where it does not take all, it has been given a part of the rest for the
  /// time when there is room: `on_taken` tells how much of the rest is gone, and until then this gives `again`. The octets from the first one not taken
  /// must stay what they are, or be dropped together with the stream.
  virtual Transferred write(Octets octets) = 0;
  /// What has come by this moment, without waiting for the loop to tell.
  virtual Transferred receive(char* buffer, std::size_t size) = 0;
  virtual Result<Endpoint> local_endpoint() const = 0;
  /// The machine is so short of descriptors that this one should not have been given to a connection. `times`: how often the reserve is to be left.
  virtual bool is_of_reserve(std::size_t times) const = 0;
};

struct Accepted {
  std::unique_ptr<Stream> stream;
  Endpoint peer;  // 0.0.0.0:0 for a Unix-domain socket
};

/// Accepts connections until it is destroyed, a bounded number in one turn of the loop.
class Listener {
 public:
  class User {
   public:
    /// May destroy the listener.
    virtual void on_accepted(Accepted accepted) = 0;
    /// The machine is out of descriptors or memory; it is tried again by itself after kOutOfDescriptors.
    virtual void on_failure(const Error& error) = 0;

   protected:
    ~User() = default;
  };
  virtual ~Listener() = default;
};

/// How long to wait before something is tried again that found no descriptor.
constexpr Duration kOutOfDescriptors = std::chrono::milliseconds(200);

/// Why no connection came about.
struct ConnectFailure {
  enum class Whose : std::uint8_t {
    peer,      // the other end, or the way to it
    no_route,  // this machine has no way to that family or network: known at once, and costs nothing
    ours,      // this machine is out of descriptors, ports or memory: says nothing about the other end, and passes
  };
  Whose whose = Whose::peer;
  Error error;
};

class Loop : public Executor {
 public:
  /// As of this turn of the loop.
  virtual Instant now() const = 0;
  virtual WallTime wall() const = 0;
  /// 64 random bits; not for secrets.
  virtual std::uint64_t random() = 0;
  virtual std::unique_ptr<Timer> timer(std::function<void()> callback) = 0;
  /// Begins to connect; `decided` is called once, with what went wrong if anything did, unless the stream is destroyed before.
  virtual tl::expected<std::unique_ptr<Stream>, ConnectFailure> connect(const Endpoint& endpoint,
                                                                        std::function<void(std::optional<Error>)> decided) = 0;
};

}  // namespace adieu
