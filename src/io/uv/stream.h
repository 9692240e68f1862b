// Streams and listeners by libuv, TCP and Unix-domain. What libuv was given is not what the kernel took: the latter alone counts as taken.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <optional>

#include "io/uv/loop.h"
#include "io/uv/socket.h"

namespace adieu::uv {

class Stream final : public adieu::Stream {
 public:
  /// Takes over a socket that is connected, TCP or Unix-domain.
  Stream(Loop& loop, Descriptor socket);
  ~Stream() override;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  static tl::expected<std::unique_ptr<adieu::Stream>, ConnectFailure> connect(Loop& loop, const Endpoint& endpoint,
                                                                             std::function<void(std::optional<Error>)> decided);

  void use(User* user) override { user_ = user; }
  void read(bool on) override;
  Transferred write(Octets octets) override;
  Transferred receive(char* buffer, std::size_t size) override;
  Result<Endpoint> local_endpoint() const override;
  bool is_of_reserve(std::size_t times) const override;

 private:
  friend class Listener;
  struct Handle;
  explicit Stream(Handle* handle);
  int descriptor() const;
  void taken(int status);

  Handle* const handle_;  // freed when libuv has closed it
  User* user_ = nullptr;
};

class Listener final : public adieu::Listener {
 public:
  /// `socket` listens already; `user` outlives this.
  Listener(Loop& loop, Descriptor socket, User& user);
  ~Listener() override;
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
  User& user_;
  Handle* handle_ = nullptr;  // null: not accepting
  int accepted_ = 0;          // since the loop was let go on
  bool waits_ = false;        // one that libuv has accepted and we have not
  Timer timer_;
};

}  // namespace adieu::uv
