// A next hop in memory that a test can make misbehave at any stage, and the pure ClientConnection that sends it mail: real TLS
// records, a virtual clock, and a wire between them whose octets towards the client can be cut off or changed. The next hop keeps
// its own account of what it took and where in its stream it said so; what the client believes is held against that.
#pragma once

#include <functional>
#include <map>

#include "adieu/protocol/smtp/client_connection.h"
#include "daemon/wire.h"

namespace adieu::test {

/// What the next hop answers. `message`: the end of mail data.
enum class Stage { greeting, hello, starttls, secure_hello, mail, recipient, data, message, quit };
inline constexpr std::array kStages = {Stage::greeting, Stage::hello, Stage::starttls, Stage::secure_hello, Stage::mail,
                                       Stage::recipient, Stage::data, Stage::message, Stage::quit};
inline std::string_view name(Stage stage) {
  static constexpr std::array<std::string_view, kStages.size()> kNames = {
      "greeting", "EHLO", "STARTTLS", "EHLO inside TLS", "MAIL", "RCPT", "DATA", "end of mail data", "QUIT"};
  return kNames.at(static_cast<std::size_t>(stage));
}

/// What it does there instead of what it should. After anything but `goes_on` it says no more and hears only close_notify.
struct Move {
  enum class Then { goes_on, silence, fin, rst, close_notify };
  std::string said{};
  Then then = Then::goes_on;
  std::string behind{};  // octets of the transport behind all that, outside every layer
};

/// An answer in the next hop's stream: octets [begin, end). When it was given, the client had read what stands before `turn`.
struct Answered {
  Stage stage;
  std::size_t turn, begin, end;
  bool acknowledges;        // a complete reply of 2xx to the whole of the mail data
  bool in_step;             // every answer before it was one whole reply, so that it can be told what this one answers
};

class NextHop {
 public:
  explicit NextHop(std::string_view version) : channels_(credentials(version)) {}

  bool offers_tls = true;
  bool pipelining = true;
  bool chunking = false;
  bool lmtp = false;
  std::map<Stage, Move> moves;

  std::string out;                       // its whole stream
  std::vector<Answered> answered;
  std::vector<std::string> taken;        // mail data that it has read to the end, dot-stuffed where it came by DATA
  std::string in_plaintext;              // what it has read outside TLS
  bool heard_close_notify = false;
  bool ends_with_fin = false, ends_with_rst = false;  // behind the last octet of `out`
  std::size_t close_notify_end = 0;      // where its close_notify ends in its stream; 0: not said

  void start() { answer(Stage::greeting, "220 next.example ESMTP\r\n"); }
  void receive(std::string_view octets) {
    turn_ = out.size();
    if (!channel_) {
      in_plaintext += octets;
      in_ += octets;
      work();
      return;
    }
    channel_->receive(octets);
    for (;;) {
      std::string plaintext;
      const auto event = channel_->step(plaintext);
      drain();
      if (event == tls::ChannelEvent::wants_input || event == tls::ChannelEvent::broken) return;
      if (event == tls::ChannelEvent::close_notify) {
        heard_close_notify = true;
        if (!mute_) close();
        return;
      }
      in_ += plaintext;
      work();
    }
  }
  /// Unasked; inside TLS where there is a layer.
  void say(std::string_view text) {
    if (!channel_) {
      out += text;
      return;
    }
    channel_->send(text);
    drain();
  }
  /// Its close_notify, then FIN.
  void close() {
    channel_->close();
    drain();
    close_notify_end = out.size();
    ends_with_fin = mute_ = true;
  }
  bool secure() const { return channel_ != nullptr; }
  /// Whether all its answers were one whole reply each.
  bool in_step() const { return in_step_; }

 private:
  static std::shared_ptr<const gnutls::Credentials> credentials(std::string_view version) {
    static std::map<std::string, std::shared_ptr<const gnutls::Credentials>, std::less<>> made;
    auto& one = made[std::string(version)];
    if (!one) one = *gnutls::make_server_credentials(test_certificate(), priority_for(version));
    return one;
  }
  /// By its own judgement: where the first reply ends, its lines with hyphens and the last one without; 0 where it does not.
  static std::size_t first_reply(std::string_view said) {
    std::size_t begin = 0;
    for (int lines = 0; lines < 200; ++lines) {
      const std::size_t end = said.find("\r\n", begin);
      if (end == std::string_view::npos || end < begin + 3 || said[begin] < '2' || said[begin] > '5') return 0;
      if (end == begin + 3 || said[begin + 3] == ' ') return end + 2;
      if (said[begin + 3] != '-') return 0;
      begin = end + 2;
    }
    return 0;
  }
  void drain() {
    out += channel_->output();
    channel_->consume_output(channel_->output().size());
  }
  bool answer(Stage stage, std::string reply) {
    Move move{std::move(reply)};
    if (const auto found = moves.find(stage); found != moves.end()) move = found->second;
    const std::size_t begin = out.size();
    if (!channel_) move.said += std::exchange(move.behind, {});  // without layers nothing is outside them
    if (!move.said.empty()) say(move.said);
    const std::size_t whole = first_reply(move.said);
    answered.push_back({stage, turn_, begin, out.size(), stage == Stage::message && whole != 0 && move.said[0] == '2', in_step_});
    in_step_ = in_step_ && whole != 0 && whole == move.said.size() && move.behind.empty();
    leaving_ = leaving_ || move.said.starts_with("421");
    switch (move.then) {
      case Move::Then::goes_on: break;
      case Move::Then::silence: mute_ = true; break;
      case Move::Then::fin: ends_with_fin = mute_ = true; break;
      case Move::Then::rst: ends_with_rst = mute_ = true; break;
      case Move::Then::close_notify:
        if (channel_) close();
        ends_with_fin = false;
        mute_ = true;
        break;
    }
    out += move.behind;
    return move.said.starts_with(stage == Stage::data ? '3' : '2');
  }

  void work() {
    while (!mute_ && !leaving_) {
      if (reading_data_) {
        const std::size_t end = in_.starts_with(".\r\n") ? 0 : in_.find("\r\n.\r\n");
        if (end == std::string::npos) return;
        const std::size_t text = end == 0 ? 0 : end + 2;
        finish_message(in_.substr(0, text), text + 3);
      } else if (chunk_) {
        if (in_.size() < *chunk_) return;
        finish_message(in_.substr(0, *chunk_), *chunk_);
      } else {
        const std::size_t end = in_.find("\r\n");
        if (end == std::string::npos) return;
        const std::string line = in_.substr(0, end);
        in_.erase(0, end + 2);
        obey(line);
      }
    }
  }
  void finish_message(std::string mail_data, std::size_t octets) {
    in_.erase(0, octets);
    reading_data_ = false;
    chunk_.reset();
    if (accepted_ == 0) {
      answer(Stage::message, "554 5.5.1 no valid recipients\r\n");
      return;
    }
    taken.push_back(std::move(mail_data));
    for (int replies = lmtp ? accepted_ : 1; replies > 0 && !mute_; --replies) answer(Stage::message, "250 2.0.0 stored\r\n");
  }
  void obey(const std::string& line) {
    const std::string verb = line.substr(0, 4);
    if (verb == "EHLO" || verb == "LHLO") {
      std::string reply = "250-next.example\r\n";
      if (pipelining) reply += "250-PIPELINING\r\n";
      if (chunking) reply += "250-CHUNKING\r\n";
      if (offers_tls && !channel_) reply += "250-STARTTLS\r\n";
      answer(channel_ ? Stage::secure_hello : Stage::hello, reply + "250 SIZE 1000000\r\n");
    } else if (verb == "STAR") {
      if (!answer(Stage::starttls, "220 2.0.0 go\r\n") || mute_) return;
      channel_ = channels_.make();
      in_.clear();
    } else if (verb == "MAIL") {
      accepted_ = 0;
      open_ = answer(Stage::mail, "250 2.1.0 ok\r\n");
    } else if (verb == "RCPT" && !open_) {
      say("503 5.5.1 MAIL first\r\n");
    } else if (verb == "RCPT") {
      accepted_ += answer(Stage::recipient, "250 2.1.5 ok\r\n");
    } else if (verb == "DATA") {
      reading_data_ = answer(Stage::data, accepted_ != 0 ? "354 go\r\n" : "503 5.5.1 no valid recipients\r\n") && accepted_ != 0;
    } else if (verb == "BDAT") {
      chunk_ = std::stoul(line.substr(5));
    } else if (verb == "QUIT") {
      answer(Stage::quit, "221 2.0.0 bye\r\n");
      if (!channel_ && !mute_) ends_with_fin = mute_ = true;
    } else {
      say("500 5.5.2 what?\r\n");
    }
  }

  gnutls::ServerChannels channels_;
  std::unique_ptr<tls::Channel> channel_;
  std::string in_;
  std::size_t turn_ = 0;
  int accepted_ = 0;
  bool reading_data_ = false;
  std::optional<std::size_t> chunk_;
  bool open_ = false;
  bool in_step_ = true;
  bool leaving_ = false;  // has said 421: obeys no more, but still ends the layer in order
  bool mute_ = false;
};

/// One connection of the client, from its beginning to its end.
class Attempt {
 public:
  static constexpr std::string_view kMailData = "Subject: x\r\n\r\nbody\r\n";
  enum class CutBy { nothing, fin, rst, stall };

  Attempt(NextHop& hop, std::string_view version, smtp::ClientStartTls starttls = smtp::ClientStartTls::required)
      : hop_(hop), channels_(credentials(version), "next.example", false) {
    profile.session.hostname = "client.example";
    profile.starttls = starttls;
    profile.channels = &channels_;
  }

  /// Sends `messages` messages to `recipients` recipients each, then QUIT, or `waits`.
  void run(int messages = 1, std::size_t recipients = 1) {
    profile.session.protocol = hop_.lmtp ? smtp::ClientProtocol::lmtp : smtp::ClientProtocol::smtp;
    hop_.start();
    connection = std::make_unique<smtp::ClientConnection>(profile, now);
    messages_ = messages;
    recipients_ = recipients;
    go_on();
  }
  void go_on() {
    for (int turns = 0; turns < 20'000; ++turns) {
      auto action = connection->next_action(now);
      for (tls::LayerEnd& end : connection->take_layer_ends()) {
        if (end.secure) ends.push_back(std::move(end));
      }
      if (std::holds_alternative<smtp::Ready>(action)) {
        if (sent == messages_) {
          if (!waits) connection->quit(now);
        } else {
          ++sent;
          connection->send(message(), now);
        }
      } else if (std::holds_alternative<smtp::WantsMailData>(action)) {
        if (loses_mail_data) {
          connection->supply(kMailData.substr(0, 5), false);
          connection->abandon("the disk is gone");
        } else {
          connection->supply(kMailData, true);
        }
      } else if (auto* finished = std::get_if<smtp::Finished>(&action)) {
        told.push_back(std::move(finished->outcomes));
      } else if (auto* end = std::get_if<smtp::ClientClosed>(&action)) {
        closed = std::move(*end);
        return;
      } else if (!exchange()) {
        if (!connection->deadline()) return;
        now = std::max(now, *connection->deadline());
        connection->expire(now);
      }
    }
  }
  smtp::OutgoingMessage message() const {
    smtp::OutgoingMessage message;
    message.envelope.reverse_path = {"a", "example.org"};
    for (std::size_t i = 0; i < recipients_; ++i) message.envelope.forward_paths.push_back({"b" + std::to_string(i), "example.net"});
    message.size = kMailData.size();
    return message;
  }
  /// Whether the client has begun a handshake.
  bool handshakes() const { return said_.find("STARTTLS\r\n\x16") != std::string::npos; }
  /// Why nothing was sent, or the first outcome's words.
  std::string why() const {
    const smtp::Outcome* outcome = nullptr;
    if (closed && closed->failure) outcome = &*closed->failure;
    if (!told.empty()) outcome = &told.front().front();
    if (outcome == nullptr) return "";
    return outcome->status.text() + " " + outcome->detail + (outcome->reply.code != 0 ? " | " + outcome->reply.line() : "");
  }
  /// Whether the client has read the whole of it, unchanged, with all that stands before it.
  bool has_read(const Answered& answer) const {
    if (answer.end > cut) return false;
    return flipped < answer.turn || flipped >= answer.end;
  }

  smtp::ClientConnectionProfile profile;
  std::unique_ptr<smtp::ClientConnection> connection;
  std::size_t cut = ~std::size_t{0};
  CutBy cut_by = CutBy::nothing;
  std::size_t flipped = ~std::size_t{0};
  std::size_t segment = ~std::size_t{0};   // octets that arrive at once
  std::size_t room = ~std::size_t{0};      // octets of the client that are taken at once
  bool waits = false;                      // for another message, when all are sent
  bool loses_mail_data = false;            // all but its beginning
  std::function<void()> between;           // whenever the next hop has heard the client

  int sent = 0;
  std::vector<std::vector<smtp::Outcome>> told;
  std::vector<tls::LayerEnd> ends;         // of TLS layers
  std::optional<smtp::ClientClosed> closed;
  Instant now{};

 private:
  static std::shared_ptr<const gnutls::Credentials> credentials(std::string_view version) {
    static std::map<std::string, std::shared_ptr<const gnutls::Credentials>, std::less<>> made;
    auto& one = made[std::string(version)];
    if (!one) one = *gnutls::make_client_credentials(priority_for(version), false);
    return one;
  }
  /// True when anything went either way.
  bool exchange() {
    const std::string said(connection->output().substr(0, room));
    if (!said.empty()) {
      said_ += said;
      connection->sent(said.size(), now);
      hop_.receive(said);
    }
    if (between) between();
    std::string heard = hop_.out.substr(delivered_, std::min(segment, std::max(cut, delivered_) - delivered_));
    if (flipped - delivered_ < heard.size()) heard[flipped - delivered_] ^= 4;
    delivered_ += heard.size();
    if (!heard.empty()) {
      connection->receive(heard, now);
      return true;
    }
    if (!said.empty()) return true;
    const bool all = delivered_ == hop_.out.size() || delivered_ == cut;
    if (!all || ended_) return false;
    const bool is_cut = delivered_ == cut;
    if (is_cut ? cut_by == CutBy::fin : hop_.ends_with_fin) {
      connection->receive_eof(now);
    } else if (is_cut ? cut_by == CutBy::rst : hop_.ends_with_rst) {
      connection->receive_reset(now);
    } else {
      return false;
    }
    return ended_ = true;
  }

  NextHop& hop_;
  gnutls::ClientChannels channels_;
  int messages_ = 0;
  std::size_t recipients_ = 0;
  std::string said_;
  std::size_t delivered_ = 0;
  bool ended_ = false;
};

}  // namespace adieu::test
