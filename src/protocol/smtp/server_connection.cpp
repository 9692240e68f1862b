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

/// The closure machine leaves plaintext alone, so its endings are told here.
tls::Ending plaintext_ending(tls::Event event) {
  if (event == tls::Event::rst) return tls::Ending::rst;
  if (event == tls::Event::timeout) return tls::Ending::timeout;
  if (event == tls::Event::octets_behind) return tls::Ending::injected;
  return tls::Ending::fin;
}
}  // namespace

ServerConnection::ServerConnection(const ServerConnectionProfile& profile, Instant now) : profile_(profile), layer_began_(now) {
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
  channel_.reset();
  session_ = std::make_unique<ServerSession>(profile_.session, layer, now, standing_.counts);
  course_ = Course::going_on;
  layer_began_ = now;
  octets_in_ = octets_out_ = 0;
}

void ServerConnection::begin_tls(Instant now) {
  channel_ = profile_.channels->make();
  ++standing_.counts.layers;
  note(tls::Event::begin_handshake);
  course_ = Course::going_on;
  layer_began_ = now;
  octets_in_ = octets_out_ = ciphertext_taken_ = 0;
  layer_deadline_ = now + profile_.handshake_timeout;
  if (shutting_down_) break_layer(tls::Event::timeout, "shutdown", now);
}

void ServerConnection::begin_secure_session(Instant now) {
  note(tls::Event::established);
  layer_deadline_.reset();
  unconfirmed_.clear();  // of the plaintext session: its client has gone on
  stays_plain_ = profile_.returns_to_plaintext && profile_.tls != ServerTls::implicit;
  const ServerLayer layer{.secure = true,
                          .offers_starttls = false,
                          .requires_tls = false,
                          .returns_to_plaintext = stays_plain_,
                          .greets = profile_.tls == ServerTls::implicit};
  session_ = std::make_unique<ServerSession>(profile_.session, layer, now, standing_.counts);
}

bool ServerConnection::received_close_notify() const {
  const auto* closing = std::get_if<tls::Closing>(&state_);
  return closing != nullptr && closing->received;
}

void ServerConnection::receive(Octets octets, Instant now) {
  if (course_ == Course::ending || octets.empty()) return;
  octets_in_ += octets.size();
  if (channel_ && in<tls::Broken>()) return;  // only S is still to go: what comes is not even kept
  if (course_ == Course::starting_tls) {
    // Nobody can answer a 220 that has not been handed over: these octets stood in the clear behind STARTTLS (CVE-2011-0411).
    break_layer(tls::Event::octets_behind, "octets behind STARTTLS", now);
  } else if (received_close_notify()) {
    break_layer(tls::Event::octets_behind, "octets behind close_notify", now);
  } else if (channel_) {
    channel_->receive(octets);
  } else if (course_ != Course::finishing) {
    heard();
    session_->receive(octets, now);
  }
}

void ServerConnection::receive_eof(Instant now) {
  eof_ = true;
  if (course_ == Course::ending) return;
  if (channel_) {
    channel_->receive_eof();
  } else {
    break_layer(tls::Event::fin, "", now);
  }
}

void ServerConnection::receive_reset(Instant now) {
  eof_ = true;
  break_layer(tls::Event::rst, "", now);
  abandon(now);
}

/// Nothing more can be handed over: the transport is gone, or the peer does not read.
void ServerConnection::abandon(Instant now) {
  end_session();
  if (const auto* broken = std::get_if<tls::Broken>(&state_); broken != nullptr && course_ == Course::closing) {
    finish_layer(broken->ending, now);
  }
  course_ = Course::ending;
  channel_.reset();
  layer_deadline_.reset();
}

/// True when a record's plaintext was given to the session: it is carried out before anything behind it is read (R2).
bool ServerConnection::work_on_channel(Instant now) {
  while (channel_ && course_ != Course::ending && !received_close_notify() && !in<tls::Broken>() && wants_input()) {
    // Reading goes on while a question is open, so that the end of the layer is noticed, but not while the session has work that it could do.
    if (course_ == Course::going_on && session_ && question_ == 0 && !settled_) return false;
    std::string plaintext;
    const std::size_t said = channel_->output().size();
    switch (channel_->step(plaintext)) {
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
      case tls::ChannelEvent::broken:
        break_layer(channel_->failure().event, channel_->failure().detail, now, channel_->output().size() > said);
        return false;
    }
  }
  return false;
}

/// R. Everything before it has been given to the session.
void ServerConnection::peer_closed(Instant now) {
  note(tls::Event::received_close_notify);
  heard();
  if (in<tls::Plain>()) {
    finish_layer(tls::Ending::mutual, now);  // S had been handed over before
    course_ = Course::ending;
    channel_.reset();
  } else if (channel_->unread() != 0) {
    break_layer(tls::Event::octets_behind, "octets behind close_notify", now);
  } else if (course_ == Course::closing) {
    // S stands in the output already; the machine completes once it has been handed over.
  } else if (channel_->info().discards_pending_writes) {
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
  if (course_ == Course::closing) return;  // its deadline stands
  question_ = 0;
  channel_->close();
  course_ = Course::closing;
  layer_deadline_ = now + profile_.close_notify_timeout;
}

void ServerConnection::close_notify_handed_over(Instant now) {
  end_session();
  note(tls::Event::sent_close_notify);
  if (const auto* broken = std::get_if<tls::Broken>(&state_)) {
    finish_layer(broken->ending, now);
    course_ = Course::ending;
  } else if (in<tls::Plain>()) {
    finish_layer(tls::Ending::mutual, now);
    if (stays_plain_ && !eof_) {
      begin_plaintext(false, now);
    } else {
      course_ = Course::ending;
      channel_.reset();
    }
  }
}

void ServerConnection::end_session() {
  if (!session_) return;
  standing_ = session_->standing();
  acknowledged_in_vain_ = !unconfirmed_.empty();
  peer_name_ = session_->client_name().name;
  for (Refusal& refusal : session_->take_refusals()) refusals_.push_back(std::move(refusal));
  session_.reset();
  question_ = 0;
  marks_.clear();
  encrypted_ = 0;
}

/// R8: no further octet of the connection is trusted or answered. R4: where octets came behind R, S is still sent.
void ServerConnection::break_layer(tls::Event event, std::string detail, Instant now, bool alert_waits) {
  if (course_ == Course::ending) return;
  if (in<tls::Handshaking>() && detail.empty()) detail = name(plaintext_ending(event));
  note(event);
  if (channel_ && !in<tls::Broken>()) return;  // a FIN behind R: S can still be written
  if (!detail.empty()) detail_ = std::move(detail);
  const tls::Ending ending = channel_ ? std::get<tls::Broken>(state_).ending : plaintext_ending(event);
  if (channel_ && ending == tls::Ending::injected) {
    close_layer(now);
    return;
  }
  // Records are numbered, so an alert can only follow all that were made before it. Where one of them holds a 2xx to an end of data that was not handed
  // over whole, neither they nor the alert are sent, and that message is revoked. Without an alert no waiting reply is sent any more.
  const bool goes = alert_waits ? !promise_in_records() : marks_.empty();
  end_session();
  finish_layer(ending, now);
  if (!goes) channel_.reset();
  course_ = Course::ending;
  layer_deadline_ = now + profile_.close_notify_timeout;
}

void ServerConnection::finish_layer(tls::Ending ending, Instant now) {
  const tls::Effect effect = effect_of(standing_, acknowledged_in_vain_ && !unconfirmed_.empty());
  std::vector<mail::MessageSummary> messages;
  if (effect == tls::Effect::revoked || effect == tls::Effect::rolled_back) messages = std::move(standing_.messages);
  for (const Unconfirmed& each : unconfirmed_) {
    if (effect == tls::Effect::ack_unconfirmed) messages.push_back(each.transaction->summary());
    each.transaction->unconfirmed();
  }
  unconfirmed_.clear();
  acknowledged_in_vain_ = false;
  layer_ends_.push_back({.secure = channel_ != nullptr,
                         .ending = ending,
                         .effect = effect,
                         .over_limit = std::exchange(over_limit_, false),
                         .detail = std::exchange(detail_, {}),
                         .info = channel_ ? channel_->info() : tls::ChannelInfo{},
                         .peer_name = std::exchange(peer_name_, {}),
                         .octets_in = octets_in_,
                         .octets_out = octets_out_,
                         .transactions = standing_.committed,
                         .messages = std::move(messages),
                         .lasted = now - layer_began_});
  standing_ = ServerStanding{.counts = standing_.counts};
  layer_deadline_.reset();
}

/// The first `count` octets of the session's output are the transport's.
void ServerConnection::hand_over(std::size_t count) {
  session_->sent(count);
  for (auto& transaction : session_->take_acknowledged()) unconfirmed_.push_back({std::move(transaction), octets_in_});
}

/// R11: the client said something, up to the last octet that the layer has worked off. It confirms a 2xx only if that octet came after the 2xx was
/// handed over. The same holds for R: a client of TLS 1.3 may end its half of the layer before anything is answered.
void ServerConnection::heard() {
  const std::uint64_t end = octets_in_ - (channel_ ? channel_->unread() : 0);
  std::erase_if(unconfirmed_, [end](const Unconfirmed& each) { return each.octets_in < end; });
}

bool ServerConnection::promise_in_records() const {
  const auto promise = session_ ? session_->promise() : std::nullopt;
  return promise && promise->begin < encrypted_;
}

/// Replies become records as late as possible, so that an alert can take their place (R8). A 2xx to an end of data becomes one only when everything
/// before it has been handed over. The replies behind it go with it: a client that sent QUIT behind its message may close once it has its 250, and a 221
/// sent after that would be answered by a RST.
void ServerConnection::encrypt(Encrypting which) {
  const bool all = which == Encrypting::all;
  while (channel_ && encrypted_ < session_->output().size()) {
    if (!all && promise_in_records()) return;
    std::size_t end = session_->output().size();
    if (const auto promise = session_->promise(encrypted_)) {
      const bool is_next = promise->begin == encrypted_;
      if (is_next && !all && !channel_->output().empty()) return;
      end = is_next ? end : promise->begin;
    }
    const std::size_t size = end - encrypted_;
    channel_->send(session_->output().substr(encrypted_, size));
    encrypted_ = end;
    marks_.push_back({ciphertext_taken_ + channel_->output().size(), size});
  }
}

ServerConnectionAction ServerConnection::next_action(Instant now) {
  for (;;) {
    const bool more = work_on_channel(now);
    if (course_ == Course::starting_tls && output().empty()) {
      end_session();
      standing_ = ServerStanding{.counts = standing_.counts};  // what plaintext did is not in the TLS layer's record
      acknowledged_in_vain_ = false;
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
        if (end->reason != EndReason::quit) detail_ = name(end->reason);
        over_limit_ = end->reason == EndReason::errors || end->reason == EndReason::mail_data || end->reason == EndReason::layers;
        course_ = Course::finishing;
      } else if (course_ == Course::replying) {
        if (question_ == 0 && session_->output().empty()) close_layer(now);
      } else if (more || !was_settled) {
        continue;  // now the channel may be read on
      }
    }
    if (course_ == Course::finishing && session_->output().empty()) {
      if (channel_) {
        close_layer(now);
      } else {
        end_session();
        finish_layer(tls::Ending::mutual, now);
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

Octets ServerConnection::output() const {
  if (channel_) return channel_->output();
  if (!session_) return {};
  check(in<tls::Plain>(), "a session inside TLS speaks through its channel");
  return session_->output();
}

void ServerConnection::sent(std::size_t count, Instant now) {
  octets_out_ += count;
  if (!channel_) {
    hand_over(count);
  } else {
    channel_->consume_output(count);
    ciphertext_taken_ += count;
    while (!marks_.empty() && marks_.front().ciphertext_end <= ciphertext_taken_) {
      hand_over(marks_.front().plaintext);
      encrypted_ -= marks_.front().plaintext;
      marks_.pop_front();
    }
    if (course_ == Course::closing && channel_->output().empty()) close_notify_handed_over(now);
  }
  // Set here too: the shell may wait for the transport to take the rest without a call of next_action.
  if (output().empty()) {
    write_deadline_.reset();
  } else if (!write_deadline_) {
    write_deadline_ = now + profile_.session.limits.data_timeout;
  }
}

bool ServerConnection::wants_input() const {
  if (course_ == Course::ending || (channel_ && in<tls::Broken>())) return false;
  return course_ != Course::going_on || !session_ || session_->wants_input();
}

Deadline ServerConnection::deadline() const {
  const Deadline when = earlier(layer_deadline_, write_deadline_);
  const bool peers_turn = session_ && course_ == Course::going_on && question_ == 0 && output().empty();
  return peers_turn ? earlier(when, session_->deadline()) : when;
}

void ServerConnection::expire(Instant now) {
  const auto over = [now](const Deadline& deadline) { return deadline && *deadline <= now; };
  if (over(layer_deadline_) || over(write_deadline_)) {
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
  } else if (in<tls::Handshaking>()) {
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

const tls::ChannelInfo* ServerConnection::tls() const { return channel_ && !in<tls::Handshaking>() ? &channel_->info() : nullptr; }

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
