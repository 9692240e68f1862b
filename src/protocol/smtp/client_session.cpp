// See client_session.h. Replies are worked on as they come, since no answer of the shell stands between them; what the shell is
// to do follows from the phase.
#include "adieu/protocol/smtp/client_session.h"

#include <utility>

#include "adieu/base/result.h"
#include "adieu/protocol/mail/seven_bit.h"
#include "adieu/protocol/smtp/reply_reader.h"
#include "protocol/smtp/client_exchange.h"
#include "protocol/smtp/client_transaction.h"
#include "protocol/smtp/server_extensions.h"

namespace adieu::smtp {
namespace {
struct Opening {  // up to Ready
  bool helo = false;
};
struct TurnedToTls {
  bool told = false;
};
struct Idle {
  bool needs_reset = false;
  bool told = false;
};
/// The next hop does not take 8-bit mail data: the message is looked at before a word of it is said.
struct Examining {
  OutgoingMessage message;
  bool needs_reset = false;
  bool asked = false;
  mail::EightBitScan scan;
};
struct Quitting {
  std::optional<Outcome> failure;
};
struct Ended {
  std::optional<Outcome> failure;
  bool at_starttls = false;
  bool told = false;
};
using Phase = std::variant<Opening, TurnedToTls, Idle, Examining, ClientTransaction, Quitting, Ended>;
}  // namespace

struct ClientSession::Impl {
  Impl(const ClientProfile& the_profile, const ClientLayer& the_layer, Instant now)
      : profile(the_profile),
        layer(the_layer),
        recipients(the_profile.recipients),
        reader(the_profile.reply_line, the_profile.reply_lines),
        progress(now) {
    switch (layer.start) {
      case ClientLayer::Start::greeting: exchange.awaited.push_back(Awaited::greeting); break;
      case ClientLayer::Start::hello: say_hello(); break;
      case ClientLayer::Start::rest: phase = Idle{.told = true}; break;
    }
  }

  void say_hello();
  void say_quit(std::optional<Outcome> failure);
  void receive(const Reply& reply);
  void refuse_early_octets();
  void receive_opening(Awaited awaited, const Reply& reply);
  void settle_tls();
  void refuse_opening(const Reply& reply, Awaited awaited);
  void receive_in_transaction(Awaited awaited, const Reply& reply);
  void finish_transaction();
  void begin_transaction(OutgoingMessage message, bool needs_reset, std::optional<mail::SevenBitPlan> plan);
  void end_examination();
  void refuse(std::size_t count, EnhancedStatus status, std::string detail);
  void end(std::optional<Outcome> failure, bool at_starttls = false);
  /// Ends the session, deferred: `why`, what was awaited, and `quoted`, which is what the next hop said.
  void lose(EnhancedStatus status, std::string_view why, std::string_view quoted = {});
  std::string at_what() const;
  Duration timeout() const;
  Deadline deadline() const;

  const ClientProfile& profile;
  const ClientLayer layer;
  std::size_t recipients;  // in one transaction; less than the profile's once the next hop has said how many it takes
  ReplyReader reader;
  ClientExchange exchange;
  ServerExtensions extensions;
  Phase phase;
  std::optional<std::vector<Outcome>> finished;  // to be told before all else
  bool examined = false;                         // the mail data: it is wanted once more
  Instant progress;                              // when the last reply came whole, or output went
};

void ClientSession::Impl::say_hello() {
  const bool lmtp = profile.protocol == ClientProtocol::lmtp;
  exchange.say(Awaited::hello, {lmtp ? "LHLO " : std::get<Opening>(phase).helo ? "HELO " : "EHLO ", profile.hostname});
}

void ClientSession::Impl::say_quit(std::optional<Outcome> failure) {
  exchange.say(Awaited::quit, {"QUIT"});
  phase = Quitting{std::move(failure)};
}

// Nothing more is said, not the rest of a message, not QUIT: whoever comes here trusts the layer no longer, or is no longer heard.
void ClientSession::Impl::end(std::optional<Outcome> failure, bool at_starttls) {
  if (auto* transaction = std::get_if<ClientTransaction>(&phase)) {
    transaction->abandon(failure.value());
    finished = transaction->take_outcomes();
  } else if (const auto* examining = std::get_if<Examining>(&phase)) {
    finished.emplace(examining->message.envelope.forward_paths.size(), failure.value());
  }
  exchange.output.clear();
  exchange.awaited.clear();
  phase = Ended{std::move(failure), at_starttls};
}

std::string ClientSession::Impl::at_what() const {
  const auto* transaction = std::get_if<ClientTransaction>(&phase);
  if (transaction != nullptr && transaction->sending()) return "sending mail data";
  if (exchange.awaited.empty()) return "nothing was asked";
  return "waiting for " + std::string(name(exchange.awaited.front()));
}

void ClientSession::Impl::lose(EnhancedStatus status, std::string_view why, std::string_view quoted) {
  if (auto* quitting = std::get_if<Quitting>(&phase)) return end(std::move(quitting->failure));
  const bool at_starttls = !exchange.awaited.empty() && exchange.awaited.front() == Awaited::starttls;
  end(deferred(status, std::string(why) + " while " + at_what() + std::string(quoted)), at_starttls);
}

void ClientSession::Impl::receive(const Reply& reply) {
  if (exchange.awaited.empty()) {
    // A server that shuts down says 421 unasked (RFC 5321 section 3.8); all else is out of step or injected. Neither may
    // ever be taken for the reply to a later command.
    if (reply.code == 421) return end(outcome_of(reply));
    return end(deferred({4, 5, 0}, "a reply came unasked: " + std::to_string(reply.code), reply));
  }
  const Awaited awaited = exchange.awaited.front();
  exchange.awaited.pop_front();
  const bool answered_all = exchange.awaited.empty();
  if (auto* quitting = std::get_if<Quitting>(&phase)) {
    end(std::move(quitting->failure));
  } else if (std::holds_alternative<ClientTransaction>(phase)) {
    receive_in_transaction(awaited, reply);
  } else if (reply.code == 421) {
    end(outcome_of(reply), awaited == Awaited::starttls);
  } else {
    receive_opening(awaited, reply);
  }
  if (answered_all) refuse_early_octets();
}

// A command that has only just been said can't have been answered yet.
void ClientSession::Impl::refuse_early_octets() {
  if (!exchange.awaited.empty() && !reader.empty()) lose({4, 5, 0}, "octets came before their command went");
}

// What a server says before it knows the message is no verdict on the message: another exchanger, or another hour, may take it.
void ClientSession::Impl::refuse_opening(const Reply& reply, Awaited awaited) {
  Outcome refusal = outcome_of(reply);
  refusal.fate = Fate::deferred;
  refusal.status.class_ = 4;  // a deferral: the status must not say that it is permanent
  refusal.detail = "refused in " + std::string(name(awaited));
  say_quit(std::move(refusal));
}

void ClientSession::Impl::receive_opening(Awaited awaited, const Reply& reply) {
  auto& opening = std::get<Opening>(phase);
  if (awaited == Awaited::starttls && reply.code == 220) {
    // CVE-2011-0411 seen from the other end: what stands behind the 220 in plaintext may have been put there by anybody.
    if (!reader.empty()) return end(deferred({4, 7, 0}, "octets behind the reply to STARTTLS"));
    phase = TurnedToTls{};
  } else if (awaited == Awaited::starttls && layer.starttls == ClientStartTls::required) {
    Outcome refusal = outcome_of(reply);
    refusal.fate = Fate::deferred;
    refusal.status = {4, 7, 4};
    refusal.detail = "TLS is required, and STARTTLS was refused";
    say_quit(std::move(refusal));
  } else if (awaited == Awaited::starttls) {
    phase = Idle{};
  } else if (awaited == Awaited::greeting && reply.positive()) {
    say_hello();
  } else if (awaited == Awaited::hello && reply.positive()) {
    if (!opening.helo) extensions = ServerExtensions(reply);
    settle_tls();
  } else if (awaited == Awaited::hello && reply.permanent() && profile.protocol == ClientProtocol::smtp && !opening.helo) {
    opening.helo = true;  // RFC 5321 section 3.2: a server that does not know EHLO
    say_hello();
  } else {
    refuse_opening(reply, awaited);
  }
}

void ClientSession::Impl::settle_tls() {
  const bool wanted = !layer.secure && layer.starttls != ClientStartTls::never;
  if (wanted && extensions.has("STARTTLS")) {
    exchange.say(Awaited::starttls, {"STARTTLS"});
  } else if (wanted && layer.starttls == ClientStartTls::required) {
    say_quit(deferred({4, 7, 4}, "TLS is required, and STARTTLS was not offered"));
  } else {
    phase = Idle{};
  }
}

void ClientSession::Impl::receive_in_transaction(Awaited awaited, const Reply& reply) {
  auto& transaction = std::get<ClientTransaction>(phase);
  const bool in_step = transaction.receive(awaited, reply, exchange);
  if (reply.code == 421) {
    end(outcome_of(reply));
  } else if (!in_step) {
    end(deferred({4, 5, 0}, std::to_string(reply.code) + " makes no sense as " + std::string(name(awaited)), reply));
  } else if (transaction.over(exchange)) {
    finish_transaction();
  }
}

void ClientSession::Impl::finish_transaction() {
  auto& transaction = std::get<ClientTransaction>(phase);
  finished = transaction.take_outcomes();
  if (transaction.server_limit() != 0) recipients = transaction.server_limit();
  phase = Idle{.needs_reset = transaction.needs_reset()};
}

Duration ClientSession::Impl::timeout() const {
  const ClientTimeouts& timeouts = profile.timeouts;
  const auto* transaction = std::get_if<ClientTransaction>(&phase);
  if (transaction != nullptr && transaction->past_envelope() && !exchange.output.empty()) return timeouts.data_block;
  if (exchange.awaited.empty()) return timeouts.command;
  switch (exchange.awaited.front()) {
    case Awaited::greeting: return timeouts.greeting;
    case Awaited::hello:
    case Awaited::starttls:
    case Awaited::reset:
    case Awaited::mail:
    case Awaited::recipient: return timeouts.command;
    case Awaited::data: return timeouts.data_initiation;
    case Awaited::mail_data: return timeouts.data_termination;
    case Awaited::quit: return timeouts.quit;
  }
  return timeouts.command;
}

Deadline ClientSession::Impl::deadline() const {
  if (exchange.output.empty()) {
    if (exchange.awaited.empty()) return std::nullopt;
    const auto* transaction = std::get_if<ClientTransaction>(&phase);
    const bool our_turn = transaction != nullptr && transaction->sending() && exchange.awaited.front() == Awaited::mail_data;
    if (our_turn) return std::nullopt;
  }
  return progress + timeout();
}

ClientSession::ClientSession(const ClientProfile& profile, const ClientLayer& layer, Instant now)
    : impl_(std::make_unique<Impl>(profile, layer, now)) {}

ClientSession::~ClientSession() = default;

void ClientSession::receive(Octets octets, Instant now) {
  Impl& my = *impl_;
  if (octets.empty() || std::holds_alternative<Ended>(my.phase)) return;
  if (std::holds_alternative<TurnedToTls>(my.phase)) return my.end(deferred({4, 7, 0}, "octets behind the reply to STARTTLS"));
  my.reader.receive(octets);
  while (auto reply = my.reader.next()) {
    my.progress = now;
    my.receive(*reply);
    if (std::holds_alternative<Ended>(my.phase) || std::holds_alternative<TurnedToTls>(my.phase)) return;
  }
  if (!my.reader.fault().empty()) my.lose({4, 5, 0}, my.reader.fault(), ": \"" + my.reader.faulty_line() + "\"");
}

void ClientSession::end_of_layer(std::string_view why) {
  Impl& my = *impl_;
  if (std::holds_alternative<Ended>(my.phase)) return;
  my.lose({4, 4, 2}, why);
}

ClientAction ClientSession::next_action() {
  Impl& my = *impl_;
  if (my.finished) return Finished{*std::exchange(my.finished, std::nullopt)};
  if (auto* idle = std::get_if<Idle>(&my.phase)) {
    if (!std::exchange(idle->told, true)) return Ready{};
  } else if (auto* turned = std::get_if<TurnedToTls>(&my.phase)) {
    if (!std::exchange(turned->told, true)) return ClientBeginTls{};
  } else if (auto* ended = std::get_if<Ended>(&my.phase)) {
    if (!std::exchange(ended->told, true)) return ClientEnd{std::move(ended->failure), ended->at_starttls};
  } else if (auto* examining = std::get_if<Examining>(&my.phase)) {
    if (!std::exchange(examining->asked, true)) return WantsMailData{ClientTransaction::kPart};
  } else if (auto* transaction = std::get_if<ClientTransaction>(&my.phase)) {
    if (const std::size_t octets = transaction->ask(my.exchange); octets != 0) return WantsMailData{octets, std::exchange(my.examined, false)};
  }
  return std::monostate{};
}

void ClientSession::send(OutgoingMessage message, Instant now) {
  Impl& my = *impl_;
  check(!my.finished, "the outcomes of a message are taken before the next one is sent");
  const std::size_t recipients = message.envelope.forward_paths.size();
  if (!my.reader.empty()) my.lose({4, 5, 0}, "octets came unasked");
  if (const auto* ended = std::get_if<Ended>(&my.phase)) {
    my.finished.emplace(recipients, ended->failure.value_or(deferred({4, 4, 2}, "the session had ended")));
    return;
  }
  auto& idle = std::get<Idle>(my.phase);
  if (const auto limit = my.extensions.size_limit(); limit && message.size > *limit) {
    my.refuse(recipients, {5, 3, 4},
              "the message has " + std::to_string(message.size) + " octets, the next hop takes " + std::to_string(*limit));
    return;
  }
  my.progress = now;
  const bool takes_it = message.envelope.body != mail::BodyType::eight_bit_mime || my.extensions.has("8BITMIME");
  const bool needs_reset = idle.needs_reset;
  if (takes_it || my.profile.eight_bit == EightBit::pass) {
    my.begin_transaction(std::move(message), needs_reset, std::nullopt);
  } else {
    my.phase = Examining{.message = std::move(message), .needs_reset = needs_reset, .asked = false, .scan = {}};
  }
}

/// Nothing of the message is said; the next one may be.
void ClientSession::Impl::refuse(std::size_t count, EnhancedStatus status, std::string detail) {
  Outcome refusal = deferred(status, std::move(detail));
  refusal.fate = Fate::failed;
  finished.emplace(count, std::move(refusal));
  std::get<Idle>(phase).told = false;
}

void ClientSession::Impl::begin_transaction(OutgoingMessage message, bool needs_reset, std::optional<mail::SevenBitPlan> plan) {
  ClientTransaction transaction(std::move(message), extensions, profile.protocol, recipients, std::move(plan));
  transaction.begin(needs_reset, exchange);
  phase = std::move(transaction);
}

void ClientSession::Impl::end_examination() {
  if (!reader.empty()) return lose({4, 5, 0}, "octets came unasked");
  Examining examining = std::move(std::get<Examining>(phase));
  mail::SevenBitPlan plan = std::move(examining.scan).finish();
  OutgoingMessage& message = examining.message;
  if (plan.eight_bit && (profile.eight_bit == EightBit::fail || !plan.refusal.empty())) {
    phase = Idle{.needs_reset = examining.needs_reset};
    const std::string why = "the message has 8-bit octets, which the next hop does not take (it does not offer 8BITMIME)";
    refuse(message.envelope.forward_paths.size(), {5, 6, 3},
           profile.eight_bit == EightBit::fail ? why : why + ", and it cannot be converted: " + std::string(plan.refusal));
    return;
  }
  examined = true;
  std::optional<mail::SevenBitPlan> conversion;
  if (plan.eight_bit) conversion = std::move(plan);
  begin_transaction(std::move(message), examining.needs_reset, std::move(conversion));
}

void ClientSession::supply(Octets mail_data, bool last) {
  if (auto* examining = std::get_if<Examining>(&impl_->phase)) {
    examining->scan.feed(mail_data);
    examining->asked = false;
    if (last) impl_->end_examination();
    return;
  }
  auto* transaction = std::get_if<ClientTransaction>(&impl_->phase);
  if (transaction == nullptr) return;
  const bool answered_all = impl_->exchange.awaited.empty();
  if (!transaction->supply(mail_data, last, impl_->exchange)) {
    impl_->end(deferred({4, 3, 0}, "the mail data is not of the size that was said"));
  } else if (transaction->over(impl_->exchange)) {
    impl_->finish_transaction();
  } else if (answered_all) {
    impl_->refuse_early_octets();
  }
}

void ClientSession::quit(Instant now) {
  if (std::holds_alternative<Ended>(impl_->phase)) return;
  check(std::holds_alternative<Idle>(impl_->phase), "QUIT comes between messages");
  impl_->progress = now;
  impl_->say_quit(std::nullopt);
}

void ClientSession::go_on(Instant now) {
  Impl& my = *impl_;
  if (!my.reader.empty()) my.lose({4, 5, 0}, "octets came unasked");
  if (std::holds_alternative<Ended>(my.phase)) return;
  check(my.layer.start == ClientLayer::Start::rest && my.exchange.awaited.empty(), "a session at rest goes on");
  my.progress = now;
  my.phase = Opening{};
  my.say_hello();
}

Octets ClientSession::output() const { return impl_->exchange.output.view(); }

void ClientSession::sent(std::size_t count, Instant now) {
  impl_->exchange.output.consume(count);
  impl_->progress = now;
}

Deadline ClientSession::deadline() const { return impl_->deadline(); }

void ClientSession::expire(Instant now) {
  const Deadline deadline = impl_->deadline();
  if (deadline && now >= *deadline) end_of_layer("timed out");
}

bool ClientSession::end_of_data_waits() const {
  const auto* transaction = std::get_if<ClientTransaction>(&impl_->phase);
  return transaction != nullptr && transaction->past_envelope() && !transaction->sending() && !impl_->exchange.output.empty();
}

bool ClientSession::ready() const { return std::holds_alternative<Idle>(impl_->phase); }

bool ClientSession::has_extension(std::string_view keyword) const { return impl_->extensions.has(keyword); }

}  // namespace adieu::smtp
