// A TCP connection under a pure one: reads into it, writes out of it, and tells it exactly how much the kernel took.
#pragma once

#include <array>
#include <cstddef>
#include <functional>

#include "adieu/base/clock.h"
#include "io/uv/loop.h"
#include "io/uv/socket.h"

namespace adieu::daemon {

/// `Connection` is smtp::ServerConnection or smtp::ClientConnection; the transport neither owns it nor keeps it.
class Transport {
 public:
  /// Where a loop reads to before the connection takes it; one for each thread.
  static constexpr std::size_t kBlock = 65'536;

  Transport(uv::Loop& loop, uv::Descriptor socket, std::function<void(int)> on_ready)
      : socket_(std::move(socket)), poll_(loop, socket_.get(), std::move(on_ready)) {}
  /// What came unread is taken from the kernel first: closing over it would send RST and could destroy our last octets on their way.
  ~Transport() {
    if (!ended_) discard();
    poll_.set(0);
  }
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  /// Reads what is there, a few blocks at most. True when the connection was given anything: octets, FIN or RST.
  template <class Connection>
  bool read(Connection& connection, Instant now) {
    bool any = false;
    for (int blocks = 0; blocks < kBlocksAtOnce && !ended_; ++blocks) {
      const uv::Transferred result = uv::receive(socket_, block().data(), block().size());
      switch (result.how) {
        case uv::Transfer::done: connection.receive(Octets(block().data(), result.octets), now); break;
        case uv::Transfer::again: return any;
        case uv::Transfer::eof:
          ended_ = true;
          connection.receive_eof(now);
          break;
        case uv::Transfer::reset:
          ended_ = true;
          connection.receive_reset(now);
          break;
      }
      any = true;
      if (result.octets < block().size()) return any;
    }
    return any;
  }

  /// Writes what the kernel takes. True when it took everything; false when it is full (its room will be announced) or gone.
  template <class Connection>
  bool write(Connection& connection, Instant now) {
    const Octets output = connection.output();
    const uv::Transferred result = uv::send(socket_, output);
    if (result.how == uv::Transfer::reset) {
      ended_ = true;
      connection.receive_reset(now);
      return true;  // the connection has something to say about it
    }
    const bool whole = result.octets == output.size();
    if (result.octets != 0) connection.sent(result.octets, now);
    return whole;
  }

  /// What to wait for from now on.
  void await(bool input, bool room) { poll_.set((input && !ended_ ? UV_READABLE : 0) | (room ? UV_WRITABLE : 0)); }

  const uv::Descriptor& socket() const { return socket_; }

 private:
  static constexpr int kBlocksAtOnce = 4;
  using Block = std::array<char, kBlock>;
  static Block& block() {
    thread_local Block block;
    return block;
  }
  void discard() {
    for (int blocks = 0; blocks < kBlocksAtOnce; ++blocks) {
      if (uv::receive(socket_, block().data(), block().size()).how != uv::Transfer::done) return;
    }
  }

  uv::Descriptor socket_;
  bool ended_ = false;  // FIN or RST came
  uv::Poll poll_;
};

}  // namespace adieu::daemon
