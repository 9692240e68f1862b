// A TLS layer without cryptography, for tests of what lives above one: frames of a type, a length in two octets and a payload
// stand for records. It keeps tls::Channel's contract to the octet (R1, R4, R8), and the peer's side of the wire can be spelled
// out by hand.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "adieu/base/result.h"
#include "adieu/protocol/tls/channel.h"

namespace adieu::test {

class FakeChannel final : public tls::Channel {
 public:
  enum class Role { server, client };
  static constexpr std::size_t kMaxRecord = 16'384;

  /// What a peer says, as it stands on the wire. `data` is one record: at most kMaxRecord octets.
  static std::string hello() { return frame('H', {}); }
  static std::string data(Octets plaintext) { return frame('D', plaintext); }
  static std::string close_notify() { return frame('C', {}); }
  static std::string alert(std::string_view name) { return frame('A', name); }
  /// A whole record that fails authentication.
  static std::string garbage() { return frame('?', "garbage"); }

  /// The plaintext of every data record in `wire`, which holds whole frames only.
  static std::string plaintext_of(Octets wire) {
    std::string text;
    for_each_frame(wire, [&text](char type, Octets payload) {
      if (type == 'D') text += payload;
    });
    return text;
  }
  /// The types of the frames in `wire`, in order: "HDDC".
  static std::string types_of(Octets wire) {
    std::string types;
    for_each_frame(wire, [&types](char type, Octets) { types += type; });
    return types;
  }

  /// A client's hello stands in output() at once.
  explicit FakeChannel(Role role, tls::ChannelInfo info = default_info()) : role_(role), negotiated_(std::move(info)) {
    if (role_ == Role::client) out_.append(hello());
  }
  static tls::ChannelInfo default_info() {
    return {.version = "TLS1.3", .cipher = "FAKE", .server_name = {}, .peer_identity = {}};
  }

  void receive(Octets ciphertext) override { in_.append(ciphertext); }
  void receive_eof() override { eof_ = true; }

  tls::ChannelEvent step(std::string& plaintext) override {
    if (phase_ == Phase::broken) return tls::ChannelEvent::broken;
    check(phase_ != Phase::ended, "nothing is read behind close_notify");
    const Octets all = in_.view();
    if (all.size() < kHeader || all.size() < kHeader + length_of(all)) {
      if (!eof_) return tls::ChannelEvent::wants_input;
      return fail(tls::Event::fin, all.empty() ? "" : "within a record");
    }
    const char type = all[0];
    const std::string payload(all.substr(kHeader, length_of(all)));
    in_.consume(kHeader + payload.size());
    if (type == 'A') return fail(tls::Event::alert, payload);
    if (phase_ == Phase::handshaking && type == 'H') {
      if (role_ == Role::server) out_.append(hello());
      phase_ = Phase::established;
      info_ = negotiated_;
      return tls::ChannelEvent::established;
    }
    if (phase_ == Phase::established && type == 'D') {
      plaintext += payload;
      return tls::ChannelEvent::plaintext;
    }
    if (phase_ == Phase::established && type == 'C') {
      phase_ = Phase::ended;
      return tls::ChannelEvent::close_notify;
    }
    out_.append(alert("bad_record_mac"));
    return fail(tls::Event::corrupt, "a record that cannot be");
  }

  void send(Octets plaintext) override {
    check((phase_ == Phase::established || phase_ == Phase::ended) && !closed_, "send between handshake and close");
    for (; !plaintext.empty(); plaintext.remove_prefix(std::min(plaintext.size(), kMaxRecord))) {
      out_.append(data(plaintext.substr(0, kMaxRecord)));
    }
  }
  void close() override {
    if (phase_ == Phase::handshaking || phase_ == Phase::broken || std::exchange(closed_, true)) return;
    out_.append(close_notify());
  }

  Octets output() const override { return out_.view(); }
  void consume_output(std::size_t count) override { out_.consume(count); }
  std::size_t unread() const override { return in_.size(); }
  const tls::ChannelFailure& failure() const override { return failure_; }
  const tls::ChannelInfo& info() const override { return info_; }

 private:
  enum class Phase { handshaking, established, ended, broken };
  static constexpr std::size_t kHeader = 3;

  static std::string frame(char type, Octets payload) {
    check(payload.size() <= kMaxRecord, "a record holds at most 16 KiB");
    std::string record{type, static_cast<char>(payload.size() >> 8), static_cast<char>(payload.size() & 255)};
    return record.append(payload);
  }
  static std::size_t length_of(Octets record) {
    return static_cast<std::size_t>(static_cast<unsigned char>(record[1])) << 8 | static_cast<unsigned char>(record[2]);
  }
  template <class Visitor>
  static void for_each_frame(Octets wire, Visitor visit) {
    while (!wire.empty()) {
      check(wire.size() >= kHeader && wire.size() >= kHeader + length_of(wire), "whole frames");
      const std::size_t length = length_of(wire);
      visit(wire[0], wire.substr(kHeader, length));
      wire.remove_prefix(kHeader + length);
    }
  }
  tls::ChannelEvent fail(tls::Event event, std::string detail) {
    phase_ = Phase::broken;
    failure_ = {event, std::move(detail)};
    return tls::ChannelEvent::broken;
  }

  Role role_;
  tls::ChannelInfo negotiated_;
  tls::ChannelInfo info_;
  tls::ChannelFailure failure_;
  Phase phase_ = Phase::handshaking;
  bool eof_ = false;
  bool closed_ = false;
  OctetQueue in_;
  OctetQueue out_;
};

/// Makes channels of one role; `info` is what each of them negotiates, and may be changed between two of them.
class FakeChannels final : public tls::ChannelFactory {
 public:
  explicit FakeChannels(FakeChannel::Role role) : role_(role) {}
  std::unique_ptr<tls::Channel> make() override {
    ++made;
    return std::make_unique<FakeChannel>(role_, info);
  }

  tls::ChannelInfo info = FakeChannel::default_info();
  int made = 0;

 private:
  FakeChannel::Role role_;
};

}  // namespace adieu::test
