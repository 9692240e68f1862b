// A stream under a pure connection: gives it what comes, writes what it has to say, and tells it exactly how much the kernel took.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>

#include "adieu/base/loop.h"

namespace adieu::smtp {

/// `Connection` is smtp::ServerConnection or smtp::ClientConnection, and outlives this.
template <class Connection>
class Transport final : Stream::User {
 public:
  /// `work`: called when the connection was given something, octets or their end, or room for its output.
  Transport(Loop& loop, std::unique_ptr<Stream> stream, Connection& connection, std::function<void()> work)
      : loop_(loop), stream_(std::move(stream)), connection_(connection), work_(std::move(work)) {
    stream_->use(this);
  }
  /// What came unread is taken from the kernel first: closing over it would send RST and could destroy our last octets on their way.
  ~Transport() {
    for (int blocks = 0; blocks < kBlocksAtOnce && !ended_; ++blocks) {
      if (stream_->receive(block().data(), block().size()).how != Transfer::done) return;
    }
  }
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  /// Gives the connection what the kernel holds at this moment, a few blocks at most. True when that was anything: octets, FIN or RST.
  bool read_now() {
    bool any = false;
    for (int blocks = 0; blocks < kBlocksAtOnce && !ended_; ++blocks) {
      const Transferred result = stream_->receive(block().data(), block().size());
      if (result.how == Transfer::again) return any;
      any = true;
      if (result.how == Transfer::done) {
        connection_.receive(Octets(block().data(), result.octets), loop_.now());
      } else {
        end(result.how);
      }
      if (result.octets < block().size()) return any;
    }
    return any;
  }

  /// Writes what the kernel takes. True when it took everything; false when it is full (`work` is called when it has room).
  bool write() {
    const Octets output = connection_.output();
    const Transferred result = stream_->write(output);
    if (result.how == Transfer::reset) {
      end(result.how);
      return true;  // the connection has something to say about it
    }
    const bool whole = result.octets == output.size();
    if (result.octets != 0) connection_.sent(result.octets, loop_.now());
    return whole;
  }

  /// Whether what comes is to be read from now on.
  void await_input(bool input) { stream_->read(input && !ended_); }

 private:
  static constexpr int kBlocksAtOnce = 4;
  using Block = std::array<char, 65'536>;
  static Block& block() {
    thread_local Block block;
    return block;
  }

  void on_octets(Octets octets) override {
    connection_.receive(octets, loop_.now());
    work_();
  }
  void on_end(Transfer how) override {
    end(how);
    work_();
  }
  void on_taken(std::size_t count) override {
    // A connection that broke meanwhile has dropped its output.
    if (connection_.output().size() >= count) connection_.sent(count, loop_.now());
    work_();
  }
  void end(Transfer how) {
    ended_ = true;
    if (how == Transfer::eof) {
      connection_.receive_eof(loop_.now());
    } else {
      connection_.receive_reset(loop_.now());
    }
  }

  Loop& loop_;
  const std::unique_ptr<Stream> stream_;
  Connection& connection_;
  const std::function<void()> work_;
  bool ended_ = false;  // FIN or RST came
};

}  // namespace adieu::smtp
