// One client of the load: connects, perhaps STARTTLS, sends its share of messages one command at a time, as smtp-source does, and tells how
// long each final dot waited for its 250. Ends the program's run on the first reply that is not the one wished for.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire.h"

namespace adieu::bench {

using Clock = std::chrono::steady_clock;

struct Options {
  std::uint16_t port = 0;
  unsigned sessions = 50;
  std::uint64_t messages = 1000;
  std::uint64_t per_session = 1;
  unsigned recipients = 1;
  std::size_t size = 4096;
  std::size_t pace = 0;  // octets of mail data a second in each session; 0: as fast as they go
  bool tls = false;
  bool hold = false;  // stop after EHLO (under TLS, if asked for) and keep the connection
};

// What all sessions share.
struct Load {
  Options options;
  TlsClient tls;
  std::string mail_data;  // with its final dot
  std::uint64_t begun = 0;
  std::uint64_t accepted = 0;
  std::uint64_t connections = 0;
  unsigned held = 0;
  std::vector<std::uint32_t> waits;  // microseconds from the dot to its 250
};

class LoadSession {
 public:
  LoadSession(Load& load, int epoll) : load_(load), epoll_(epoll) {}

  // Begins a connection. False once there is nothing left to send: the session is over.
  bool start();
  // Does what can be done now. False where the session is over.
  bool ready();
  bool waits_for_greeting() const { return state_ == State::greeting; }
  bool connect_again();
  const std::string& error() const { return error_; }
  bool paced() const { return state_ == State::body && load_.options.pace != 0; }

 private:
  enum class State { connecting, greeting, hello, starttls, handshake, mail, recipient, data, body, accepted, quit };

  bool take_replies();
  bool on_reply(int code);
  bool begin_message();
  void command(State next, std::string_view line);
  bool flush();
  bool shake_hands();
  void watch(bool write);
  bool fail(std::string_view what);

  Load& load_;
  int epoll_;
  Wire wire_;
  State state_ = State::connecting;
  bool secure_ = false;
  bool watching_write_ = false;
  std::uint64_t sent_messages_ = 0;
  unsigned recipients_ = 0;
  std::string commands_;
  std::string_view out_;  // what is still to be sent: of commands_ or of the mail data
  std::string in_;
  Clock::time_point body_began_;
  Clock::time_point dot_sent_;
  std::string error_;
};

}  // namespace adieu::bench
