// See listening.h.
#include "adieu/relay/receive/listening.h"

#include <utility>
#include <vector>

#include "adieu/protocol/smtp/reply_catalog.h"
#include "adieu/relay/observe/events.h"

namespace adieu::receive {
namespace {
constexpr std::size_t kReserves = 2;  // connections to next hops leave one
}  // namespace

Listening::Listening(Loop& loop, const ListenerProfile& profile, access::ConnectionLimits& limits,
                     MailHandler& handler, observe::Closures& closures, Log& log, std::function<void()> on_idle)
    : loop_(loop),
      profile_(profile),
      limits_(limits),
      handler_(handler),
      closures_(closures),
      log_(log),
      on_idle_(std::move(on_idle)) {}

Listening::~Listening() {
  for (const auto& [id, entry] : inbound_) limits_.release(entry.address, profile_.number);
}

/// Nothing but TLS may be said on an implicit listener.
void Listening::turn_away(Stream& stream) {
  if (profile_.connection.tls != smtp::ServerTls::implicit) stream.write(smtp::reply::too_many_connections().wire());
}

void Listening::tell_out_of_descriptors(const std::string& error) {
  const auto times = profile_.out_of_descriptors.count(loop_.now());
  if (!times) return;
  log_.write(LogLevel::error, LogLine("accept")
                                  .field("listener", profile_.name)
                                  .field("times", *times)
                                  .field("error", error)
                                  .field("hint", "raise the limit on open files (LimitNOFILE) or lower `limits { connections }`"));
}

void Listening::on_accepted(Accepted accepted) {
  if (accepted.stream->is_of_reserve(kReserves)) {
    tell_out_of_descriptors("the rest of the descriptors is held back for the spool, the log and deliveries");
    turn_away(*accepted.stream);
    return;
  }
  const IpAddress address = accepted.peer.address;
  if (const auto refusal = limits_.admit(address, profile_.number)) {
    const smtp::Reply reply = smtp::reply::too_many_connections();
    handler_.turned_away();
    log_.write(LogLevel::info, LogLine("reject")
                                   .field("client", observe::client_text(accepted.peer))
                                   .field("listener", profile_.name)
                                   .field("command", "CONNECT")
                                   .field("limit", access::name(*refusal))
                                   .field("reply", reply.line()));
    turn_away(*accepted.stream);
    return;
  }
  const std::uint64_t id = ++last_id_;
  auto inbound = std::make_unique<Inbound>(loop_, std::move(accepted), profile_, handler_, closures_, [this, id] { end(id); });
  Inbound& started = *inbound;
  inbound_.emplace(id, Entry{address, std::move(inbound)});
  started.start();
}

void Listening::end(std::uint64_t id) {
  const auto found = inbound_.find(id);
  limits_.release(found->second.address, profile_.number);
  // Not destroyed here: this is its own call.
  loop_.post([dead = std::shared_ptr(std::move(found->second.inbound))] {});
  inbound_.erase(found);
  if (shutting_down_ && inbound_.empty()) on_idle_();
}

void Listening::shut_down() {
  shutting_down_ = true;
  listener_.reset();
  if (inbound_.empty()) on_idle_();
  for (Inbound* inbound : all()) inbound->shut_down();
}

void Listening::cut() {
  for (Inbound* inbound : all()) inbound->cut();
}

std::vector<Inbound*> Listening::all() const {
  std::vector<Inbound*> all;
  for (const auto& [id, entry] : inbound_) all.push_back(entry.inbound.get());
  return all;
}

}  // namespace adieu::receive
