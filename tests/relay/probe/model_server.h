// A server in memory, good but for the faults that a test gives it, behind the port probe::Wire, with a clock of its own: it answers at once,
// after a time that a test gives it, or never.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "adieu/relay/probe/probe.h"

namespace adieu::test {
using namespace adieu::probe;

struct Server {
  // What it is.
  bool reachable = true;
  bool greets = true;
  bool starttls = true;
  bool answers_starttls = true;
  bool tls13 = true;
  bool tls12 = true;
  bool old = false;
  bool implicit = false;
  bool returns_to_plaintext = false;
  bool advertises_return = false;
  bool needs_hello = true;
  bool takes_null_reverse_path = true;
  std::string certificate_fault = {};
  WallTime certificate_ends{Duration(2'000)};

  // What it does wrong.
  enum class Close { answers, fin, reset, silent, clear, alert };
  Close on_close = Close::answers;
  bool keeps_transaction = false;
  bool keeps_hello = false;
  bool keeps_data = false;
  bool carries_out_behind_close = false;
  enum class Behind { refuses, drops, inside_tls, in_the_clear, ends, silent };
  Behind behind_starttls = Behind::drops;
  enum class Quit { well, no_close_notify, reset, waits, stays };
  Quit on_quit = Quit::well;
  Event end_after_quit = Event::fin;          // of Quit::well and Quit::waits
  bool resets_what_it_does_not_read = false;  // a close_notify that comes between its own and its end
  // How long it takes.
  Duration close_notify_after{3};  // from ours to its own
  Duration quit_after{2};          // from its 221 to its close_notify
  Duration end_after{0};           // from there to the end of the connection

  // What was done to it.
  std::vector<std::string> lines = {};  // every command and line of mail data
  std::string in_the_clear = {};        // octets said outside TLS
  int connections = 0;
  int left_without_quit = 0;
  Instant now{};
};

class ModelWire final : public Wire {
 public:
  explicit ModelWire(Server& server) : server_(server) {
    ++server_.connections;
    if (server_.greets && !server_.implicit) greet();
  }
  ~ModelWire() override {
    if (!quit_ && !end_) ++server_.left_without_quit;
  }

  void say(Octets octets) override {
    if (!writes_tls_) server_.in_the_clear += octets;
    while (!octets.empty() && !end_) {
      const std::size_t end = octets.find("\r\n");
      const std::string line(octets.substr(0, end));
      octets.remove_prefix(end == Octets::npos ? octets.size() : end + 2);
      server_.lines.push_back(line);
      take(line, octets);
    }
  }
  Heard hear(Duration at_most) override {
    const Instant began = server_.now;
    const Instant deadline = began + std::min(at_most, kTimeout);
    Heard heard{end_.value_or(Event::timeout), {}, {}, {}};
    Instant when = end_ ? end_at_ : Instant::max();
    if (!coming_.empty()) {
      heard = coming_.front().heard;
      when = coming_.front().when;
    }
    server_.now = std::clamp(when, began, deadline);
    if (when > deadline) heard = {Event::timeout, {}, {}, {}};
    if (when <= deadline && !coming_.empty()) coming_.pop_front();
    heard.after = server_.now - began;
    return heard;
  }
  Heard begin_tls(Versions versions) override {
    if (!coming_.empty()) return {Event::clear, {}, {}, {}};
    const bool speaks = versions == Versions::tls13   ? server_.tls13
                        : versions == Versions::tls12 ? server_.tls12
                        : versions == Versions::old   ? server_.old
                                                      : true;
    if (!speaks || handshake_fails_) {
      end_ = Event::fin;
      return {Event::alert, {}, "protocol_version", {}};
    }
    info_.version = versions == Versions::old ? "TLS1.0" : std::string(label(versions));
    info_.cipher = "A_CIPHER";
    certificate_.subject = "CN=mx.example.org";
    certificate_.fault = server_.certificate_fault;
    certificate_.not_after = server_.certificate_ends;
    writes_tls_ = reads_tls_ = true;
    hello_ = false;
    if (server_.implicit && server_.greets) greet();
    if (injected_inside_) reply(250, "ok");
    return {Event::established, {}, {}, {}};
  }
  void close_tls(Octets behind) override {
    if (!writes_tls_) return;
    writes_tls_ = false;
    server_.in_the_clear += behind;
    if (end_) {
      if (server_.resets_what_it_does_not_read && server_.now < end_at_) end_ = Event::reset;
      return;
    }
    const bool answers = server_.on_close == Server::Close::answers;
    switch (server_.on_close) {
      case Server::Close::answers: comes(Event::close_notify, server_.close_notify_after); break;
      case Server::Close::fin: end_ = Event::fin; break;
      case Server::Close::reset: end_ = Event::reset; break;
      case Server::Close::alert: end_ = Event::alert; break;
      case Server::Close::silent: deaf_ = true; break;
      case Server::Close::clear: break;
    }
    if (answers && quit_) {
      ends(server_.end_after_quit, server_.close_notify_after + server_.end_after);
    } else if (answers && !(server_.returns_to_plaintext || server_.carries_out_behind_close || server_.keeps_data)) {
      ends(Event::fin, server_.close_notify_after);
    }
    if (!server_.keeps_transaction) transaction_ = false;
    if (!server_.keeps_hello) hello_ = false;
    if (!server_.keeps_data) data_ = false;
    if (!behind.empty() && server_.carries_out_behind_close) {
      if (server_.on_close == Server::Close::clear) comes(Event::clear);
      reply(250, "ok");
    } else if (!behind.empty() && answers) {
      ends(Event::fin, server_.close_notify_after);
    }
  }
  void read_in_the_clear() override { reads_tls_ = false; }
  const tls::ChannelInfo& tls() const override { return info_; }
  const tls::PeerCertificate& certificate() const override { return certificate_; }

 private:
  static std::string_view label(Versions versions) { return versions == Versions::tls12 ? "TLS1.2" : "TLS1.3"; }

  struct Coming {
    Instant when;
    Heard heard;
  };

  void comes(Event event, Duration after = {}) { coming_.push_back({server_.now + after, {event, {}, {}, {}}}); }
  void ends(Event event, Duration after) {
    end_ = event;
    end_at_ = server_.now + after;
  }
  void reply(std::uint16_t code, std::string text) { coming_.push_back({server_.now, {Event::reply, {code, {}, std::move(text)}, {}, {}}}); }
  void greet() { reply(220, "mx.example.org"); }

  void take(const std::string& line, Octets& rest) {
    const std::string verb = line.substr(0, 4);
    if (data_) {
      if (line == ".") {
        data_ = transaction_ = false;
        reply(250, "queued");
      }
    } else if (deaf_) {
      // nothing is read any more
    } else if (verb == "EHLO") {
      hello_ = true;
      transaction_ = false;
      std::string text = "mx.example.org";
      if (server_.starttls && !writes_tls_ && !server_.implicit) text += "\nSTARTTLS";
      if (server_.advertises_return && writes_tls_) text += "\nXTLSRETURN";
      reply(250, text);
    } else if (line == "STARTTLS") {
      if (server_.answers_starttls) begin_starttls(rest);
    } else if (verb == "MAIL") {
      if (server_.needs_hello && !hello_) {
        reply(503, "EHLO first");
      } else if (!server_.takes_null_reverse_path) {
        reply(530, "authenticate first");
      } else {
        transaction_ = true;
        reply(250, "ok");
      }
    } else if (verb == "RCPT") {
      reply(transaction_ ? 250 : 503, transaction_ ? "ok" : "MAIL first");
    } else if (verb == "DATA") {
      data_ = true;
      reply(354, "go");
    } else if (verb == "QUIT") {
      take_quit();
    } else {
      reply(500, "what?");
    }
  }

  void begin_starttls(Octets& rest) {
    const bool injected = !rest.empty();
    rest = {};
    if (injected && server_.behind_starttls == Server::Behind::refuses) {
      reply(554, "octets behind STARTTLS");
      return;
    }
    if (injected && server_.behind_starttls == Server::Behind::silent) return;
    reply(220, "go");
    if (!injected) return;
    injected_inside_ = server_.behind_starttls == Server::Behind::inside_tls;
    handshake_fails_ = server_.behind_starttls == Server::Behind::ends;
    if (server_.behind_starttls == Server::Behind::in_the_clear) reply(250, "ok");
  }

  void take_quit() {
    quit_ = true;
    reply(221, "bye");
    if (!writes_tls_) {
      end_ = Event::fin;
      return;
    }
    switch (server_.on_quit) {
      case Server::Quit::well:
        comes(Event::close_notify, server_.quit_after);
        ends(server_.end_after_quit, server_.quit_after + server_.end_after);
        break;
      case Server::Quit::no_close_notify: end_ = Event::fin; break;
      case Server::Quit::reset: end_ = Event::reset; break;
      case Server::Quit::waits: break;
      case Server::Quit::stays: deaf_ = true; break;
    }
  }

  Server& server_;
  static constexpr Duration kTimeout = std::chrono::seconds(10);

  std::deque<Coming> coming_;
  std::optional<Event> end_;  // once all of `coming_` is heard
  Instant end_at_{};
  bool writes_tls_ = false;
  bool reads_tls_ = false;
  bool hello_ = false;
  bool transaction_ = false;
  bool data_ = false;
  bool quit_ = false;
  bool deaf_ = false;
  bool injected_inside_ = false;
  bool handshake_fails_ = false;
  tls::ChannelInfo info_;
  tls::PeerCertificate certificate_;
};

}  // namespace adieu::test
