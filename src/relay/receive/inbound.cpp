// See inbound.h.
#include "adieu/relay/receive/inbound.h"

namespace adieu::receive {

Inbound::Inbound(Loop& loop, Accepted accepted, const ListenerProfile& listener, MailHandler& handler, observe::Closures& closures,
                 std::function<void()> on_end)
    : loop_(loop),
      peer_(accepted.peer),
      listener_(listener),
      handler_(handler),
      closures_(closures),
      id_(closures.next_connection()),
      on_end_(std::move(on_end)),
      timer_(loop.timer([this] {
               connection_.expire(loop_.now());
               work();
      })),
      connection_(listener.connection, loop.now()),
      transport_(loop, std::move(accepted.stream), connection_, [this] { work(); }) {}

Inbound::~Inbound() = default;

void Inbound::start() { work(); }

void Inbound::shut_down() {
  connection_.shut_down(loop_.now());
  work();
}

void Inbound::cut() {
  connection_.cut(loop_.now());
  work();
  connection_.give_up(loop_.now());
  work();
}

/// Everything that can be done now; then waits for input, room, an answer or the deadline.
void Inbound::work() {
  if (working_) return;  // an answer that came within its question
  working_ = true;
  for (;;) {
    smtp::ServerConnectionAction action = connection_.next_action(loop_.now());
    if (auto* asked = std::get_if<smtp::AskedQuestion>(&action)) {
      ask(std::move(*asked));
      continue;
    }
    tell_refusals();
    tell_layer_ends();
    if (std::holds_alternative<smtp::CloseTransport>(action)) {
      timer_->set(std::nullopt);
      transport_.await_input(false);
      on_end_();  // may destroy this
      return;
    }
    if (connection_.output().empty()) break;
    // R4: what came before S is outside both layers, and is to be seen before S goes.
    if (connection_.reads_before_writing() && transport_.read_now()) continue;
    if (!transport_.write()) break;
  }
  transport_.await_input(connection_.wants_input());
  timer_->set(connection_.deadline());
  working_ = false;
}

void Inbound::ask(smtp::AskedQuestion asked) {
  const std::uint64_t number = asked.number;
  const Client client{peer_, listener_, connection_.session()->client_name(), connection_.tls(), id_};
  auto answer = handler_.ask(client, std::move(asked.question), [this, number](smtp::Answer later) {
    connection_.answer(number, std::move(later));
    work();
  });
  if (answer) connection_.answer(number, std::move(*answer));
}

void Inbound::tell_refusals() {
  for (const smtp::Refusal& refusal : connection_.take_refusals()) {
    const smtp::ClientName name{refusal.client_name};
    handler_.refused({peer_, listener_, name, connection_.tls(), id_}, refusal);
  }
}

void Inbound::tell_layer_ends() {
  for (tls::LayerEnd& end : connection_.take_layer_ends()) {
    closures_.record({observe::Role::server, std::move(end), peer_, listener_.name, {}, id_}, listener_.alarm);
  }
}

}  // namespace adieu::receive
