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
  std::string_view word;
  if (event == tls::Event::fin) word = name(tls::Ending::fin);
  if (event == tls::Event::rst) word = name(tls::Ending::rst);
  if (event == tls::Event::timeout) word = name(tls::Ending::timeout);
  if (word.empty() || detail.empty()) return std::string(word) + detail;
  return std::string(word) + ", " + detail;
}
}  // namespace

ClientConnection::ClientConnection(const ClientConnectionProfile& profile, Instant now) : profile_(profile), layer_began_(now) {
  check(profile.starttls == ClientStartTls::never || profile.channels != nullptr, "a TLS next hop has a channel factory");
  session_ = std::make_unique<ClientSession>(
      profile.session, ClientLayer{.secure = false, .starttls = profile.starttls, .start = ClientLayer::Start::greeting}, now);
}

ClientConnection::~ClientConnection() = default;

void ClientConnection::begin_tls(Instant now) {
  session_.reset();
  channel_ = profile_.channels->make();
  note(tls::Event::begin_handshake);
  course_ = Course::going_on;
  layer_began_ = now;
  octets_in_ = octets_out_ = 0;
  messages_ = 0;
  heard_in_layer_ = false;
  layer_deadline_ = now + profile_.handshake_timeout;
}

bool ClientConnection::is_to_be_renewed(Instant now) const {
  const bool old = (profile_.renew_after_messages != 0 && messages_ >= profile_.renew_after_messages) ||
                   (profile_.renew_after != Duration(0) && now - layer_began_ >= profile_.renew_after);
  return old && channel_ && session_->has_extension("XTLSRETURN");
}

bool ClientConnection::can_rest() const {
  return profile_.returns_to_plaintext && is_ready_ && session_ && session_->ready() && session_->has_extension("XTLSRETURN");
}

/// R and S have passed. No message is sent in this plaintext layer: it requires STARTTLS, even where the next hop's policy does not (R17).
void ClientConnection::begin_plaintext_again(Instant now) {
  channel_.reset();
  rests_ = !waiting_;
  const auto start = rests_ ? ClientLayer::Start::rest : ClientLayer::Start::hello;
  session_ = std::make_unique<ClientSession>(
      profile_.session, ClientLayer{.secure = false, .starttls = ClientStartTls::required, .start = start}, now);
  course_ = Course::going_on;
  layer_began_ = now;
  octets_in_ = octets_out_ = 0;
}

bool ClientConnection::received_close_notify() const {
  const auto* closing = std::get_if<tls::Closing>(&state_);
  return closing != nullptr && closing->received;
}

void ClientConnection::receive(Octets octets, Instant now) {
  if (course_ == Course::ending || octets.empty()) return;
  octets_in_ += octets.size();
  if (is_broken()) return;  // R4: S is still to go; what comes until then is dropped
  if (received_close_notify()) {
    break_layer(tls::Event::octets_behind, "octets behind close_notify", now);
  } else if (course_ == Course::starting_tls) {
    break_layer(tls::Event::octets_behind, "octets behind the reply to STARTTLS", now);
  } else if (channel_) {
    channel_->receive(octets);
  } else {
    session_->receive(octets, now);
  }
}

void ClientConnection::receive_eof(Instant now) {
  if (course_ == Course::ending) return;
  heard_fin_ = true;
  if (channel_) {
    channel_->receive_eof();
  } else {
    break_layer(tls::Event::fin, "the next hop closed the connection", now);
  }
}

void ClientConnection::receive_reset(Instant now) {
  break_layer(tls::Event::rst, "the next hop reset the connection", now);
  end_at_once(now);
}

/// The transport takes nothing more: not even the S that is still due after octets came behind R.
void ClientConnection::end_at_once(Instant now) {
  if (course_ == Course::closing) finish_layer(tls::Ending::injected, now);
  course_ = Course::ending;
  channel_.reset();
  layer_deadline_.reset();
}

/// The layer is over. The connection goes on in plaintext only if a message waits or may come, and the next hop has said nothing behind R: in
/// plaintext it may speak only when it is asked.
void ClientConnection::end_or_go_on(Instant now) {
  if ((waiting_ || rests_) && std::holds_alternative<tls::Plain>(state_) && channel_->unread() == 0 && !heard_fin_) {
    begin_plaintext_again(now);
    return;
  }
  course_ = Course::ending;
  channel_.reset();
}

/// True when a record's plaintext was given to the session, which shall work on it before anything behind it is read.
bool ClientConnection::work_on_channel(Instant now) {
  while (channel_ && course_ != Course::ending && !received_close_notify() && !is_broken()) {
    std::string plaintext;
    const std::size_t said = channel_->output().size();
    switch (channel_->step(plaintext)) {
      case tls::ChannelEvent::wants_input: return false;
      case tls::ChannelEvent::established:
        note(tls::Event::established);
        layer_deadline_.reset();
        session_ = std::make_unique<ClientSession>(
            profile_.session, ClientLayer{.secure = true, .starttls = ClientStartTls::never, .start = ClientLayer::Start::hello}, now);
        encrypted_ = 0;
        return true;
      case tls::ChannelEvent::plaintext:
        heard_in_layer_ = true;
        if (course_ != Course::going_on) break;  // behind our close_notify: read and discarded (R7)
        session_->receive(plaintext, now);
        return true;
      case tls::ChannelEvent::close_notify: peer_closed(now); return false;
      case tls::ChannelEvent::broken:
        break_layer(channel_->failure().event, channel_->failure().detail, now, channel_->output().size() > said);
        return false;
    }
  }
  return false;
}

/// R: the replies that came before it have been worked on, none can come any more (R14, R16).
void ClientConnection::peer_closed(Instant now) {
  note(tls::Event::received_close_notify);
  if (std::holds_alternative<tls::Plain>(state_)) {
    finish_layer(tls::Ending::mutual, now);
    end_or_go_on(now);
    return;
  }
  closed_.tls_failed |= !heard_in_layer_;
  if (channel_->unread() == 0 && can_rest()) {
    rests_ = true;
    session_.reset();
  }
  end_session("the next hop ended TLS");
  if (channel_->unread() != 0) {
    break_layer(tls::Event::octets_behind, "octets behind close_notify", now);
  } else {
    close_layer(now);
  }
}

/// S, once everything before it in the output has gone.
void ClientConnection::close_layer(Instant now) {
  channel_->close();
  course_ = Course::closing;
  layer_deadline_ = now + profile_.close_notify_timeout;
}

void ClientConnection::break_layer(tls::Event event, std::string detail, Instant now, bool alert_waits) {
  if (course_ == Course::ending || is_broken()) return;
  const bool handshaking = std::holds_alternative<tls::Handshaking>(state_);
  if (handshaking) detail = words_of_handshake(event, detail);
  note(event);
  const auto* broken = std::get_if<tls::Broken>(&state_);
  if (channel_ && broken == nullptr) return;  // a FIN behind R: S can still be written
  if (channel_ && !heard_in_layer_) closed_.tls_failed = true;
  if (handshaking) {
    Outcome failure;
    failure.status = {4, 7, 5};
    failure.detail = "TLS handshake failed: " + detail;
    closed_.failure = std::move(failure);
  }
  // Records are numbered, so the alert can only follow all that were made before it. Where they would complete the message under way, neither they nor
  // the alert are sent.
  const bool goes = handshaking || (alert_waits && !(session_ && session_->end_of_data_waits()));
  const std::string end = event == tls::Event::alert ? "TLS ended by the alert " + detail : "TLS ended without close_notify";
  end_session(channel_ ? end : detail);
  detail_ = std::move(detail);
  if (broken != nullptr && broken->ending == tls::Ending::injected) {
    if (course_ != Course::closing) close_layer(now);
    return;
  }
  tls::Ending ending = broken != nullptr ? broken->ending : tls::Ending::fin;
  if (broken == nullptr && event == tls::Event::rst) ending = tls::Ending::rst;
  if (broken == nullptr && event == tls::Event::timeout) ending = tls::Ending::timeout;
  finish_layer(ending, now);
  course_ = Course::ending;
  if (!goes) channel_.reset();
  layer_deadline_ = now + profile_.close_notify_timeout;
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

void ClientConnection::finish_layer(tls::Ending ending, Instant now) {
  const tls::Effect effect = std::exchange(in_message_, false) ? tls::Effect::rolled_back
                             : quit_sent_                     ? tls::Effect::after_quit
                                                              : tls::Effect::none;
  layer_ends_.push_back({.secure = channel_ != nullptr,
                         .ending = ending,
                         .effect = effect,
                         .detail = std::exchange(detail_, {}),
                         .info = channel_ ? channel_->info() : tls::ChannelInfo{},
                         .peer_name = {},
                         .octets_in = octets_in_,
                         .octets_out = octets_out_,
                         .transactions = std::exchange(delivered_, 0),
                         .lasted = now - layer_began_});
  layer_deadline_.reset();
}

/// Octets stay in the session's output until the records made of them have been handed over, so that the session can tell: what comes before that is no
/// reply to them.
void ClientConnection::encrypt() {
  if (!channel_ || session_->output().size() <= encrypted_) return;
  const Octets fresh = session_->output().substr(encrypted_);
  channel_->send(fresh);
  encrypted_ += fresh.size();
  encrypted_end_ = octets_out_ + channel_->output().size();
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
    encrypt();
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
      closed_.tls_failed |= end->at_starttls || (channel_ && !heard_in_layer_);
      session_.reset();
      if (channel_) {
        close_layer(now);
      } else {
        finish_layer(tls::Ending::mutual, now);
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

Octets ClientConnection::output() const {
  if (channel_) return channel_->output();
  if (!session_) return {};
  check(std::holds_alternative<tls::Plain>(state_), "a session inside TLS speaks through its channel");
  return session_->output();
}

void ClientConnection::sent(std::size_t count, Instant now) {
  octets_out_ += count;
  if (!channel_) {
    session_->sent(count, now);
    return;
  }
  channel_->consume_output(count);
  if (session_ && encrypted_ != 0) {
    const std::size_t whole = octets_out_ >= encrypted_end_ ? std::exchange(encrypted_, 0) : 0;
    session_->sent(std::min(whole, session_->output().size()), now);  // a session that has ended has cleared it
  }
  if (course_ != Course::closing || !channel_->output().empty()) return;
  note(tls::Event::sent_close_notify);
  const auto* broken = std::get_if<tls::Broken>(&state_);
  if (broken == nullptr && !std::holds_alternative<tls::Plain>(state_)) return;  // now wait for R
  finish_layer(broken != nullptr ? broken->ending : tls::Ending::mutual, now);
  end_or_go_on(now);
}

Deadline ClientConnection::deadline() const {
  return session_ && course_ == Course::going_on ? earlier(layer_deadline_, session_->deadline()) : layer_deadline_;
}

void ClientConnection::expire(Instant now) {
  if (layer_deadline_ && *layer_deadline_ <= now) {
    give_up("", now);
  } else if (session_ && course_ == Course::going_on) {
    session_->expire(now);
  }
}

std::vector<tls::LayerEnd> ClientConnection::take_layer_ends() { return std::exchange(layer_ends_, {}); }

const tls::ChannelInfo* ClientConnection::tls() const {
  return channel_ && !std::holds_alternative<tls::Handshaking>(state_) ? &channel_->info() : nullptr;
}

}  // namespace adieu::smtp
