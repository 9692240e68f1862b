// The control socket of a running relay: a Unix-domain socket that only its owner and root may open. One line of JSON asks, lines of JSON answer,
// then it is closed. `adieu queue` is its client.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "adieu/base/log.h"
#include "io/uv/loop.h"
#include "io/uv/socket.h"

namespace adieu::daemon {

class Control {
 public:
  /// `request`: one line without its end. `reply` is called once, on this loop's thread, with all lines of the answer.
  using Handler = std::function<void(const std::string& request, std::function<void(std::string lines)> reply)>;

  Control(uv::Loop& loop, uv::Descriptor socket, Handler handler);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

 private:
  static constexpr std::size_t kRequestLimit = 65'536;
  static constexpr std::size_t kConnections = 16;

  struct Connection {
    uv::Descriptor socket;
    std::unique_ptr<uv::Poll> poll;
    std::string request;
    std::string reply;
    std::size_t written = 0;
    bool asked = false;
  };

  void accept();
  void read(std::uint64_t id);
  void write(std::uint64_t id);
  void close(std::uint64_t id);

  uv::Loop& loop_;
  uv::Descriptor socket_;
  Handler handler_;
  std::uint64_t last_id_ = 0;
  std::unordered_map<std::uint64_t, Connection> connections_;
  std::shared_ptr<Control*> self_;
  uv::Poll poll_;
  uv::Timer retry_;  // after the machine ran out of descriptors
};

/// The command line's side: asks and reads the whole answer. Blocking. Errors: refused or not_found when no relay listens at `path`.
Result<std::string> ask_relay(const std::string& path, const std::string& request);

}  // namespace adieu::daemon
