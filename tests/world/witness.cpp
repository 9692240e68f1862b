// See witness.h.
#include "witness.h"

#include <algorithm>
#include <utility>

#include "adieu/base/result.h"

namespace adieu::world {
namespace {

constexpr Duration kCloseNotifyTimeout = std::chrono::seconds(5);  // the policy's default, R7

std::string_view name_of(tls::Event event) {
  switch (event) {
    case tls::Event::begin_handshake: return "begin_handshake";
    case tls::Event::established: return "established";
    case tls::Event::received_close_notify: return "received_close_notify";
    case tls::Event::sent_close_notify: return "sent_close_notify";
    case tls::Event::fin: return "fin";
    case tls::Event::rst: return "rst";
    case tls::Event::timeout: return "timeout";
    case tls::Event::alert: return "alert";
    case tls::Event::corrupt: return "corrupt";
    case tls::Event::octets_behind: return "octets_behind";
  }
  return "?";
}

}  // namespace

/// A channel as its connection has it; tells the sight what passes.
class Sight::Watched final : public tls::Channel {
 public:
  Watched(std::shared_ptr<Sight> sight, std::unique_ptr<tls::Channel> inner) : sight_(std::move(sight)), inner_(std::move(inner)) {
    sight_->note(tls::Event::begin_handshake);
    sight_->channel_ = this;
    sight_->closed_.reset();
  }
  ~Watched() override {
    sight_->output_left_ = !inner_->output().empty();
    judge_alert();
    sight_->channel_ = nullptr;
  }
  void receive(Octets ciphertext) override { inner_->receive(ciphertext); }
  void receive_eof() override { inner_->receive_eof(); }
  tls::ChannelEvent step(std::string& plaintext) override {
    const tls::ChannelEvent event = inner_->step(plaintext);
    switch (event) {
      case tls::ChannelEvent::wants_input:
      case tls::ChannelEvent::plaintext: break;
      case tls::ChannelEvent::established: sight_->note(tls::Event::established); break;
      case tls::ChannelEvent::close_notify:
        sight_->note(tls::Event::received_close_notify);
        if (inner_->unread() != 0 && sight_->received_close_notify()) sight_->note(tls::Event::octets_behind);
        break;
      case tls::ChannelEvent::broken:
        sight_->note(inner_->failure().event);
        if (inner_->failure().event == tls::Event::corrupt && !alert_) alert_ = sight_->witness_.clock_.now();
        break;
    }
    return event;
  }
  void send(Octets plaintext) override {
    inner_->send(plaintext);
    if (plaintext.find(kPromise) != plaintext.npos) promised_ = out_ + inner_->output().size();
  }
  void close() override {
    inner_->close();
    if (!sight_->closed_) sight_->closed_ = sight_->witness_.clock_.now();
  }
  Octets output() const override { return inner_->output(); }
  void consume_output(std::size_t count) override {
    inner_->consume_output(count);
    out_ += count;
    if (sight_->closed_ && !said_ && inner_->output().empty()) {
      said_ = true;
      sight_->note(tls::Event::sent_close_notify);
    }
  }
  std::size_t unread() const override { return inner_->unread(); }
  const tls::ChannelFailure& failure() const override { return inner_->failure(); }
  const tls::ChannelInfo& info() const override { return inner_->info(); }

 private:
  const std::shared_ptr<Sight> sight_;
  /// RFC 8446 section 6.2: the alert goes, whatever replies stand before it, but for a 2xx to a message (R8).
  void judge_alert() {
    const bool could_wait = alert_ && sight_->witness_.clock_.now() - *alert_ < kCloseNotifyTimeout;
    if (!sight_->accepted || sight_->killed || sight_->reset_ || !could_wait || !sight_->output_left_ || promised_ > out_) return;
    sight_->fault("an alert did not go (RFC 8446 section 6.2)");
  }

  static constexpr std::string_view kPromise = "Ok: queued as";
  const std::unique_ptr<tls::Channel> inner_;
  bool said_ = false;
  std::optional<Instant> alert_;  // since when it waits to go
  std::uint64_t out_ = 0;         // octets of output that went
  std::uint64_t promised_ = 0;    // where the last record ends that promises anything
};

class Witness::WatchedChannels final : public tls::ChannelFactory {
 public:
  WatchedChannels(Witness& witness, std::unique_ptr<tls::ChannelFactory> inner) : witness_(witness), inner_(std::move(inner)) {}
  std::unique_ptr<tls::Channel> make() override { return std::make_unique<Sight::Watched>(witness_.at_, inner_->make()); }

 private:
  Witness& witness_;
  const std::unique_ptr<tls::ChannelFactory> inner_;
};

Sight::Sight(Witness& witness, Endpoint here, Endpoint there, bool by_server)
    : local(here), remote(there), accepted(by_server), began(witness.clock_.now()), witness_(witness) {}

bool Sight::received_close_notify() const {
  const auto* closing = std::get_if<tls::Closing>(&state_);
  return closing != nullptr && closing->received;
}

void Sight::fault(const std::string& what) {
  witness_.faults.push_back(what + ": " + local.text() + (accepted ? " from " : " to ") + remote.text() + ", after" + word_);
}

void Sight::note(tls::Event event) {
  const bool in_force = !std::holds_alternative<tls::Plain>(state_) && !std::holds_alternative<tls::Broken>(state_);
  if (!in_force && event != tls::Event::begin_handshake) return;
  word_ += " " + std::string(name_of(event));
  state_ = tls::on(state_, event);
  std::optional<tls::Ending> ending;
  if (const auto* broken = std::get_if<tls::Broken>(&state_)) ending = broken->ending;
  if (std::holds_alternative<tls::Plain>(state_)) ending = tls::Ending::mutual;
  if (!ending) return;
  endings.push_back(*ending);
  const std::string left = *ending == tls::Ending::mutual ? "Plain" : "Broken(" + std::string(tls::name(*ending)) + ")";
  witness_.walks.insert(word_.substr(1) + " " + left);
  word_.clear();
}

void Sight::reads(Octets octets) {
  if (!octets.empty() && received_close_notify()) note(tls::Event::octets_behind);
}

void Sight::writes(Octets octets) {
  if (octets.empty()) return;
  if (channel_ != nullptr) {
    if (octets != channel_->output()) fault("what it says is not its TLS layer's");
  } else if (!std::holds_alternative<tls::Plain>(state_)) {
    fault("it speaks in clear where not both close_notify have passed (R4, R8)");
  } else if (witness_.tls_required && !accepted && octets.find("MAIL FROM") != octets.npos) {
    fault("it gives a message away in clear where TLS is required");
  }
}

/// A layer that is still in force ran out of time.
void Sight::closes() {
  if (killed) return;
  const bool blocked = channel_ != nullptr ? !channel_->output().empty() : output_left_;
  const auto* closing = std::get_if<tls::Closing>(&state_);
  if (std::holds_alternative<tls::Secure>(state_) && !blocked) fault("closed without close_notify (R7)");
  if (closing != nullptr && closing->received && !blocked) fault("closed without an answer to close_notify (R7)");
  if (closing != nullptr && closing->sent && witness_.clock_.now() - *closed_ < kCloseNotifyTimeout) fault("close_notify was not waited for (R7)");
  note(tls::Event::timeout);
}

std::shared_ptr<Sight> Witness::see(Endpoint local, Endpoint remote, bool accepted) {
  const IpAddress& there = remote.address;
  if (!accepted && (there == local.address || there == IpAddress() || there == IpAddress::v6({}) || there.is_loopback())) {
    faults.push_back("it dials itself: " + remote.text());
  }
  auto sight = std::make_shared<Sight>(*this, local, remote, accepted);
  all_.push_back(sight);
  live_.insert(sight.get());
  return sight;
}

void Witness::gone(Sight& sight) {
  sight.ended = clock_.now();
  live_.erase(&sight);
}

void Witness::kill(const IpAddress& address) {
  for (Sight* sight : live_) {
    if (sight->local.address == address) sight->killed = true;
  }
}

std::unique_ptr<tls::ChannelFactory> Witness::watch(std::unique_ptr<tls::ChannelFactory> channels) {
  return std::make_unique<WatchedChannels>(*this, std::move(channels));
}

std::size_t Witness::open(const IpAddress& address) const {
  return static_cast<std::size_t>(std::count_if(live_.begin(), live_.end(), [&](const Sight* sight) { return sight->local.address == address; }));
}

}  // namespace adieu::world
