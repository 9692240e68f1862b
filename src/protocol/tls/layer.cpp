// See layer.h.
#include "adieu/protocol/tls/layer.h"

#include <utility>

#include "adieu/base/result.h"

namespace adieu::tls {

Ending plaintext_ending(Event event) {
  if (event == Event::rst) return Ending::rst;
  if (event == Event::timeout) return Ending::timeout;
  if (event == Event::octets_behind) return Ending::injected;
  return Ending::fin;
}

void Layer::begin_plaintext(Instant now) {
  check(is_tls() ? leads_to_plaintext() : is_plain(), "plaintext begins behind both close_notify, and nothing was behind those");
  *this = Layer(now);
}

void Layer::begin_tls(std::unique_ptr<Channel> channel, Instant now, Instant until) {
  check(is_plain() && !is_tls(), "TLS begins in plaintext");
  *this = Layer(now);
  channel_ = std::move(channel);
  note(Event::begin_handshake);
  deadline_ = until;
}

bool Layer::received_close_notify() const {
  const auto* closing = std::get_if<Closing>(&state_);
  return closing != nullptr && closing->received;
}

Layer::Place Layer::receive(Octets octets) {
  octets_in_ += octets.size();
  if (is_broken()) return Place::nowhere;
  if (received_close_notify()) return Place::behind_close_notify;
  if (!is_tls()) return Place::session;
  channel_->receive(octets);
  return Place::channel;
}

void Layer::receive_eof() {
  eof_ = true;
  if (is_tls()) channel_->receive_eof();
}

ChannelEvent Layer::step(std::string& plaintext) {
  if (!is_tls() || is_over() || received_close_notify()) return ChannelEvent::wants_input;
  const std::size_t waiting = channel_->output().size();
  const ChannelEvent event = channel_->step(plaintext);
  switch (event) {
    case ChannelEvent::wants_input:
    case ChannelEvent::plaintext: break;
    case ChannelEvent::established:
      note(Event::established);
      deadline_.reset();
      break;
    case ChannelEvent::close_notify: note(Event::received_close_notify); break;
    case ChannelEvent::broken: alert_waits_ = channel_->output().size() > waiting; break;
  }
  return event;
}

bool Layer::break_by(Event event, std::string detail) {
  if (is_broken()) return true;
  note(event);
  if (const auto* broken = std::get_if<Broken>(&state_)) {
    ending_ = broken->ending;
  } else if (is_tls()) {
    return false;
  } else {
    ending_ = plaintext_ending(event);
  }
  if (!detail.empty()) detail_ = std::move(detail);
  return true;
}

void Layer::encrypt(Octets said, std::size_t end) {
  if (!is_tls() || end <= in_records_) return;
  const Octets fresh = said.substr(in_records_, end - in_records_);
  channel_->send(fresh);
  in_records_ += fresh.size();
  marks_.push_back({octets_out_ + channel_->output().size(), fresh.size()});
}

void Layer::close(Instant until) {
  if (close_notify_end_) return;
  channel_->close();
  close_notify_end_ = octets_out_ + channel_->output().size();
  deadline_ = until;
}

Octets Layer::output(Octets said) const {
  if (is_tls()) return channel_->output();
  check(said.empty() || is_plain(), "a session inside TLS speaks through its channel");
  return said;
}

std::size_t Layer::sent(std::size_t count) {
  octets_out_ += count;
  if (!is_tls()) return count;
  channel_->consume_output(count);
  std::size_t said = 0;
  auto mark = marks_.begin();
  for (; mark != marks_.end() && mark->end <= octets_out_; ++mark) said += mark->said;
  marks_.erase(marks_.begin(), mark);
  in_records_ -= said;
  if (sent_close_notify()) note(Event::sent_close_notify);
  return said;
}

void Layer::drop() {
  channel_.reset();
  deadline_.reset();
}

LayerEnd Layer::end(Instant now) {
  deadline_.reset();
  LayerEnd end;
  end.secure = is_tls();
  end.ending = ending_;
  end.detail = std::move(detail_);
  if (is_tls()) end.info = channel_->info();
  end.octets_in = octets_in_;
  end.octets_out = octets_out_;
  end.lasted = now - began_;
  return end;
}

}  // namespace adieu::tls
