// Streams of octets over libuv, TCP and Unix-domain. What the kernel took is known exactly, which R10 and R11 of adieu-closure(7) need: a reply is handed
// over when the transport has taken it, and not when libuv has been given it.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <optional>

#include "io/uv/loop.h"
#include "io/uv/socket.h"

namespace adieu::uv {

/// A connected stream, or one that is being connected. Closed by its destructor, which drops what has not been taken by then.
class Stream {
 public:
  /// Who uses it. Called from the loop, never from within a call to the stream; may destroy it.
  class User {
   public:
    /// While it reads. The octets are gone when this returns.
    virtual void on_octets(Octets octets) = 0;
    /// Nothing comes any more: `eof` or `reset`.
    virtual void on_end(Transfer how) = 0;
    /// The kernel has taken `count` octets of what it did not take at once.
    virtual void on_taken(std::size_t count) = 0;

   protected:
    ~User() = default;
  };

  /// Takes over a socket that is connected, TCP or Unix-domain.
  Stream(Loop& loop, Descriptor socket);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Begins to connect; `decided` is called once, with what went wrong if anything did, unless the stream is destroyed before.
  static tl::expected<std::unique_ptr<Stream>, ConnectFailure> connect(Loop& loop, const Endpoint& endpoint,
                                                                      std::function<void(std::optional<Error>)> decided);

  /// Before it reads or writes; null: nobody is told anything.
  void use(User* user) { user_ = user; }
  /// Whether octets, and the end, are to be told of.
  void read(bool on);
  /// What the kernel takes at once: `done` and how many octets, or `reset`. Where it does not take all, it has been given a part of the rest for the time
  /// when there is room: `on_taken` tells how much of the rest is gone, and until then this gives `again`. The octets from the first one not taken must
  /// stay what they are, or be dropped together with the stream.
  Transferred write(Octets octets);
  /// What the kernel holds now, without waiting for the loop to tell.
  Transferred receive(char* buffer, std::size_t size);
  Result<Endpoint> local_endpoint() const;
  /// Of the system's, for looking at only.
  int descriptor() const;

 private:
  friend class Listener;
  struct Handle;
  explicit Stream(Handle* handle);
  void taken(int status);

  Handle* const handle_;  // freed when libuv has closed it
  User* user_ = nullptr;
};

struct Accepted {
  std::unique_ptr<Stream> stream;
  Endpoint peer;  // 0.0.0.0:0 for a Unix-domain socket
};

/// Accepts connections, a bounded number in one turn of the loop.
class Listener {
 public:
  /// `socket` listens already. `on_failure`: the machine is out of descriptors or memory; it is tried again shortly.
  Listener(Loop& loop, Descriptor socket, std::function<void(Accepted)> on_accepted, std::function<void(const Error&)> on_failure);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

 private:
  struct Handle;
  void open();
  void close();
  void fail(int error);
  void incoming(int status);
  void accept();
  void go_on();

  Loop& loop_;
  const Descriptor socket_;  // libuv has a copy of it
  const std::function<void(Accepted)> on_accepted_;
  const std::function<void(const Error&)> on_failure_;
  Handle* handle_ = nullptr;  // null: not accepting
  int accepted_ = 0;          // since the loop was let go on
  bool waits_ = false;        // one that libuv has accepted and we have not
  Timer timer_;
};

}  // namespace adieu::uv
