// See load_session.h.
#include "load_session.h"

#include <sys/epoll.h>

#include <algorithm>

namespace adieu::bench {

bool LoadSession::start() {
  if (!load_.options.hold && load_.begun >= load_.options.messages) return false;
  // A held connection counts as one that will have sent a message, so that its session begins once.
  if (!load_.options.hold) ++load_.begun;
  ++load_.connections;
  state_ = State::connecting;
  secure_ = watching_write_ = false;
  sent_messages_ = 0;
  in_.clear();
  out_ = {};
  if (!wire_.connect(load_.options.port)) return fail("connect");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = this;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, wire_.socket(), &event) != 0) return fail("epoll");
  state_ = State::greeting;
  return true;
}

bool LoadSession::connect_again() {
  wire_.close();
  if (!load_.options.hold) --load_.begun;
  --load_.connections;
  return start();
}

bool LoadSession::ready() {
  if (state_ == State::handshake && !shake_hands()) return false;
  if (state_ == State::handshake) return true;
  return flush() && take_replies();
}

bool LoadSession::shake_hands() {
  const int done = wire_.handshake();
  if (done < 0) return fail("handshake");
  if (done == 0) {
    watch(wire_.wants_write());
    return true;
  }
  secure_ = true;
  watch(false);
  command(State::hello, "EHLO client.example\r\n");
  return true;
}

bool LoadSession::take_replies() {
  for (;;) {
    const long got = wire_.receive(in_);
    if (got < 0) return fail("the connection");
    std::size_t end = 0;
    while ((end = in_.find('\n')) != std::string::npos) {
      if (end < 4) return fail("a reply of less than four octets");
      const bool last = in_[3] != '-';
      const int code = (in_[0] - '0') * 100 + (in_[1] - '0') * 10 + (in_[2] - '0');
      const std::string line = in_.substr(0, end);
      in_.erase(0, end + 1);
      if (!last) continue;
      if (code >= 400) return fail(line);
      if (!on_reply(code)) return false;
    }
    if (got == 0 || state_ == State::handshake) return true;
  }
}

bool LoadSession::on_reply(int code) {
  switch (state_) {
    case State::greeting: command(State::hello, "EHLO client.example\r\n"); break;
    case State::hello:
      if (load_.options.tls && !secure_) {
        command(State::starttls, "STARTTLS\r\n");
      } else if (load_.options.hold) {
        ++load_.held;
      } else {
        return begin_message();
      }
      break;
    case State::starttls:
      state_ = State::handshake;
      wire_.start_tls(load_.tls);
      return shake_hands();
    case State::mail:
    case State::recipient:
      if (recipients_ < load_.options.recipients) {
        command(State::recipient, "RCPT TO:<b" + std::to_string(++recipients_) + "@example.net>\r\n");
      } else {
        command(State::data, "DATA\r\n");
      }
      break;
    case State::data:
      if (code != 354) return fail("no 354");
      state_ = State::body;
      out_ = load_.mail_data;
      body_began_ = Clock::now();
      return flush();
    case State::accepted: {
      const auto waited = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - dot_sent_).count();
      load_.waits.push_back(static_cast<std::uint32_t>(waited));
      ++load_.accepted;
      if (++sent_messages_ < load_.options.per_session && load_.begun < load_.options.messages) {
        ++load_.begun;
        return begin_message();
      }
      command(State::quit, "QUIT\r\n");
      break;
    }
    case State::quit: wire_.close(); return start();
    case State::connecting:
    case State::handshake:
    case State::body: return fail("a reply that was not due");
  }
  return error_.empty();
}

bool LoadSession::begin_message() {
  recipients_ = 0;
  command(State::mail, "MAIL FROM:<a@example.org>\r\n");
  return error_.empty();
}

void LoadSession::command(State next, std::string_view line) {
  state_ = next;
  commands_ = line;
  out_ = commands_;
  flush();
}

bool LoadSession::flush() {
  while (!out_.empty()) {
    std::string_view part = out_;
    if (paced()) {
      const auto elapsed = std::chrono::duration<double>(Clock::now() - body_began_).count();
      const auto allowed = static_cast<std::size_t>(elapsed * static_cast<double>(load_.options.pace));
      const std::size_t sent = load_.mail_data.size() - out_.size();
      if (allowed <= sent) return true;
      part = part.substr(0, allowed - sent);
    }
    const long sent = wire_.send(part);
    if (sent < 0) return fail("sending");
    if (sent == 0) {
      watch(true);
      return true;
    }
    out_.remove_prefix(static_cast<std::size_t>(sent));
  }
  watch(false);
  if (state_ == State::body) {
    dot_sent_ = Clock::now();
    state_ = State::accepted;
  }
  return true;
}

void LoadSession::watch(bool write) {
  if (write == watching_write_) return;
  watching_write_ = write;
  epoll_event event{};
  event.events = write ? static_cast<std::uint32_t>(EPOLLIN) | static_cast<std::uint32_t>(EPOLLOUT) : static_cast<std::uint32_t>(EPOLLIN);
  event.data.ptr = this;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, wire_.socket(), &event);
}

bool LoadSession::fail(std::string_view what) {
  error_ = std::string(what) + " (" + wire_.error() + ")";
  return false;
}

}  // namespace adieu::bench
