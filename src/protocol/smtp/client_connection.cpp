// See client_connection.h.
#include "adieu/protocol/smtp/client_connection.h"

#include <algorithm>
#include <utility>

#include "adieu/base/result.h"
#include "protocol/smtp/client_exchange.h"

namespace adieu::smtp {
namespace {
bool is_delivered(const Finished& finished) {
  return std::any_of(finished.outcomes.begin(), finished.outcomes.end(),
                     [](const Outcome& outcome) { return outcome.fate == Fate::delivered; });
}

bool is_final(const Finished& finished) {
  return std::none_of(finished.outcomes.begin(), finished.outcomes.end(),
                      [](const Outcome& outcome) { return outcome.fate == Fate::deferred; });
}

/// How a handshake ended, for log, DSN and record: by the closure record's word for it where the library has none of its own.
std::string words_of_handshake(tls::Event event, const std::string& detail) {
  if (event == tls::Event::alert || event == tls::Event::corrupt) return detail;
  const std::string word(name(tls::plaintext_ending(event)));
  return detail.empty() ? word : word + ", " + detail;
}
}  // namespace

ClientConnection::ClientConnection(const ClientConnectionProfile& profile, Instant now) : profile_(profile), layer_(now) {
  check(profile.starttls == ClientStartTls::never || profile.channels != nullptr, "a TLS next hop has a channel factory");
  session_ = std::make_unique<ClientSession>(
      profile.session, ClientLayer{.secure = false, .starttls = profile.starttls, .start = ClientLayer::Start::greeting}, now);
}

ClientConnection::~ClientConnection() = default;

void ClientConnection::begin_tls(Instant now) {
  session_.reset();
  layer_.begin_tls(profile_.channels->make(), now, now + profile_.handshake_timeout);
  course_ = Course::going_on;
  messages_ = 0;
  heard_in_layer_ = false;
}

bool ClientConnection::is_to_be_renewed(Instant now) const {
  const bool old = (profile_.renew_after_messages != 0 && messages_ >= profile_.renew_after_messages) ||
                   (profile_.renew_after != Duration(0) && now - layer_.began() >= profile_.renew_after);
  return old && layer_.is_tls() && session_->has_extension("XTLSRETURN");
}

bool ClientConnection::can_rest() const {
  return profile_.returns_to_plaintext && is_ready_ && session_ && session_->ready() && session_->has_extension("XTLSRETURN");
}

/// R and S have passed. No message is sent in this plaintext layer: it requires STARTTLS, even where the next hop's policy does not (R17).
void ClientConnection::begin_plaintext_again(Instant now) {
  layer_.begin_plaintext(now);
  rests_ = !waiting_;
  const auto start = rests_ ? ClientLayer::Start::rest : ClientLayer::Start::hello;
  session_ = std::make_unique<ClientSession>(
      profile_.session, ClientLayer{.secure = false, .starttls = ClientStartTls::required, .start = start}, now);
  course_ = Course::going_on;
}

void ClientConnection::receive(Octets octets, Instant now) {
  if (course_ == Course::ending || octets.empty()) return;
  switch (layer_.receive(octets)) {
    case tls::Layer::Place::channel:
    case tls::Layer::Place::nowhere: break;
    case tls::Layer::Place::behind_close_notify: break_layer(tls::Event::octets_behind, "octets behind close_notify", now); break;
    case tls::Layer::Place::session:
      if (course_ == Course::starting_tls) {
        break_layer(tls::Event::octets_behind, "octets behind the reply to STARTTLS", now);
      } else {
        session_->receive(octets, now);
      }
  }
}

void ClientConnection::receive_eof(Instant now) {
  layer_.receive_eof();
  if (!layer_.is_tls()) break_layer(tls::Event::fin, "the next hop closed the connection", now);
}

void ClientConnection::receive_reset(Instant now) {
  break_layer(tls::Event::rst, "the next hop reset the connection", now);
  end_at_once(now);
}

/// The transport takes nothing more: not even the S that is still due after octets came behind R.
void ClientConnection::end_at_once(Instant now) {
  if (course_ == Course::closing) finish_layer(now);
  course_ = Course::ending;
  layer_.drop();
}

/// The layer is over. The connection goes on in plaintext only if a message waits or may come, and the next hop has said nothing behind R: in
/// plaintext it may speak only when it is asked.
void ClientConnection::end_or_go_on(Instant now) {
  finish_layer(now);
  if ((waiting_ || rests_) && layer_.leads_to_plaintext()) {
    begin_plaintext_again(now);
    return;
  }
  course_ = Course::ending;
  layer_.drop();
}

/// True when a record's plaintext was given to the session, which shall work on it before anything behind it is read.
bool ClientConnection::work_on_channel(Instant now) {
  while (course_ != Course::ending) {
    std::string plaintext;
    switch (layer_.step(plaintext)) {
      case tls::ChannelEvent::wants_input: return false;
      case tls::ChannelEvent::established:
        session_ = std::make_unique<ClientSession>(
            profile_.session, ClientLayer{.secure = true, .starttls = ClientStartTls::never, .start = ClientLayer::Start::hello}, now);
        return true;
      case tls::ChannelEvent::plaintext:
        heard_in_layer_ = true;
        if (course_ != Course::going_on) break;  // behind our close_notify: read and discarded (R7)
        session_->receive(plaintext, now);
        return true;
      case tls::ChannelEvent::close_notify: peer_closed(now); return false;
      case tls::ChannelEvent::broken: break_layer(layer_.failure().event, layer_.failure().detail, now); return false;
    }
  }
  return false;
}

/// R: the replies that came before it have been worked on, none can come any more (R14, R16).
void ClientConnection::peer_closed(Instant now) {
  if (layer_.is_over()) {
    end_or_go_on(now);
    return;
  }
  closed_.tls_failed |= !heard_in_layer_;
  if (layer_.unread() == 0 && can_rest()) {
    rests_ = true;
    session_.reset();
  }
  end_session("the next hop ended TLS");
  if (layer_.unread() != 0) {
    break_layer(tls::Event::octets_behind, "octets behind close_notify", now);
  } else {
    close_layer(now);
  }
}

/// S, once everything before it in the output has gone.
void ClientConnection::close_layer(Instant now) {
  layer_.close(now + profile_.close_notify_timeout);
  course_ = Course::closing;
}

void ClientConnection::break_layer(tls::Event event, std::string detail, Instant now) {
  if (course_ == Course::ending) return;
  const bool handshaking = layer_.is_handshaking();
  if (handshaking) detail = words_of_handshake(event, detail);
  if (!layer_.break_by(event, detail)) return;
  if (layer_.is_tls() && !heard_in_layer_) closed_.tls_failed = true;
  if (handshaking) {
    Outcome failure;
    failure.status = {4, 7, 5};
    failure.detail = "TLS handshake failed: " + detail;
    closed_.failure = std::move(failure);
  }
  // Records are numbered, so the alert can only follow all that were made before it. Where they would complete the message under way, neither they nor
  // the alert are sent.
  const bool goes = handshaking || (layer_.alert_waits() && !(session_ && session_->end_of_data_waits()));
  const std::string end = event == tls::Event::alert ? "TLS ended by the alert " + detail : "TLS ended without close_notify";
  end_session(layer_.is_tls() ? end : detail);
  if (layer_.is_injected()) {
    close_layer(now);
    return;
  }
  finish_layer(now);
  course_ = Course::ending;
  if (goes) {
    layer_.wait_until(now + profile_.close_notify_timeout);
  } else {
    layer_.drop();
  }
}

void ClientConnection::end_session(std::string_view why) {
  if (!session_) return;
  session_->end_of_layer(why);
  for (;;) {
    ClientAction action = session_->next_action();
    if (auto* finished = std::get_if<Finished>(&action)) {
      finished_ = std::move(*finished);
      delivered_ += is_delivered(*finished_);
    } else if (auto* end = std::get_if<ClientEnd>(&action)) {
      closed_.tls_failed |= end->at_starttls;
      if (!closed_.failure) closed_.failure = std::move(end->failure);
      break;
    } else if (std::holds_alternative<std::monostate>(action)) {
      break;
    }
  }
  session_.reset();
}

void ClientConnection::finish_layer(Instant now) {
  tls::LayerEnd end = layer_.end(now);
  if (std::exchange(in_message_, false)) {
    end.effect = tls::Effect::rolled_back;
  } else if (quit_sent_) {
    end.effect = tls::Effect::after_quit;
  }
  end.transactions = std::exchange(delivered_, 0);
  layer_ends_.push_back(std::move(end));
}

ClientConnectionAction ClientConnection::next_action(Instant now) {
  for (;;) {
    const bool more = work_on_channel(now);
    if (finished_) return *std::exchange(finished_, std::nullopt);
    if (course_ == Course::starting_tls && output().empty()) {
      begin_tls(now);
      continue;
    }
    if (course_ != Course::going_on || !session_) break;
    ClientAction action = session_->next_action();
    layer_.encrypt(session_->output(), session_->output().size());
    if (std::holds_alternative<Ready>(action)) {
      if (!waiting_) {
        is_ready_ = true;
        return Ready{};
      }
      in_message_ = true;
      ++messages_;
      session_->send(*std::exchange(waiting_, std::nullopt), now);
      continue;
    }
    if (const auto* wants = std::get_if<WantsMailData>(&action)) return *wants;
    if (auto* finished = std::get_if<Finished>(&action)) {
      // A message that its session's end has cut stays under way; one whose last reply had come is done (R15).
      if (session_->ready() || is_final(*finished)) in_message_ = false;
      delivered_ += is_delivered(*finished);
      return std::move(*finished);
    }
    if (std::holds_alternative<ClientBeginTls>(action)) {
      course_ = Course::starting_tls;
    } else if (auto* end = std::get_if<ClientEnd>(&action)) {
      closed_.failure = std::move(end->failure);
      closed_.tls_failed |= end->at_starttls || (layer_.is_tls() && !heard_in_layer_);
      session_.reset();
      if (layer_.is_tls()) {
        close_layer(now);
      } else {
        finish_layer(now);
        course_ = Course::ending;
      }
    } else if (!more) {
      break;
    }
  }
  if (course_ == Course::ending && waiting_) {
    Outcome outcome = closed_.failure.value_or(deferred({4, 4, 2}, "the next hop did not return to plaintext in order"));
    // That reply answered EHLO or STARTTLS of the new layer, not the message: only its text is kept, and the message goes by another connection at
    // once (R17).
    if (outcome.reply.code != 0) outcome.detail += (outcome.detail.empty() ? "" : ": ") + outcome.reply.line();
    outcome.reply = {};
    Finished finished{std::vector<Outcome>(waiting_->envelope.forward_paths.size(), outcome)};
    waiting_.reset();
    return finished;
  }
  if (course_ == Course::ending && output().empty()) return closed_;
  return std::monostate{};
}

void ClientConnection::send(OutgoingMessage message, Instant now) {
  is_ready_ = false;
  if (rests_) {
    rests_ = false;
    waiting_ = std::move(message);
    if (session_) session_->go_on(now);  // else S is still on its way
    return;
  }
  if (!session_) {
    const Outcome outcome = closed_.failure.value_or(deferred({4, 4, 2}, "the session had ended"));
    finished_ = Finished{std::vector<Outcome>(message.envelope.forward_paths.size(), outcome)};
    return;
  }
  if (is_to_be_renewed(now)) {
    waiting_ = std::move(message);
    session_.reset();
    close_layer(now);
    return;
  }
  in_message_ = session_->ready();
  ++messages_;
  session_->send(std::move(message), now);
}

void ClientConnection::supply(Octets mail_data, bool last) {
  if (session_) session_->supply(mail_data, last);
}

void ClientConnection::abandon(std::string_view why) {
  if (session_) session_->end_of_layer(why);
}

void ClientConnection::give_up(std::string why, Instant now) {
  break_layer(tls::Event::timeout, std::move(why), now);
  end_at_once(now);
}

void ClientConnection::quit(Instant now) {
  is_ready_ = rests_ = false;
  if (!session_) return;
  quit_sent_ = true;
  session_->quit(now);
}

Octets ClientConnection::output() const { return layer_.output(session_ ? session_->output() : Octets{}); }

void ClientConnection::sent(std::size_t count, Instant now) {
  const std::size_t said = layer_.sent(count);
  // A part of a record, too, is progress.
  if (session_ && !session_->output().empty()) session_->sent(said, now);
  if (course_ == Course::closing && layer_.sent_close_notify() && layer_.is_over()) end_or_go_on(now);
}

Deadline ClientConnection::deadline() const {
  return session_ && course_ == Course::going_on ? earlier(layer_.deadline(), session_->deadline()) : layer_.deadline();
}

void ClientConnection::expire(Instant now) {
  if (layer_.deadline() && *layer_.deadline() <= now) {
    give_up("", now);
  } else if (session_ && course_ == Course::going_on) {
    session_->expire(now);
  }
}

std::vector<tls::LayerEnd> ClientConnection::take_layer_ends() { return std::exchange(layer_ends_, {}); }

}  // namespace adieu::smtp
