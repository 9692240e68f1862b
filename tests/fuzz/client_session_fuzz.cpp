// Whatever a server says, and whenever: each message has one end with an outcome for each recipient, none is called delivered
// whose last octet had not been handed over before the reply came (R14), nothing is said after the end, nothing in the clear
// where TLS is required, and no wait is without end. The first octet of the input sets the scene, the rest is the server's; 0xff
// is where the client gets its turn.
#include <cstdlib>

#include "adieu/protocol/smtp/client_session.h"

namespace {
using namespace adieu;
using namespace adieu::smtp;

void require(bool condition) {
  if (!condition) std::abort();
}

class Scene {
 public:
  explicit Scene(unsigned flags)
      : recipients_(flags & 8 ? 3 : 1), room_(flags & 16 ? 24 : ~std::size_t{0}), mail_data_(flags & 32 ? 70'000 : 20, 'x') {
    mail_data_ += kLast;
    profile_.hostname = "client.example";
    profile_.protocol = flags & 1 ? ClientProtocol::lmtp : ClientProtocol::smtp;
    profile_.reply_line = 128;
    profile_.reply_lines = 8;
    layer_.secure = (flags & 6) == 0;
    layer_.start = layer_.secure ? ClientLayer::Start::hello : ClientLayer::Start::greeting;
    layer_.starttls = layer_.secure || (flags & 6) == 2   ? ClientStartTls::never
                      : (flags & 6) == 4 ? ClientStartTls::when_offered
                                         : ClientStartTls::required;
    session_ = std::make_unique<ClientSession>(profile_, layer_, now_);
  }

  void hear(std::string_view octets) {
    work();
    if (begins_tls_ && !octets.empty()) behind_starttls_ = true;
    may_deliver_ = session_->output().empty() && said_.find(kLast) != std::string::npos;
    session_->receive(octets, now_);
    work();
  }
  void finish(bool by_cut) {
    may_deliver_ = false;
    if (by_cut) session_->end_of_layer("cut");
    work();
    for (int waits = 0; session_->deadline(); ++waits) {
      require(waits < 10);
      now_ = *session_->deadline();
      session_->expire(now_);
      work();
    }
    require(ended_ || begins_tls_);
    require(open_ == 0);
    require(!behind_starttls_ || ended_);
  }

 private:
  static constexpr std::string_view kLast = "last\r\n";

  void work() {
    std::size_t room = room_;
    for (;;) {
      ClientAction action = session_->next_action();
      if (std::holds_alternative<Ready>(action)) {
        require(!ended_ && open_ == 0);
        if (messages_ == 3) {
          session_->quit(now_);
        } else {
          send();
        }
      } else if (std::holds_alternative<ClientBeginTls>(action)) {
        require(!layer_.secure && layer_.starttls != ClientStartTls::never && session_->output().empty());
        begins_tls_ = true;
      } else if (const auto* wants = std::get_if<WantsMailData>(&action)) {
        require(open_ == 1);
        if (wants->from_start) supplied_ = 0;
        const std::string part = mail_data_.substr(supplied_, wants->octets);
        supplied_ += part.size();
        session_->supply(part, supplied_ == mail_data_.size());
      } else if (const auto* finished = std::get_if<Finished>(&action)) {
        require(open_-- == 1 && finished->outcomes.size() == recipients_);
        for (const Outcome& outcome : finished->outcomes) judge(outcome);
        partly_delivered_ = false;
      } else if (std::holds_alternative<ClientEnd>(action)) {
        require(!ended_ && open_ == 0);
        ended_ = true;
      } else {
        require(!ended_ || session_->output().empty());
        const Octets out = session_->output().substr(0, room);
        if (out.empty()) {
          // LMTP tells one recipient after another; what one of them was told stays true for the message's end.
          partly_delivered_ = partly_delivered_ || (open_ == 1 && may_deliver_ && profile_.protocol == ClientProtocol::lmtp);
          return;
        }
        said_ += out;
        require(layer_.starttls != ClientStartTls::required || said_.find("MAIL FROM") == std::string::npos);
        room -= out.size();
        session_->sent(out.size(), now_);
      }
    }
  }
  void send() {
    ++messages_;
    ++open_;
    supplied_ = 0;
    said_.clear();
    OutgoingMessage message;
    message.envelope.reverse_path = {"a", "example.org"};
    message.envelope.forward_paths.assign(recipients_, {"b", "example.net"});
    if (recipients_ % 2 == 0) message.envelope.body = mail::BodyType::eight_bit_mime;
    message.size = mail_data_.size();
    session_->send(std::move(message), now_);
  }
  void judge(const Outcome& outcome) const {
    require(outcome.reply.code != 0 || !outcome.detail.empty());
    if (outcome.fate != Fate::delivered) return;
    require(outcome.reply.positive() && !outcome.may_have_arrived);
    require(may_deliver_ || partly_delivered_);
  }

  ClientProfile profile_;
  ClientLayer layer_;
  const std::size_t recipients_;
  const std::size_t room_;           // octets that the transport takes at each turn
  std::string mail_data_;
  std::unique_ptr<ClientSession> session_;
  Instant now_{};
  std::string said_;                 // handed over, since the message was begun
  std::size_t supplied_ = 0;
  int messages_ = 0;
  int open_ = 0;
  bool may_deliver_ = false;         // what is heard now can be a reply to the end of mail data
  bool partly_delivered_ = false;
  bool begins_tls_ = false, behind_starttls_ = false, ended_ = false;
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  Scene scene(data[0]);
  while (!octets.empty()) {
    const std::size_t end = octets.find('\xff');
    scene.hear(octets.substr(0, end));
    octets.remove_prefix(end == std::string_view::npos ? octets.size() : end + 1);
  }
  scene.finish((data[0] & 64) != 0);
  return 0;
}
