// A client from outside that holds its connection for as long as the relay lets it, and comes again at once: what it takes is missing for others.
#pragma once

#include <memory>
#include <string>

#include "network.h"

namespace adieu::world {

class Holder final : Stream::User {
 public:
  enum class Manner : std::uint8_t {
    says_nothing,
    never_ends_a_command,    // of which an octet comes now and then
    hardly_takes_a_reply,    // of which there are many
  };
  /// Until then.
  Holder(Host& host, Endpoint relay, Manner manner, Instant until);
  bool done() const { return host_.now() >= until_ && !stream_; }

 private:
  void come();
  void go_on();
  void say();
  void on_octets(Octets) override {}
  void on_end(Transfer) override { ended_ = true; }
  void on_taken(std::size_t count) override;

  Host& host_;
  const Endpoint relay_;
  const Manner manner_;
  const Instant until_;
  std::string words_;  // what is not taken yet
  bool ended_ = false;
  Instant came_{};
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Timer> timer_;
};

}  // namespace adieu::world
