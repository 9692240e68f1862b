// See server_connection.h.
#include "adieu/protocol/smtp/server_connection.h"

#include <utility>

#include "adieu/base/result.h"

namespace adieu::smtp {
namespace {
/// What the end of a layer costs. A QUIT proves nothing of an acknowledgement that it came before (R11).
tls::Effect effect_of(const ServerStanding& standing, bool unconfirmed) {
  if (standing.unacknowledged) return tls::Effect::revoked;
  if (standing.in_transaction) return tls::Effect::rolled_back;
  if (unconfirmed) return tls::Effect::ack_unconfirmed;
  if (standing.quit_answered) return tls::Effect::after_quit;
  return tls::Effect::none;
}
}  // namespace

ServerConnection::ServerConnection(const ServerConnectionProfile& profile, Instant now) : profile_(profile), layer_(now) {
  check(profile.tls == ServerTls::off || profile.channels != nullptr, "a TLS listener has a channel factory");
  if (profile.tls == ServerTls::implicit) {
    begin_tls(now);
  } else {
    begin_plaintext(true, now);
  }
}

ServerConnection::~ServerConnection() = default;

void ServerConnection::begin_plaintext(bool greets, Instant now) {
  const ServerLayer layer{.secure = false,
                          .offers_starttls = profile_.tls != ServerTls::off,
                          .requires_tls = profile_.tls == ServerTls::required,
                          .returns_to_plaintext = false,
                          .greets = greets};
  layer_.begin_plaintext(now);
  session_ = std::make_unique<ServerSession>(profile_.session, layer, now, standing_.counts);
  course_ = Course::going_on;
}

void ServerConnection::begin_tls(Instant now) {
  layer_.begin_tls(profile_.channels->make(), now, now + profile_.handshake_timeout);
  ++standing_.counts.layers;
  course_ = Course::going_on;
  if (shutting_down_) break_layer(tls::Event::timeout, "shutdown", now);
}

void ServerConnection::begin_secure_session(Instant now) {
  unconfirmed_.clear();  // of the plaintext session: its client has gone on
  stays_plain_ = profile_.returns_to_plaintext && profile_.tls != ServerTls::implicit;
  const ServerLayer layer{.secure = true,
                          .offers_starttls = false,
                          .requires_tls = false,
                          .returns_to_plaintext = stays_plain_,
                          .greets = profile_.tls == ServerTls::implicit};
  session_ = std::make_unique<ServerSession>(profile_.session, layer, now, standing_.counts);
}

void ServerConnection::receive(Octets octets, Instant now) {
  if (course_ == Course::ending || octets.empty()) return;
  switch (layer_.receive(octets)) {
    case tls::Layer::Place::channel:
    case tls::Layer::Place::nowhere: break;
    case tls::Layer::Place::behind_close_notify: break_layer(tls::Event::octets_behind, "octets behind close_notify", now); break;
    case tls::Layer::Place::session:
      if (course_ == Course::starting_tls) {
        // Nobody can answer a 220 that has not been handed over: these octets stood in the clear behind STARTTLS (CVE-2011-0411).
        break_layer(tls::Event::octets_behind, "octets behind STARTTLS", now);
      } else if (course_ != Course::finishing) {
        heard();
        session_->receive(octets, now);
      }
  }
}

void ServerConnection::receive_eof(Instant now) {
  layer_.receive_eof();
  if (!layer_.is_tls()) break_layer(tls::Event::fin, "", now);
}

void ServerConnection::receive_reset(Instant now) {
  break_layer(tls::Event::rst, "", now);
  abandon(now);
}

/// Nothing more can be handed over: the transport is gone, or the peer does not read.
void ServerConnection::abandon(Instant now) {
  end_session();
  if (course_ == Course::closing) finish_layer(now);
  course_ = Course::ending;
  layer_.drop();
}

/// True when a record's plaintext was given to the session: it is carried out before anything behind it is read (R2).
bool ServerConnection::work_on_channel(Instant now) {
  while (wants_input()) {
    // Reading goes on while a question is open, so that the end of the layer is noticed, but not while the session has work that it could do.
    if (course_ == Course::going_on && session_ && question_ == 0 && !settled_) return false;
    std::string plaintext;
    switch (layer_.step(plaintext)) {
      case tls::ChannelEvent::wants_input: return false;
      case tls::ChannelEvent::established: begin_secure_session(now); return true;
      case tls::ChannelEvent::plaintext:
        heard();
        // R7: what still comes once we have ended the session is read and discarded.
        if (course_ != Course::going_on) break;
        session_->receive(plaintext, now);
        settled_ = false;
        return true;
      case tls::ChannelEvent::close_notify: peer_closed(now); return false;
      case tls::ChannelEvent::broken: break_layer(layer_.failure().event, layer_.failure().detail, now); return false;
    }
  }
  return false;
}

/// R. Everything before it has been given to the session.
void ServerConnection::peer_closed(Instant now) {
  heard();
  if (layer_.is_over()) {
    end_or_go_on(now);  // S had been handed over before
  } else if (layer_.unread() != 0) {
    break_layer(tls::Event::octets_behind, "octets behind close_notify", now);
  } else if (course_ == Course::closing) {
    // S stands in the output already; the machine completes once it has been handed over.
  } else if (layer_.info()->discards_pending_writes) {
    // R2, TLS 1.2: replies that are there by now become records, those whose question is open are dropped.
    encrypt(Encrypting::all);
    close_layer(now);
  } else {
    course_ = Course::replying;
  }
}

/// Writes S. The session is asked nothing more, but lives until S has been handed over: its replies stand before S in the output, and a 2xx among them
/// makes its message ours when it is handed over. What is still open then rolls back with the session.
void ServerConnection::close_layer(Instant now) {
  question_ = 0;
  layer_.close(now + profile_.close_notify_timeout);
  course_ = Course::closing;
}

/// The layer is over.
void ServerConnection::end_or_go_on(Instant now) {
  finish_layer(now);
  if (stays_plain_ && layer_.leads_to_plaintext()) {
    begin_plaintext(false, now);
    return;
  }
  course_ = Course::ending;
  layer_.drop();
}

void ServerConnection::end_session() {
  if (!session_) return;
  standing_ = session_->standing();
  peer_name_ = session_->client_name().name;
  for (Refusal& refusal : session_->take_refusals()) refusals_.push_back(std::move(refusal));
  session_.reset();
  question_ = 0;
}

/// R8: no further octet of the connection is trusted or answered. R4: where octets came behind R, S is still sent.
void ServerConnection::break_layer(tls::Event event, std::string detail, Instant now) {
  if (course_ == Course::ending) return;
  if (layer_.is_handshaking() && detail.empty()) detail = name(tls::plaintext_ending(event));
  if (!layer_.break_by(event, std::move(detail))) return;
  if (layer_.is_injected()) {
    close_layer(now);
    return;
  }
  // Records are numbered, so an alert can only follow all that were made before it. Where one of them holds a 2xx to an end of data that was not handed
  // over whole, neither they nor the alert are sent, and that message is revoked. Without an alert no waiting reply is sent any more.
  const bool goes = layer_.alert_waits() ? !promise_in_records() : layer_.in_records() == 0;
  end_session();
  finish_layer(now);
  course_ = Course::ending;
  if (goes) {
    layer_.wait_until(now + profile_.close_notify_timeout);
  } else {
    layer_.drop();
  }
}

void ServerConnection::finish_layer(Instant now) {
  tls::LayerEnd end = layer_.end(now);
  // A handshake that fails costs nothing: what is unconfirmed then was acknowledged in the plaintext before it.
  end.effect = effect_of(standing_, !unconfirmed_.empty() && end.ending != tls::Ending::handshake);
  end.over_limit = std::exchange(over_limit_, false);
  end.peer_name = std::exchange(peer_name_, {});
  end.transactions = standing_.committed;
  if (end.effect == tls::Effect::revoked || end.effect == tls::Effect::rolled_back) end.messages = std::move(standing_.messages);
  for (const Unconfirmed& each : unconfirmed_) {
    if (end.effect == tls::Effect::ack_unconfirmed) end.messages.push_back(each.transaction->summary());
    each.transaction->unconfirmed();
  }
  unconfirmed_.clear();
  layer_ends_.push_back(std::move(end));
  standing_ = ServerStanding{.counts = standing_.counts};
}

/// R11: the client said something, up to the last octet that the layer has worked off. It confirms a 2xx only if that octet came after the 2xx was
/// handed over. The same holds for R: a client of TLS 1.3 may end its half of the layer before anything is answered.
void ServerConnection::heard() {
  const std::uint64_t end = layer_.octets_in() - layer_.unread();
  std::erase_if(unconfirmed_, [end](const Unconfirmed& each) { return each.octets_in < end; });
}

bool ServerConnection::promise_in_records() const {
  const auto promise = session_ ? session_->promise() : std::nullopt;
  return promise && promise->begin < layer_.in_records();
}

/// Replies become records as late as possible, so that an alert can take their place (R8). A 2xx to an end of data becomes one only when everything
/// before it has been handed over. The replies behind it go with it: a client that sent QUIT behind its message may close once it has its 250, and a 221
/// sent after that would be answered by a RST.
void ServerConnection::encrypt(Encrypting which) {
  const bool all = which == Encrypting::all;
  while (layer_.is_tls() && layer_.in_records() < session_->output().size()) {
    if (!all && promise_in_records()) return;
    std::size_t end = session_->output().size();
    if (const auto promise = session_->promise(layer_.in_records())) {
      const bool is_next = promise->begin == layer_.in_records();
      if (is_next && !all && !output().empty()) return;
      end = is_next ? end : promise->begin;
    }
    layer_.encrypt(session_->output(), end);
  }
}

ServerConnectionAction ServerConnection::next_action(Instant now) {
  for (;;) {
    const bool more = work_on_channel(now);
    if (course_ == Course::starting_tls && output().empty()) {
      end_session();
      standing_ = ServerStanding{.counts = standing_.counts};  // what plaintext did is not in the TLS layer's record
      begin_tls(now);
      continue;
    }
    if (course_ == Course::going_on || course_ == Course::replying) {
      if (!session_) break;  // handshake
      const bool was_settled = settled_;
      ServerAction action = session_->next_action();
      settled_ = std::holds_alternative<std::monostate>(action);
      if (auto* question = std::get_if<Question>(&action)) {
        question_ = ++last_question_;
        return AskedQuestion{question_, std::move(*question)};
      }
      if (std::holds_alternative<BeginTls>(action)) {
        course_ = Course::starting_tls;
        continue;
      }
      if (const auto* end = std::get_if<EndSession>(&action)) {
        stays_plain_ = false;  // R6
        if (end->reason != EndReason::quit) layer_.explain(name(end->reason));
        over_limit_ = end->reason == EndReason::errors || end->reason == EndReason::mail_data || end->reason == EndReason::layers;
        course_ = Course::finishing;
      } else if (course_ == Course::replying) {
        if (question_ == 0 && session_->output().empty()) close_layer(now);
      } else if (more || !was_settled) {
        continue;  // now the channel may be read on
      }
    }
    if (course_ == Course::finishing && session_->output().empty()) {
      if (layer_.is_tls()) {
        close_layer(now);
      } else {
        end_session();
        finish_layer(now);
        course_ = Course::ending;
      }
    }
    break;
  }
  if (session_ && (course_ == Course::going_on || course_ == Course::replying || course_ == Course::finishing)) {
    encrypt(Encrypting::what_may_precede_an_alert);
  }
  if (output().empty()) {
    write_deadline_.reset();
    if (course_ == Course::ending) return CloseTransport{};
  } else if (!write_deadline_) {
    write_deadline_ = now + profile_.session.limits.data_timeout;
  }
  return std::monostate{};
}

void ServerConnection::answer(std::uint64_t number, Answer answer) {
  if (number == 0 || number != question_) return;
  question_ = 0;
  settled_ = false;
  session_->answer(std::move(answer));
}

Octets ServerConnection::output() const { return layer_.output(session_ ? session_->output() : Octets{}); }

void ServerConnection::sent(std::size_t count, Instant now) {
  const std::size_t said = layer_.sent(count);
  if (session_ && said != 0) {
    session_->sent(said);
    for (auto& transaction : session_->take_acknowledged()) unconfirmed_.push_back({std::move(transaction), layer_.octets_in()});
  }
  if (course_ == Course::closing && layer_.sent_close_notify()) {
    end_session();
    if (layer_.is_over()) end_or_go_on(now);
  }
  // Set here too: the shell may wait for the transport to take the rest without a call of next_action.
  if (output().empty()) {
    write_deadline_.reset();
  } else if (!write_deadline_) {
    write_deadline_ = now + profile_.session.limits.data_timeout;
  }
}

bool ServerConnection::wants_input() const {
  if (course_ == Course::ending || layer_.is_broken()) return false;
  return course_ != Course::going_on || !session_ || session_->wants_input();
}

Deadline ServerConnection::deadline() const {
  const Deadline when = earlier(layer_.deadline(), write_deadline_);
  const bool peers_turn = session_ && course_ == Course::going_on && question_ == 0 && output().empty();
  return peers_turn ? earlier(when, session_->deadline()) : when;
}

void ServerConnection::expire(Instant now) {
  const auto over = [now](const Deadline& deadline) { return deadline && *deadline <= now; };
  if (over(layer_.deadline()) || over(write_deadline_)) {
    break_layer(tls::Event::timeout, over(write_deadline_) ? "the peer does not read" : "", now);
    abandon(now);
  } else if (session_ && course_ == Course::going_on) {
    session_->expire(now);
  }
}

void ServerConnection::shut_down(Instant now) {
  shutting_down_ = true;
  stays_plain_ = false;
  if (session_ && course_ == Course::going_on) {
    session_->shut_down();
  } else if (layer_.is_handshaking()) {
    break_layer(tls::Event::timeout, "shutdown", now);
  }
}

void ServerConnection::cut(Instant now) {
  shut_down(now);
  if (session_ && (course_ == Course::going_on || course_ == Course::replying)) {
    question_ = 0;
    settled_ = false;
    session_->cut();
  }
}

void ServerConnection::give_up(Instant now) {
  break_layer(tls::Event::timeout, "shutdown", now);
  abandon(now);
}

std::vector<Refusal> ServerConnection::take_refusals() {
  std::vector<Refusal> all = std::exchange(refusals_, {});
  if (!session_) return all;
  for (Refusal& refusal : session_->take_refusals()) all.push_back(std::move(refusal));
  return all;
}

std::vector<tls::LayerEnd> ServerConnection::take_layer_ends() { return std::exchange(layer_ends_, {}); }

std::string_view name(EndReason reason) {
  switch (reason) {
    case EndReason::quit: return "quit";
    case EndReason::errors: return "too many errors";
    case EndReason::timeout: return "timeout";
    case EndReason::shutdown: return "shutdown";
    case EndReason::pipelined_starttls: return "octets behind STARTTLS";
    case EndReason::protocol: return "not SMTP";
    case EndReason::transactions: return "too many transactions";
    case EndReason::mail_data: return "too much mail data";
    case EndReason::layers: return "too many TLS layers";
  }
  return "unknown";
}

}  // namespace adieu::smtp
