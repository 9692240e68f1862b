// What is seen of every end of every connection from outside, at the ports below and beside it: octets at its stream, and what the channel of its TLS
// layer says. The closure machine of closure.h is walked along with each layer, so that what a connection does is held against the rules while it does it:
// R4 (plaintext again behind R and S alone), R7 (never closed without S, R is waited for), R8 (nothing is said behind a break).
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "adieu/base/ip.h"
#include "adieu/protocol/tls/channel.h"
#include "clock.h"

namespace adieu::world {

class Witness;

/// One end of one connection, from its beginning; stays when the end is gone.
class Sight {
 public:
  Sight(Witness& witness, Endpoint here, Endpoint there, bool by_server);

  const Endpoint local;
  const Endpoint remote;
  const bool accepted;               // by the server's end
  const Instant began;
  std::optional<Instant> ended;
  bool killed = false;               // its process was: what it had open leaves no record
  std::vector<tls::Ending> endings;  // of its TLS layers, in order

  // By the stream.
  void reads(Octets octets);
  void writes(Octets octets);
  void reset() {
    reset_ = true;
    note(tls::Event::rst);
  }
  /// It was asked for what had come, and that was a reset: some ask so as to close, and only R4 asks so as to know.
  void reset_unread() {
    if (received_close_notify()) reset();
  }
  void closes();

 private:
  friend class Witness;
  class Watched;
  void note(tls::Event event);
  void fault(const std::string& what);
  bool received_close_notify() const;

  Witness& witness_;
  tls::State state_ = tls::Plain{};
  std::string word_;               // the layer's events so far
  Watched* channel_ = nullptr;     // of the layer in force
  bool output_left_ = false;       // when the channel went
  bool reset_ = false;             // its peer's end was
  std::optional<Instant> closed_;  // when the channel was told to say close_notify
};

class Witness {
 public:
  explicit Witness(const Clock& clock) : clock_(clock) {}

  std::shared_ptr<Sight> see(Endpoint local, Endpoint remote, bool accepted);
  void gone(Sight& sight);
  /// The end that something happens at, until it happens at another one: a channel that is made belongs to it.
  void at(std::shared_ptr<Sight> sight) { at_ = std::move(sight); }
  /// The process at that address is about to be killed.
  void kill(const IpAddress& address);
  /// The same channels, watched. The witness outlives them.
  std::unique_ptr<tls::ChannelFactory> watch(std::unique_ptr<tls::ChannelFactory> channels);

  /// Ends that are open, of a process or of all.
  std::size_t open(const IpAddress& address) const;
  std::size_t open() const { return live_.size(); }
  const std::vector<std::shared_ptr<Sight>>& all() const { return all_; }
  std::vector<std::string> faults;
  /// No envelope goes in clear.
  bool tls_required = false;
  /// The layers that came to an end: their events in order, and the state they led to.
  std::set<std::string> walks;

 private:
  friend class Sight;
  class WatchedChannels;
  const Clock& clock_;
  std::shared_ptr<Sight> at_;
  std::set<Sight*> live_;
  std::vector<std::shared_ptr<Sight>> all_;
};

}  // namespace adieu::world
