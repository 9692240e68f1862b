// See holder.h.
#include "holder.h"

#include <array>
#include <utility>

namespace adieu::world {
namespace {

constexpr Duration kPause = std::chrono::seconds(50);  // less than any of the relay's time-outs
constexpr Duration kPatience = std::chrono::minutes(30);  // more than all of them: the network has lost the connection
constexpr int kCommands = 1500;  // whose replies no buffer holds

}  // namespace

Holder::Holder(Host& host, Endpoint relay, Manner manner, Instant until)
    : host_(host), relay_(relay), manner_(manner), until_(until), timer_(host.timer([this] {
        if (stream_) {
          go_on();
        } else if (host_.now() < until_) {
          come();
        }
      })) {
  timer_->set(host_.now() + host_.clock().between(Duration(0), std::chrono::seconds(10)));
}

void Holder::come() {
  ended_ = false;
  came_ = host_.now();
  words_.clear();
  auto stream = host_.connect(relay_, [this](const std::optional<Error>& error) {
    if (error) {
      ended_ = true;
      return;
    }
    if (manner_ != Manner::hardly_takes_a_reply) return;
    for (int i = 0; i < kCommands; ++i) words_ += "EHLO holder.example\r\n";
    say();
  });
  stream_ = std::move(*stream);
  stream_->use(this);
  stream_->read(manner_ != Manner::hardly_takes_a_reply);
  timer_->set(host_.now() + kPause);
}

void Holder::go_on() {
  if (manner_ == Manner::hardly_takes_a_reply) {
    std::array<char, 2000> some{};
    const Transferred taken = stream_->receive(some.data(), some.size());
    ended_ |= taken.how == Transfer::eof || taken.how == Transfer::reset;
  } else if (manner_ == Manner::never_ends_a_command && !ended_) {
    words_ += 'N';
    say();
  }
  if (ended_ || host_.now() >= until_ || host_.now() - came_ > kPatience) {
    stream_.reset();
    timer_->set(host_.now() + Duration(100));
  } else {
    timer_->set(host_.now() + kPause);
  }
}

void Holder::say() {
  const Transferred taken = stream_->write(words_);
  ended_ |= taken.how == Transfer::reset;
  words_.erase(0, taken.octets);
}

void Holder::on_taken(std::size_t count) {
  words_.erase(0, count);
  if (!words_.empty()) say();
}

}  // namespace adieu::world
