// The control socket of a running relay: a Unix-domain socket that only its owner and root may open. One line of JSON asks, lines of JSON answer, an
// empty line ends the answer, then it is closed. Answers are made part by part, as the asker takes them, so that a long one costs the memory of one part.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "adieu/base/log.h"
#include "io/uv/loop.h"
#include "io/uv/stream.h"

namespace adieu::daemon {

class Control final : Listener::User {
 public:
  struct Part {
    std::string lines;   // whole lines; may be empty
    bool last = false;
  };
  /// Makes the next part of an answer: calls `give` once, on this loop's thread, now or later. It is asked for the next part when the asker has taken
  /// this one, and destroyed when the connection ends.
  using Answer = std::function<void(std::function<void(Part)> give)>;
  /// `request`: one line without its end.
  using Handler = std::function<Answer(const std::string& request)>;

  /// How long a connection may take to ask, and to take something of its answer.
  static constexpr Duration kPatience = std::chrono::seconds(60);

  Control(uv::Loop& loop, uv::Descriptor socket, Handler handler, Duration patience = kPatience);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

 private:
  static constexpr std::size_t kRequestLimit = 65'536;
  static constexpr std::size_t kConnections = 16;

  class Connection;

  void on_accepted(Accepted accepted) override;
  void on_failure(const Error&) override {}  // that the machine is out of descriptors, the relay's listeners say
  bool make_room();
  void close(std::uint64_t id);

  Loop& loop_;
  Handler handler_;
  const Duration patience_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Connection>> connections_;  // the oldest first
  uv::Listener listener_;
};

/// An answer of one part.
Control::Answer whole_answer(std::string lines);

/// The command line's side: asks, and gives each line of the answer, without its end, to `on_line` as it comes; false from it ends the reading. Blocking, but
/// never for longer than `patience` at a time. Errors: refused or not_found when no relay listens at `path`, timeout when it does not answer.
Result<> ask_relay(const std::string& path, const std::string& request, const std::function<bool(std::string_view line)>& on_line,
                   Duration patience = std::chrono::seconds(30));
/// The same, with the whole answer at once.
Result<std::string> ask_relay(const std::string& path, const std::string& request);

}  // namespace adieu::daemon
