// See rude_client.h.
#include "rude_client.h"

#include <utility>

namespace adieu::world {

RudeClient::RudeClient(Host& host, Endpoint relay, std::function<std::unique_ptr<tls::ChannelFactory>()> channels, std::int64_t times)
    : host_(host), relay_(relay), channels_(std::move(channels)), times_(times), timer_(host.timer([this] {
        if (stream_) {
          go();
        } else {
          come();
        }
      })) {
  if (times_ != 0) timer_->set(host_.now() + host_.clock().between(Duration(0), std::chrono::minutes(5)));
}

void RudeClient::come() {
  Clock& clock = host_.clock();
  const std::string mail = "MAIL FROM:<evil@client.example>\r\n";
  const std::string recipient = "RCPT TO:<evil.1@one.example>\r\n";
  const std::string mail_data = "Message-ID: <evil@evil.example>\r\n\r\nevil\r\n";
  commands_ = {"EHLO evil.example\r\n", mail, recipient};
  if (clock.happens(0.5)) {
    commands_.insert(commands_.end(), {"DATA\r\n", mail_data});
  } else {
    const auto size = clock.between(static_cast<std::int64_t>(mail_data.size()) + 1, static_cast<std::int64_t>(mail_data.size()) + 20);
    commands_.push_back("BDAT " + std::to_string(size) + " LAST\r\n" + mail_data);
  }
  switch (clock.between(0, 3)) {
    case 0: rest_ = "evil\r\n.\r\n"; break;
    case 1: rest_ = "BDAT 6 LAST\r\nevil\r\n"; break;
    case 2: rest_ = "evil\r\nevil\r\nevil\r\nevil\r\n"; break;
    default: rest_ = mail + recipient + "DATA\r\n" + mail_data + ".\r\n"; break;
  }
  waits_ = clock.happens(0.5);
  stage_ = Stage::greeting;
  said_ = 0;
  lines_.clear();
  ciphertext_.clear();
  auto stream = host_.connect(relay_, [this](const std::optional<Error>& error) {
    if (error) end_later();
  });
  stream_ = std::move(*stream);
  stream_->use(this);
  stream_->read(true);
  timer_->set(host_.now() + std::chrono::minutes(1));
}

void RudeClient::go() {
  stream_.reset();
  channel_.reset();
  if (--times_ != 0) timer_->set(host_.now() + host_.clock().between(Duration(0), std::chrono::minutes(20)));
}

void RudeClient::on_octets(Octets octets) {
  if (channel_ && stage_ != Stage::in_clear) {
    channel_->receive(octets);
    read_records();
    return;
  }
  lines_ += octets;
  while (lines_.find('\n') != lines_.npos && stage_ < Stage::handshake) on_reply();
}

/// The next line, which is a reply unless a hyphen stands behind its code.
void RudeClient::on_reply() {
  const std::size_t end = lines_.find('\n') + 1;
  const bool whole = end > 4 && lines_[3] == ' ';
  const bool ready = lines_.starts_with("220");
  lines_.erase(0, end);
  if (!whole) return;
  switch (stage_) {
    case Stage::greeting:
      stage_ = Stage::hello;
      say("EHLO evil.example\r\n");
      return;
    case Stage::hello:
      stage_ = Stage::starttls;
      say("STARTTLS\r\n");
      return;
    case Stage::starttls:
      if (!ready) {
        end_later();
        return;
      }
      stage_ = Stage::handshake;
      channel_ = channels_()->make();
      flush();
      return;
    case Stage::secure: say_next(); return;
    case Stage::handshake:
    case Stage::closing:
    case Stage::in_clear: return;
  }
}

void RudeClient::read_records() {
  for (;;) {
    std::string plaintext;
    switch (channel_->step(plaintext)) {
      case tls::ChannelEvent::wants_input: flush(); return;
      case tls::ChannelEvent::broken: end_later(); return;
      case tls::ChannelEvent::established:
        stage_ = Stage::secure;
        say_next();
        break;
      case tls::ChannelEvent::plaintext:
        lines_ += plaintext;
        while (lines_.find('\n') != lines_.npos && stage_ == Stage::secure) on_reply();
        break;
      case tls::ChannelEvent::close_notify:
        if (stage_ == Stage::closing) say_rest();
        return;
    }
  }
}

void RudeClient::say_next() {
  channel_->send(commands_[said_]);
  if (++said_ < commands_.size()) return;
  channel_->close();
  stage_ = Stage::closing;
  flush();
  if (!waits_) say_rest();
}

void RudeClient::say_rest() {
  stage_ = Stage::in_clear;
  say(rest_);
}

void RudeClient::flush() {
  if (channel_->output().empty()) return;
  ciphertext_ = channel_->output();
  channel_->consume_output(ciphertext_.size());
  say(ciphertext_);
}

}  // namespace adieu::world
