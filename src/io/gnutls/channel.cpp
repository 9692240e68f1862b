// See channel.h.
#include "io/gnutls/channel.h"

#include <gnutls/gnutls.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "adieu/base/ip.h"
#include "io/gnutls/record13.h"

namespace adieu::gnutls {
namespace {

constexpr std::uint8_t kAlertRecord = 21;
constexpr std::size_t kMaxPlaintext = 16'384;
constexpr int kMaxWarnings = 8;  // alerts of TLS 1.2 that change nothing; more is somebody's game

class GnutlsChannel final : public tls::Channel {
 public:
  GnutlsChannel(std::shared_ptr<const Credentials> credentials, unsigned side) : credentials_(std::move(credentials)) {
    unsigned flags = side | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL;
    if (side == GNUTLS_SERVER && credentials_->ticket_key() == nullptr) flags |= GNUTLS_NO_TICKETS;
    check(gnutls_init(&session_, flags) == GNUTLS_E_SUCCESS, "memory for a TLS session");
    gnutls_priority_set(session_, credentials_->priority());
    gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, credentials_->get());
    if (side == GNUTLS_SERVER && credentials_->ticket_key() != nullptr) {
      gnutls_session_ticket_enable_server(session_, credentials_->ticket_key());
    }
    gnutls_transport_set_ptr(session_, this);
    gnutls_transport_set_pull_function(session_, pull);
    gnutls_transport_set_push_function(session_, push);
    gnutls_transport_set_pull_timeout_function(session_, can_pull);
    gnutls_handshake_set_timeout(session_, GNUTLS_INDEFINITE_TIMEOUT);  // the connection has a deadline of its own
  }
  ~GnutlsChannel() override { gnutls_deinit(session_); }

  void call_host(const std::string& host, bool verify) {
    if (!IpAddress::parse(host)) gnutls_server_name_set(session_, GNUTLS_NAME_DNS, host.data(), host.size());
    if (!verify) return;
    host_ = host;
    gnutls_session_set_verify_cert(session_, host_.c_str(), 0);
  }

  void receive(Octets ciphertext) override { in_.append(ciphertext); }
  void receive_eof() override { eof_ = true; }

  tls::ChannelEvent step(std::string& plaintext) override {
    if (broken_) return tls::ChannelEvent::broken;
    if (canceled_) return read_canceled();
    return established_ ? read(plaintext) : shake_hands();
  }

  void send(Octets plaintext) override {
    check(established_ && !closed_, "a channel is written to between its handshake and its close");
    while (!plaintext.empty()) {
      const ssize_t sent = gnutls_record_send(session_, plaintext.data(), plaintext.size());
      if (sent == GNUTLS_E_INTERRUPTED || sent == GNUTLS_E_AGAIN) continue;
      if (sent < 0) return;  // the session is invalid: reading says so
      plaintext.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  void close() override {
    if (!established_ || closed_) return;
    closed_ = true;
    if (canceled_) {
      if (const auto record = seal_record(session_, kAlertRecord, Octets("\x01\x00", 2))) out_.append(*record);
      return;
    }
    // Never SHUT_RDWR: it takes a FIN for a close_notify, and drops what is still coming.
    while (gnutls_bye(session_, GNUTLS_SHUT_WR) == GNUTLS_E_INTERRUPTED) {
    }
  }

  Octets output() const override { return out_.view(); }
  void consume_output(std::size_t count) override { out_.consume(count); }
  std::size_t unread() const override { return in_.size(); }
  const tls::ChannelFailure& failure() const override { return failure_; }
  const tls::ChannelInfo& info() const override { return info_; }

 private:
  static ssize_t pull(gnutls_transport_ptr_t self, void* buffer, std::size_t size) noexcept {
    return static_cast<GnutlsChannel*>(self)->take_input(static_cast<char*>(buffer), size);
  }
  static ssize_t push(gnutls_transport_ptr_t self, const void* octets, std::size_t size) noexcept {
    static_cast<GnutlsChannel*>(self)->out_.append(Octets(static_cast<const char*>(octets), size));
    return static_cast<ssize_t>(size);
  }
  static int can_pull(gnutls_transport_ptr_t self, unsigned) noexcept {
    const auto* channel = static_cast<GnutlsChannel*>(self);
    return channel->eof_ || !channel->in_.empty() ? 1 : 0;
  }

  ssize_t take_input(char* buffer, std::size_t size) {
    if (in_.empty()) {
      dry_ = true;
      if (eof_) return 0;
      gnutls_transport_set_errno(session_, EAGAIN);
      return -1;
    }
    const std::size_t count = std::min(size, in_.size());
    std::memcpy(buffer, in_.view().data(), count);
    in_.consume(count);
    return static_cast<ssize_t>(count);
  }

  tls::ChannelEvent shake_hands() {
    for (;;) {
      dry_ = false;
      const int code = gnutls_handshake(session_);
      if (code == GNUTLS_E_SUCCESS) {
        established_ = true;
        describe();
        return tls::ChannelEvent::established;
      }
      if (code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED) {
        if (dry_) return tls::ChannelEvent::wants_input;
        continue;
      }
      // R1: an alert during a handshake, of whatever level, may be forged; nothing but the end follows from it.
      gnutls_alert_send_appropriate(session_, code);
      return fail(code);
    }
  }

  tls::ChannelEvent read(std::string& plaintext) {
    thread_local std::array<char, kMaxPlaintext> block;
    for (;;) {
      dry_ = false;
      const ssize_t size = gnutls_record_recv(session_, block.data(), block.size());
      if (size > 0) {
        plaintext.append(block.data(), static_cast<std::size_t>(size));
        return tls::ChannelEvent::plaintext;
      }
      if (size == 0) return tls::ChannelEvent::close_notify;  // R, authenticated
      switch (size) {
        case GNUTLS_E_AGAIN:
        case GNUTLS_E_INTERRUPTED:
          if (dry_) return tls::ChannelEvent::wants_input;
          continue;  // a ticket or a key update was read: there may be more
        case GNUTLS_E_WARNING_ALERT_RECEIVED:
          // TLS 1.2: user_canceled, no_renegotiation: whatever matters comes behind it.
          if (++warnings_ > kMaxWarnings) return fail(GNUTLS_E_FATAL_ALERT_RECEIVED);
          continue;
        case GNUTLS_E_FATAL_ALERT_RECEIVED:
          if (gnutls_alert_get(session_) == GNUTLS_A_USER_CANCELED && gnutls_protocol_get_version(session_) == GNUTLS_TLS1_3) {
            canceled_ = true;
            return read_canceled();
          }
          return fail(GNUTLS_E_FATAL_ALERT_RECEIVED);
        default:
          gnutls_alert_send_appropriate(session_, static_cast<int>(size));
          return fail(static_cast<int>(size));
      }
    }
  }

  /// R20: user_canceled was read; only a close_notify behind it, authentic, makes it R.
  tls::ChannelEvent read_canceled() {
    const auto length = record_length(in_.view());
    if (!length || in_.size() < *length) {
      if (!eof_) return tls::ChannelEvent::wants_input;
      return fail(in_.empty() ? GNUTLS_E_PREMATURE_TERMINATION : GNUTLS_E_UNEXPECTED_PACKET_LENGTH);
    }
    const auto inner = open_record(session_, in_.view().substr(0, *length), 0);
    if (!inner) return fail(GNUTLS_E_DECRYPTION_FAILED);
    if (inner->content_type != kAlertRecord || inner->content.size() != 2 || inner->content[1] != 0) {
      return fail(GNUTLS_E_UNEXPECTED_PACKET);
    }
    in_.consume(*length);
    return tls::ChannelEvent::close_notify;
  }

  tls::ChannelEvent fail(int code) {
    broken_ = true;
    failure_.detail = gnutls_strerror(code);
    switch (code) {
      case GNUTLS_E_PREMATURE_TERMINATION:
      case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
      case GNUTLS_E_PULL_ERROR:
        failure_.event = eof_ ? tls::Event::fin : tls::Event::corrupt;
        if (eof_) failure_.detail = in_.empty() ? "" : "within a record";
        break;
      case GNUTLS_E_FATAL_ALERT_RECEIVED:
      case GNUTLS_E_WARNING_ALERT_RECEIVED: {
        failure_.event = tls::Event::alert;
        const char* alert = gnutls_alert_get_strname(gnutls_alert_get(session_));
        failure_.detail = alert != nullptr ? alert : "unknown";
        break;
      }
      case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
        failure_.event = tls::Event::alert;
        failure_.detail = verification_words();
        break;
      default: failure_.event = tls::Event::corrupt;
    }
    return tls::ChannelEvent::broken;
  }

  std::string verification_words() {
    gnutls_datum_t text{nullptr, 0};
    const unsigned status = gnutls_session_get_verify_cert_status(session_);
    std::string words = "the certificate was not accepted";
    if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) == GNUTLS_E_SUCCESS) {
      words.assign(reinterpret_cast<const char*>(text.data), text.size);
      while (!words.empty() && (words.back() == ' ' || words.back() == '\0')) words.pop_back();
      gnutls_free(text.data);
    }
    return words;
  }

  void describe() {
    const gnutls_protocol_t version = gnutls_protocol_get_version(session_);
    const auto text = [](const char* name) { return name != nullptr ? std::string(name) : std::string(); };
    info_.version = text(gnutls_protocol_get_name(version));
    info_.cipher = text(gnutls_ciphersuite_get(session_));
    info_.resumed = gnutls_session_is_resumed(session_) != 0;
    info_.discards_pending_writes = version != GNUTLS_TLS1_3;
    info_.peer_identity = host_;
    std::array<char, 256> name{};
    std::size_t size = name.size();
    unsigned type = 0;
    if (gnutls_server_name_get(session_, name.data(), &size, &type, 0) == GNUTLS_E_SUCCESS && type == GNUTLS_NAME_DNS) {
      info_.server_name.assign(name.data(), ::strnlen(name.data(), size));
    }
  }

  std::shared_ptr<const Credentials> credentials_;
  gnutls_session_t session_ = nullptr;
  std::string host_;          // where the certificate is held against it
  OctetQueue in_;
  OctetQueue out_;
  bool eof_ = false;
  bool dry_ = false;          // the pull function found nothing since the last call into the library
  bool established_ = false;
  bool closed_ = false;
  bool canceled_ = false;     // TLS 1.3: user_canceled was read, and ended the library's session
  bool broken_ = false;
  int warnings_ = 0;
  tls::ChannelFailure failure_;
  tls::ChannelInfo info_;
};

}  // namespace

std::unique_ptr<tls::Channel> ServerChannels::make() { return std::make_unique<GnutlsChannel>(credentials_, GNUTLS_SERVER); }

std::unique_ptr<tls::Channel> ClientChannels::make() {
  auto channel = std::make_unique<GnutlsChannel>(credentials_, GNUTLS_CLIENT);
  channel->call_host(host_, verify_);
  return channel;
}

}  // namespace adieu::gnutls
