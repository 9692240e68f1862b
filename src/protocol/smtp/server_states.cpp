// See server_states.h.
#include "protocol/smtp/server_states.h"

namespace adieu::smtp::server {
namespace {

const IncomingMessage* open_message(const State& state) {
  if (const auto* open = std::get_if<InTransaction>(&state)) return &open->message;
  if (const auto* data = std::get_if<ReceivingMailData>(&state)) return &data->message;
  const auto* chunk = std::get_if<ReceivingChunk>(&state);
  return chunk != nullptr && chunk->message ? &*chunk->message : nullptr;
}

}  // namespace

std::optional<mail::MessageSummary> undone(const State& state) {
  if (const auto* over = std::get_if<Over>(&state)) return over->undone;
  const IncomingMessage* message = open_message(state);
  return message != nullptr ? std::optional(message->summary()) : std::nullopt;
}

mail::MessageSummary about(const InTransaction& open, const mail::Mailbox& forward_path) {
  mail::MessageSummary about = open.message.summary();
  about.forward_paths.assign(1, forward_path);
  about.recipients = 1;
  return about;
}

}  // namespace adieu::smtp::server
