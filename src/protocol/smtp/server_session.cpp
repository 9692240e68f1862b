// See server_session.h. The states carry their data; the command table says what may come when; here is what each command does.
#include "adieu/protocol/smtp/server_session.h"

#include <algorithm>
#include <utility>

#include "adieu/base/result.h"
#include "adieu/protocol/smtp/command_table.h"
#include "adieu/protocol/smtp/extensions.h"
#include "adieu/protocol/smtp/line_reader.h"
#include "adieu/protocol/smtp/reply_catalog.h"
#include "protocol/smtp/incoming_message.h"
#include "protocol/smtp/server_states.h"

namespace adieu::smtp {
namespace {

using namespace server;

constexpr std::size_t kInputLimit = 65'536;  // octets waiting while a question is open

}  // namespace

struct ServerSession::Impl {
  Impl(const ServerProfile& its_profile, const ServerLayer& its_layer, Instant now, SessionCounts before)
      : profile(its_profile), layer(its_layer), reader(its_profile.limits.command_line), last_heard(now), counts(before) {
    if (layer.greets) say(reply::greeting(profile.hostname));
  }

  // --- replies

  void put(const Reply& reply) {
    const std::string wire = reply.wire();
    output.append(wire);
    said += wire.size();
  }
  /// `about`: the message that a refusal is about, as far as the command names it.
  void say(const Reply& reply, mail::MessageSummary about = {}) {
    put(reply);
    if (reply.code >= 400) note(reply, std::move(about));
    put_off |= reply.transient();
    // What is to be tried again is no error of the client: not our limits, nor our troubles (section 4.5.3.1.10), nor a rule's "later"; nor is
    // what it had sent behind the command that was put off.
    const bool in_its_wake = put_off && (reply == reply::mail_first() || reply == reply::no_valid_recipients());
    if (!reply.permanent() || in_its_wake || ++counts.errors < profile.limits.errors || is<Over>()) return;
    end(EndReason::errors, reply::too_many_errors());
  }
  /// The last reply of the session.
  void end(EndReason reason, const Reply& reply) {
    put(reply);
    if (reason != EndReason::quit && reason != EndReason::timeout && reason != EndReason::shutdown) note(reply, undone(state).value_or(mail::MessageSummary{}));
    state = Over{reason, reason == EndReason::quit ? std::nullopt : undone(state)};
  }
  void note(const Reply& reply, mail::MessageSummary about) { refusals.push_back({reply, command_name, std::move(about), client.name}); }

  template <class S>
  bool is() const { return std::holds_alternative<S>(state); }

  command::Stage stage() const {
    if (is<Fresh>()) return command::Stage::fresh;
    const auto* open = std::get_if<InTransaction>(&state);
    if (open == nullptr) return command::Stage::greeted;
    if (open->begun) return command::Stage::chunks;
    return open->message.accepted == 0 ? command::Stage::mail : command::Stage::recipients;
  }

  // --- input

  Octets unread() const { return input.view(); }

  /// One step; false when nothing can be done.
  bool step() {
    if (asked.index() != 0 || is<StartingTls>() || is<Over>() || output.size() >= profile.limits.output) return false;
    if (auto* data = std::get_if<ReceivingMailData>(&state)) return take_mail_data(*data);
    if (auto* chunk = std::get_if<ReceivingChunk>(&state)) return take_chunk(*chunk);
    return take_command();
  }

  bool take_command() {
    const bool goes_on = reader.in_line();
    const LineReader::Taken taken = reader.take(unread());
    if (taken.consumed == 0) return false;
    if (!goes_on && reader.in_line()) line_began = last_heard;
    command_name = {};
    // The line may lie in `input`, which is let go only when it has been worked on.
    if (taken.status == LineStatus::line) {
      carry_out(taken.line, taken.consumed == input.size());
    } else if (taken.status == LineStatus::too_long) {
      say(reply::command_too_long());
    } else if (taken.status == LineStatus::malformed) {
      say(reply::bare_newline_in_command());
    }
    input.consume(taken.consumed);
    return true;
  }

  void carry_out(std::string_view line, bool nothing_behind) {
    if (is<Fresh>() && command::is_foreign(line)) {
      end(EndReason::protocol, reply::not_smtp());
      return;
    }
    const auto syntax = profile.lenient_commands ? command::Syntax::lenient : command::Syntax::strict;
    const auto verb = command::verb_of(line, syntax);
    if (!verb) {
      say(reply::unknown_command());
      return;
    }
    const command::Row& row = command::row(*verb);
    command_name = row.name;
    auto parsed = command::parse(line, syntax);
    auto* parsed_command = std::get_if<command::Command>(&parsed);
    command::Refusal refusal = row.refusal[static_cast<std::size_t>(stage())];
    if (layer.requires_tls && !row.before_tls) refusal = reply::tls_required;
    if (*verb == command::Verb::bdat && parsed_command == nullptr) {
      // Without a size, mail data cannot be told from commands.
      end(EndReason::protocol, std::get<Reply>(parsed));
      return;
    }
    // The octets of the chunk come even when the command is refused.
    if (*verb == command::Verb::bdat && refusal != nullptr) {
      const auto& bdat = std::get<command::Bdat>(*parsed_command);
      discard_chunk(bdat, refusal());
      return;
    }
    if (refusal != nullptr) {
      say(refusal(), parsed_command != nullptr ? command::summary(*parsed_command) : mail::MessageSummary{});
    } else if (parsed_command == nullptr) {
      say(std::get<Reply>(parsed));
    } else if (*verb == command::Verb::starttls) {
      start_tls(nothing_behind);
    } else {
      std::visit([this](auto& each) { carry_out(each); }, *parsed_command);
    }
  }

  // --- commands

  void greet(std::string name, bool extended) {
    client.name = std::move(name);
    client.extended = extended;
    state = Greeted{};  // an open transaction goes with its state (section 4.1.4)
  }
  /// A name is kept for the log, the ledger and the trace field as long as the layer lives.
  bool refuses_name(const std::string& name) {
    if (name.size() <= mail::kMaxDomain) return false;
    say(reply::name_too_long());
    return true;
  }
  void carry_out(command::Ehlo& ehlo) {
    if (refuses_name(ehlo.name)) return;
    greet(std::move(ehlo.name), true);
    say(ehlo_reply(profile, layer, client.name));
  }
  void carry_out(command::Helo& helo) {
    if (refuses_name(helo.name)) return;
    greet(std::move(helo.name), false);
    say(reply::hello(profile.hostname, client.name));
  }
  void carry_out(command::StartTls&) {}
  void start_tls(bool nothing_behind) {
    if (layer.secure) {
      say(reply::tls_already());
    } else if (!layer.offers_starttls) {
      say(reply::tls_not_offered());
    } else if (!nothing_behind) {
      // CVE-2011-0411: what stands behind STARTTLS was not said under its protection, and must not be taken as if it had been.
      end(EndReason::pipelined_starttls, reply::pipelined_starttls());
    } else if (counts.layers >= profile.limits.layers) {
      end(EndReason::layers, reply::too_many_layers());
    } else {
      say(reply::ready_for_tls());
      state = StartingTls{};
    }
  }
  void carry_out(command::Mail& mail) {
    if (counts.transactions >= profile.limits.transactions) {
      end(EndReason::transactions, reply::too_many_transactions());
    } else if (mail.declared_size > profile.limits.message_size) {
      say(reply::message_too_big(), command::summary(mail));
    } else {
      asked = AskedMail{command::summary(mail)};
      question = MailQuestion{std::move(mail.reverse_path), mail.body, mail.declared_size};
    }
  }
  void carry_out(command::Rcpt& rcpt) {
    auto& open = std::get<InTransaction>(state);
    std::string same = recipient_key(rcpt.forward_path);
    if (open.message.recipients.contains(same)) return say(reply::recipient_ok());  // it is there already, once
    if (open.message.accepted >= profile.limits.recipients) return say(reply::too_many_recipients(), about(open, rcpt.forward_path));
    asked = AskedRecipient{std::move(same), rcpt.forward_path};
    question = RecipientQuestion{open.message.transaction.get(), std::move(rcpt.forward_path)};
  }
  void carry_out(command::Data&) {
    IncomingMessage message = std::move(std::get<InTransaction>(state).message);
    message.decoder.emplace(Framing::dot, profile.limits.text_line);
    say(reply::start_mail_input());
    state = ReceivingMailData{std::move(message), last_heard};
  }
  void carry_out(command::Bdat& bdat) {
    ReceivingChunk chunk;
    chunk.message = std::move(std::get<InTransaction>(state).message);
    if (!chunk.message->decoder) chunk.message->decoder.emplace(Framing::chunks, profile.limits.text_line);
    chunk.left = chunk.size = bdat.octets;
    chunk.last = bdat.last;
    chunk.began = last_heard;
    state = std::move(chunk);
  }
  void discard_chunk(const command::Bdat& bdat, Reply reply) {
    ReceivingChunk chunk;
    chunk.was_greeted = !is<Fresh>();
    chunk.left = chunk.size = bdat.octets;
    chunk.began = last_heard;
    chunk.out_of_order = std::move(reply);
    state = std::move(chunk);
  }
  void carry_out(command::Rset&) {
    if (!is<Fresh>()) state = Greeted{};
    say(reply::ok());
  }
  void carry_out(command::Noop&) { say(reply::ok()); }
  void carry_out(command::Vrfy&) { say(reply::cannot_verify()); }
  void carry_out(command::Help&) { say(reply::help()); }
  void carry_out(command::Quit&) {
    quit_answered = true;
    end(EndReason::quit, reply::closing(profile.hostname));
  }

  // --- mail data

  bool take_mail_data(ReceivingMailData& data) {
    if (data.message.decoder->complete()) {
      end_of_mail_data(std::move(data.message));
      return true;
    }
    if (unread().empty()) return false;
    const Octets octets = unread().substr(0, data.message.room(profile));
    if (octets.empty()) {
      end(EndReason::mail_data, reply::too_much_mail_data());
      return true;
    }
    std::string out;
    input.consume(data.message.take(octets, profile, out));
    append(data.message, std::move(out));
    return true;
  }

  bool take_chunk(ReceivingChunk& chunk) {
    if (chunk.left != 0) {
      if (unread().empty()) return false;
      const std::uint64_t most = most_mail_data(profile);
      const std::uint64_t dropped = chunk.size - chunk.left;
      const std::uint64_t room = chunk.message ? chunk.message->room(profile) : most - std::min(most, dropped);
      const std::string_view octets = unread().substr(0, std::min(chunk.left, room));
      if (octets.empty()) {
        end(EndReason::mail_data, reply::too_much_mail_data());
        return true;
      }
      chunk.left -= octets.size();
      std::string out;
      if (chunk.message) chunk.message->take(octets, profile, out);
      input.consume(octets.size());
      if (chunk.message) append(*chunk.message, std::move(out));
      return true;
    }
    if (!chunk.message) {
      const Reply reply = std::move(chunk.out_of_order);
      if (chunk.was_greeted) {
        state = Greeted{};
      } else {
        state = Fresh{};
      }
      say(reply);
      return true;
    }
    if (!chunk.last) {
      // A refusal is told at once; the chunks that may be on their way already are dropped until LAST or RSET.
      const Reply reply = chunk.message->refusal(profile).value_or(reply::chunk_ok(chunk.size));
      mail::MessageSummary about = reply.positive() ? mail::MessageSummary{} : chunk.message->summary();
      state = InTransaction{std::move(*chunk.message), true};
      say(reply, std::move(about));
      return true;
    }
    chunk.last = false;
    std::string out;
    chunk.message->finish(profile, out);
    if (!out.empty()) {
      chunk.last = true;
      append(*chunk.message, std::move(out));
      return true;
    }
    end_of_mail_data(std::move(*chunk.message));
    return true;
  }

  void append(IncomingMessage& message, std::string mail_data) {
    if (mail_data.empty()) return;
    question = AppendQuestion{message.transaction.get(), std::move(mail_data)};
    asked = AskedAppend{};
  }

  void end_of_mail_data(IncomingMessage message) {
    if (const auto refusal = message.refusal(profile)) {
      state = Greeted{};
      return say(*refusal, message.summary());  // and it rolls back
    }
    question = CommitQuestion{message.transaction.get(), message.size};
    asked = AskedCommit{};
    state = InTransaction{std::move(message), true};
  }

  // --- answers

  void answer_mail(AskedMail mail, MailAnswer answer) {
    if (const auto* refusal = std::get_if<Reply>(&answer)) {
      say(*refusal, std::move(mail.about));
      return;
    }
    put_off = false;
    InTransaction open;
    open.message.transaction = std::move(std::get<std::unique_ptr<Transaction>>(answer));
    state = std::move(open);
    say(reply::reverse_path_ok());
  }
  void answer_recipient(AskedRecipient rcpt, const Reply& reply) {
    auto& open = std::get<InTransaction>(state);
    if (!reply.positive()) return say(reply, about(open, rcpt.forward_path));
    ++open.message.accepted;
    open.message.recipients.insert(std::move(rcpt.same));
    say(reply);
  }
  void answer_append(std::optional<Reply> refusal) {
    if (!refusal) return;
    if (auto* data = std::get_if<ReceivingMailData>(&state)) {
      data->message.storage_refusal = std::move(*refusal);
    } else {
      std::get<ReceivingChunk>(state).message->storage_refusal = std::move(*refusal);
    }
  }
  void answer_commit(const Reply& reply) {
    mail::MessageSummary about = reply.positive() ? mail::MessageSummary{} : std::get<InTransaction>(state).message.summary();
    auto transaction = std::move(std::get<InTransaction>(state).message.transaction);
    state = Greeted{};
    if (reply.positive()) {
      const std::uint64_t begin = said;
      put(reply);
      promised.push_back({begin, said, std::move(transaction)});
      ++counts.transactions;
      return;
    }
    transaction.reset();
    say(reply, std::move(about));
  }

  const ServerProfile& profile;
  const ServerLayer layer;
  LineReader reader;
  State state = Fresh{};
  Open asked;
  std::optional<Question> question;   // to be handed out by next_action
  OctetQueue input;
  OctetQueue output;
  std::uint64_t said = 0;             // octets of output since the session began
  std::uint64_t handed_over = 0;      // of them
  /// A message and where its 2xx stands among the octets that were said.
  struct Promise {
    std::uint64_t begin;
    std::uint64_t end;
    std::unique_ptr<Transaction> transaction;
  };
  std::deque<Promise> promised;
  ClientName client;
  std::string_view command_name;      // of what is worked on; empty: none that is known
  std::vector<Refusal> refusals;      // not told yet
  Instant last_heard;
  Instant line_began;                 // when the first octet of an unfinished command line came
  SessionCounts counts;
  std::uint32_t committed = 0;
  std::vector<std::unique_ptr<Transaction>> acknowledged;
  bool quit_answered = false;
  bool put_off = false;             // a command was, since the last MAIL that was taken: what came behind it cannot be carried out
  bool shutting_down = false;
};

ServerSession::ServerSession(const ServerProfile& profile, const ServerLayer& layer, Instant now, SessionCounts before)
    : impl_(std::make_unique<Impl>(profile, layer, now, before)) {}
ServerSession::~ServerSession() = default;

void ServerSession::receive(Octets octets, Instant now) {
  impl_->input.append(octets);
  impl_->last_heard = now;
}

ServerAction ServerSession::next_action() {
  Impl& self = *impl_;
  for (;;) {
    if (self.question) return *std::exchange(self.question, std::nullopt);
    // A transaction that is open may still be finished; whoever shuts down decides for how long.
    if (self.shutting_down && self.asked.index() == 0 && (self.is<Fresh>() || self.is<Greeted>())) {
      self.end(EndReason::shutdown, reply::shutting_down());
    }
    if (const auto* over = std::get_if<Over>(&self.state)) return EndSession{over->reason};
    if (self.is<StartingTls>()) return BeginTls{};
    if (!self.step()) return std::monostate{};
  }
}

void ServerSession::answer(Answer answer) {
  Impl& self = *impl_;
  Open asked = std::exchange(self.asked, Open{});
  check(asked.index() != 0 && asked.index() == answer.index() + 1, "an answer fits the open question");
  if (auto* mail = std::get_if<MailAnswer>(&answer)) {
    self.answer_mail(std::move(std::get<AskedMail>(asked)), std::move(*mail));
  } else if (auto* recipient = std::get_if<RecipientAnswer>(&answer)) {
    self.answer_recipient(std::move(std::get<AskedRecipient>(asked)), recipient->reply);
  } else if (auto* append = std::get_if<AppendAnswer>(&answer)) {
    self.answer_append(std::move(append->refusal));
  } else {
    self.answer_commit(std::get<CommitAnswer>(answer).reply);
  }
}

Octets ServerSession::output() const { return impl_->output.view(); }

void ServerSession::sent(std::size_t count) {
  Impl& self = *impl_;
  self.output.consume(count);
  self.handed_over += count;
  while (!self.promised.empty() && self.promised.front().end <= self.handed_over) {
    self.promised.front().transaction->acknowledge();
    self.acknowledged.push_back(std::move(self.promised.front().transaction));
    self.promised.pop_front();
    ++self.committed;
  }
}

std::optional<ServerSession::Span> ServerSession::promise(std::size_t from) const {
  const Impl& self = *impl_;
  for (const Impl::Promise& each : self.promised) {
    if (each.begin >= self.handed_over + from) return Span{each.begin - self.handed_over, each.end - self.handed_over};
  }
  return std::nullopt;
}

bool ServerSession::has_unread_input() const { return !impl_->unread().empty(); }

bool ServerSession::wants_input() const { return impl_->unread().size() < kInputLimit; }

Deadline ServerSession::deadline() const {
  const Impl& self = *impl_;
  if (self.asked.index() != 0 || self.is<Over>() || self.is<StartingTls>()) return std::nullopt;
  const ServerLimits& limits = self.profile.limits;
  const auto mail_data = [&](Instant began, std::uint64_t came) {
    const auto blocks = static_cast<Duration::rep>(came / kDataBlock);
    return std::min(self.last_heard + limits.data_timeout, began + limits.data_timeout * (kDataGrace + blocks));
  };
  if (const auto* data = std::get_if<ReceivingMailData>(&self.state)) return mail_data(data->began, data->message.came);
  if (const auto* chunk = std::get_if<ReceivingChunk>(&self.state)) return mail_data(chunk->began, chunk->size - chunk->left);
  return (self.reader.in_line() ? self.line_began : self.last_heard) + limits.command_timeout;
}

void ServerSession::expire(Instant now) {
  const Deadline when = deadline();
  if (when && *when <= now) impl_->end(EndReason::timeout, reply::timeout());
}

void ServerSession::shut_down() { impl_->shutting_down = true; }

void ServerSession::cut() {
  Impl& self = *impl_;
  if (self.is<Over>() || self.is<StartingTls>()) return;
  self.asked = Open{};
  self.question.reset();
  self.end(EndReason::shutdown, reply::shutting_down());
}

std::vector<std::unique_ptr<Transaction>> ServerSession::take_acknowledged() { return std::exchange(impl_->acknowledged, {}); }

std::vector<Refusal> ServerSession::take_refusals() { return std::exchange(impl_->refusals, {}); }

const ClientName& ServerSession::client_name() const { return impl_->client; }

ServerStanding ServerSession::standing() const {
  const Impl& self = *impl_;
  ServerStanding standing;
  auto open = undone(self.state);
  standing.in_transaction = open.has_value();
  standing.unacknowledged = !self.promised.empty();
  for (const Impl::Promise& promise : self.promised) standing.messages.push_back(promise.transaction->summary());
  if (open && self.promised.empty()) standing.messages.push_back(std::move(*open));
  standing.quit_answered = self.quit_answered;
  standing.committed = self.committed;
  standing.counts = self.counts;
  return standing;
}

}  // namespace adieu::smtp
