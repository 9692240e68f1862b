// See outbound.h.
#include "adieu/relay/deliver/outbound.h"

#include <algorithm>
#include <utility>

#include "adieu/base/result.h"
#include "adieu/relay/observe/events.h"
#include "adieu/relay/queue/settle.h"

namespace adieu::deliver {
namespace {

smtp::Outcome unreachable(const Candidate& candidate, const std::string& why) {
  smtp::Outcome outcome;
  outcome.status = {4, 4, 1};
  outcome.detail = "connect to " + candidate.text() + ": " + why;
  return outcome;
}

/// Whether one of the relay's own listeners is there. `local`: our end of a connection to it, which has the same address on one machine.
bool is_ours(const std::vector<Endpoint>& own, const Endpoint& remote, const std::optional<IpAddress>& local) {
  return std::any_of(own.begin(), own.end(), [&](const Endpoint& listener) {
    if (listener.port != remote.port) return false;
    const bool wildcard = listener.address == IpAddress::v4({}) || listener.address == IpAddress::v6({});
    return listener.address == remote.address || (wildcard && local == remote.address);
  });
}

}  // namespace

Outbound::Outbound(Loop& loop, const OutboundProfile& profile, std::vector<Candidate> candidates, std::size_t tries,
                   spool::Spool& spool, Owner& owner, observe::Closures& closures, Log& log)
    : loop_(loop),
      profile_(profile),
      candidates_(std::move(candidates)),
      tries_(tries),
      spool_(spool),
      owner_(owner),
      closures_(closures),
      log_(log),
      timer_(loop.timer([this] {
               if (connection_) {
                 connection_->expire(loop_.now());
                 work();
               } else {
                 try_next(unreachable(candidates_[at_], "timed out"));
               }
      })) {
  check(!candidates_.empty(), "a connection has somewhere to go");
}

Outbound::~Outbound() = default;

void Outbound::start() {
  // Never within the owner's call: the first failure may come at once.
  loop_.post(lifetime_.bind([this] { try_candidate(); }));
}

void Outbound::try_candidate() {
  const Candidate& candidate = candidates_[at_];
  id_ = closures_.next_connection();
  if (is_ours(profile_.own, candidate.endpoint, std::nullopt)) {
    refuse_loop();
    return;
  }
  auto stream = loop_.connect(candidate.endpoint, [this](const std::optional<Error>& error) { on_connected(error); });
  using Whose = ConnectFailure::Whose;
  if (stream || stream.error().whose == Whose::peer) ++dialled_;
  if (!stream) {
    lacked_descriptors_ = stream.error().whose == Whose::ours;
    smtp::Outcome failure = unreachable(candidate, stream.error().error.message);
    if (lacked_descriptors_) {
      close(std::move(failure));
    } else {
      try_next(std::move(failure));
    }
    return;
  }
  connecting_ = std::move(*stream);
  timer_->set(loop_.now() + profile_.connect_timeout);
}

void Outbound::on_connected(const std::optional<Error>& error) {
  if (error) {
    try_next(unreachable(candidates_[at_], error->message));
    return;
  }
  const auto local = connecting_->local_endpoint();
  if (local && is_ours(profile_.own, candidates_[at_].endpoint, local->address)) {
    refuse_loop();
    return;
  }
  connection_profile_ = profile_.connection;
  if (plaintext_only_) connection_profile_.starttls = smtp::ClientStartTls::never;
  if (connection_profile_.starttls != smtp::ClientStartTls::never) {
    channels_ = profile_.channels(candidates_[at_].host);
    connection_profile_.channels = channels_.get();
  }
  connection_ = std::make_unique<smtp::ClientConnection>(connection_profile_, loop_.now());
  transport_ = std::make_unique<smtp::Transport<smtp::ClientConnection>>(loop_, std::move(connecting_), *connection_, [this] { work(); });
  work();
}

/// This candidate did not get as far as being ready for mail: the next one may (RFC 5321 section 5.1).
void Outbound::try_next(smtp::Outcome failure) {
  end_connection();
  plaintext_only_ = false;
  failure.host = relay();
  owner_.on_tried(*this, failure);
  // That there is no way to IPv6 says less than what IPv4 answered.
  if (!last_failure_ || dialled_ != told_dialled_) last_failure_ = std::move(failure);
  told_dialled_ = dialled_;
  if (at_ + 1 < candidates_.size() && dialled_ < tries_) {
    ++at_;
    try_candidate();
    return;
  }
  close(last_failure_);
}

/// Those behind this one are no better (RFC 5321 section 5.1); those before it may be back later.
void Outbound::refuse_loop() {
  smtp::Outcome loop;
  loop.fate = profile_.configured_host ? smtp::Fate::deferred : smtp::Fate::failed;
  loop.status = {static_cast<std::uint16_t>(profile_.configured_host ? 4 : 5), 4, 6};
  loop.detail = candidates_[at_].text() + " is this relay itself: mail loops back";
  if (profile_.configured_host) loop.detail += " (`host` of next-hop " + profile_.next_hop + ")";
  close(last_failure_ ? last_failure_ : loop);
}

void Outbound::close(std::optional<smtp::Outcome> failure) {
  end_connection();
  if (failure && failure->host.empty()) failure->host = relay();
  owner_.on_closed(*this, failure);  // destroys this, later
}

void Outbound::end_connection() {
  timer_->set(std::nullopt);
  connecting_.reset();
  transport_.reset();
  connection_.reset();
  channels_.reset();
}

void Outbound::send(mail::Envelope envelope, MailSource source) {
  ++messages_;
  source_ = std::move(source);
  supplied_ = 0;
  const std::uint64_t size = source_.head->trace.size() + source_.head->size;
  connection_->send({std::move(envelope), size}, loop_.now());
  work_later();
}

void Outbound::quit() {
  connection_->quit(loop_.now());
  work_later();
}

void Outbound::cut() {
  cut_ = true;
  lifetime_.end();  // what was posted has nothing to do any more
  if (!connection_) {
    close(std::nullopt);
    return;
  }
  connection_->abandon("the relay stops");
  work();
  if (!connection_) return;
  connection_->give_up("shutdown", loop_.now());
  work();
}

/// For what the owner asks for. It is done in the next turn of the loop, because it may end the connection, and the owner is not to be told of
/// that from within its own call.
void Outbound::work_later() {
  if (working_) return;  // the owner's answer to on_ready
  loop_.post(lifetime_.bind([this] {
    if (connection_) work();
  }));
}

void Outbound::work() {
  if (working_) return;
  working_ = true;
  for (;;) {
    smtp::ClientConnectionAction action = connection_->next_action(loop_.now());
    tell_layer_ends();
    if (std::holds_alternative<smtp::Ready>(action)) {
      was_ready_ = true;
      owner_.on_ready(*this);
      continue;
    }
    if (const auto* wants = std::get_if<smtp::WantsMailData>(&action)) {
      if (wants->from_start) supplied_ = 0;
      supply(wants->octets);
      if (!reading_) continue;
    } else if (auto* finished = std::get_if<smtp::Finished>(&action)) {
      source_ = {};
      for (smtp::Outcome& outcome : finished->outcomes) outcome.host = relay();
      owner_.on_finished(*this, std::move(finished->outcomes));
      continue;
    } else if (auto* closed = std::get_if<smtp::ClientClosed>(&action)) {
      working_ = false;
      const smtp::ClientClosed end = std::move(*closed);
      if (cut_) {
        close(std::nullopt);
      } else if (end.tls_failed && profile_.plaintext_after_tls_failure && !was_ready_ && !plaintext_only_) {
        log_.write(LogLevel::info, LogLine("tls-fallback")
                                       .field("next-hop", profile_.next_hop)
                                       .field("relay", relay())
                                       .field("reason", end.failure ? queue::reply_line(*end.failure) : ""));
        end_connection();
        plaintext_only_ = true;
        try_candidate();
      } else if (!was_ready_ && end.failure) {
        try_next(*end.failure);
      } else {
        close(end.failure);
      }
      return;
    }
    if (connection_->output().empty() || !transport_->write()) break;
  }
  transport_->await_input(true);
  timer_->set(connection_->deadline());
  working_ = false;
}

/// At most `octets` of what has not been supplied yet.
void Outbound::supply(std::size_t octets) {
  const std::string& trace = source_.head->trace;
  const std::uint64_t size = trace.size() + source_.head->size;
  if (supplied_ < trace.size()) {
    const Octets part = Octets(trace).substr(supplied_, octets);
    supplied_ += part.size();
    connection_->supply(part, supplied_ == size);
    return;
  }
  const std::uint64_t offset = supplied_ - trace.size();
  if (source_.mail_data) {
    const Octets part = Octets(*source_.mail_data).substr(offset, octets);
    supplied_ += part.size();
    connection_->supply(part, supplied_ == size);
    return;
  }
  if (reading_) return;
  reading_ = true;
  spool_.read(*source_.head, offset, octets, loop_,
              lifetime_.bind([this, head = source_.head](const Result<std::string>& part) { supply_from_spool(head, part); }));
}

void Outbound::supply_from_spool(const std::shared_ptr<const spool::MessageHead>& head, const Result<std::string>& part) {
  reading_ = false;
  if (source_.head != head) return;  // the attempt was over before the disk answered
  if (!part || part->empty()) {
    log_.write(LogLevel::error, LogLine("spool-read")
                                    .field("queue-id", head->id.text())
                                    .field("error", part ? "mail data is shorter than its record says" : part.error().message)
                                    .field("hint", "the delivery is tried again; check the spool's disk"));
    connection_->abandon("the mail data could not be read");
  } else {
    supplied_ += part->size();
    connection_->supply(*part, supplied_ == head->trace.size() + head->size);
  }
  work();
}

void Outbound::tell_layer_ends() {
  for (tls::LayerEnd& end : connection_->take_layer_ends()) {
    if (!end.secure) continue;
    const Candidate& candidate = candidates_[at_];
    if (source_.head && end.effect == tls::Effect::rolled_back) end.messages.push_back(observe::summary(*source_.head));
    closures_.record({observe::Role::client, std::move(end), candidate.endpoint, profile_.next_hop, candidate.host, id_}, profile_.alarm);
  }
}

}  // namespace adieu::deliver
