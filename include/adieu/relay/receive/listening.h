// A listener's part in one loop: accepts, keeps to the limits on connections, owns the connections until they end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "adieu/relay/access/limits.h"
#include "adieu/relay/receive/inbound.h"

namespace adieu::receive {

class Listening final : Listener::User {
 public:
  /// `on_idle` is called after `shut_down` when the last connection has ended.
  Listening(Loop& loop, const ListenerProfile& profile, access::ConnectionLimits& limits,
            MailHandler& handler, observe::Closures& closures, Log& log, std::function<void()> on_idle);
  ~Listening();
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

  /// Whom connections come from. `listen` makes the listener that tells this.
  void begin(const std::function<std::unique_ptr<Listener>(Listener::User&)>& listen) { listener_ = listen(*this); }
  /// Accepts no more; ends every session with 421 once what it is doing is done.
  void shut_down();
  /// Ends those that are left, now.
  void cut();
  std::size_t connections() const { return inbound_.size(); }

 private:
  void on_accepted(Accepted accepted) override;
  void on_failure(const Error& error) override { tell_out_of_descriptors(error.message); }
  void turn_away(Stream& stream);
  void tell_out_of_descriptors(const std::string& error);
  void end(std::uint64_t id);
  std::vector<Inbound*> all() const;  // of which each may end while it is worked on

  Loop& loop_;
  const ListenerProfile& profile_;
  access::ConnectionLimits& limits_;
  MailHandler& handler_;
  observe::Closures& closures_;
  Log& log_;
  std::function<void()> on_idle_;
  bool shutting_down_ = false;
  std::uint64_t last_id_ = 0;
  struct Entry {
    IpAddress address;
    std::unique_ptr<Inbound> inbound;
  };
  std::unordered_map<std::uint64_t, Entry> inbound_;
  std::unique_ptr<Listener> listener_;
};

}  // namespace adieu::receive
