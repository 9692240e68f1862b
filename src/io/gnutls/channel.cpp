// See channel.h.
#include "io/gnutls/channel.h"

#include <gnutls/gnutls.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "adieu/base/ip.h"
#include "adieu/protocol/tls/host_names.h"
#include "io/gnutls/inspection.h"
#include "io/gnutls/peer_certificate.h"
#include "io/gnutls/record13.h"

namespace adieu::gnutls {
namespace {

constexpr std::uint8_t kAlertRecord = 21;
constexpr std::uint8_t kDataRecord = 23;
constexpr std::size_t kMaxPlaintext = 16'384;
constexpr int kMaxWarnings = 4;  // alerts of TLS 1.2 that change nothing, in a handshake and again behind it: nobody needs more

/// As the RFCs write it: "internal_error" for GNUTLS_A_INTERNAL_ERROR.
std::string alert_name(gnutls_alert_description_t alert) {
  constexpr std::string_view kPrefix = "GNUTLS_A_";
  const char* text = gnutls_alert_get_strname(alert);
  if (text == nullptr) return "unknown";
  std::string_view name = text;
  if (name.substr(0, kPrefix.size()) == kPrefix) name.remove_prefix(kPrefix.size());
  return to_ascii_lower(name);
}

/// Whether a handshake can go on behind this alert of TLS 1.2, sent as a warning (RFC 5246 section 7.2.2, RFC 6066 section 9): those whose level is the
/// sender's choice. The others are always fatal, whatever level is written on them, and close_notify is an end.
bool need_not_end_a_handshake(gnutls_alert_description_t alert) {
  switch (alert) {
    case GNUTLS_A_BAD_CERTIFICATE:
    case GNUTLS_A_UNSUPPORTED_CERTIFICATE:
    case GNUTLS_A_CERTIFICATE_REVOKED:
    case GNUTLS_A_CERTIFICATE_EXPIRED:
    case GNUTLS_A_CERTIFICATE_UNKNOWN:
    case GNUTLS_A_CERTIFICATE_UNOBTAINABLE:
    case GNUTLS_A_UNRECOGNIZED_NAME:
    case GNUTLS_A_USER_CANCELED: return true;
    default: return false;
  }
}

/// What the client's SNI asks for; empty: nothing.
std::string asked_name(gnutls_session_t session) {
  std::array<char, 256> name{};
  std::size_t size = name.size();
  unsigned type = 0;
  if (gnutls_server_name_get(session, name.data(), &size, &type, 0) != GNUTLS_E_SUCCESS || type != GNUTLS_NAME_DNS) return {};
  return std::string(name.data(), ::strnlen(name.data(), size));
}

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
    if (side == GNUTLS_SERVER) gnutls_handshake_set_post_client_hello_function(session_, choose_certificate);
    gnutls_handshake_set_hook_function(session_, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_PRE, inspect);
    gnutls_transport_set_ptr(session_, this);
    gnutls_transport_set_pull_function(session_, pull);
    gnutls_transport_set_push_function(session_, push);
    gnutls_transport_set_pull_timeout_function(session_, can_pull);
    gnutls_handshake_set_timeout(session_, GNUTLS_INDEFINITE_TIMEOUT);  // the connection has a deadline of its own
  }
  ~GnutlsChannel() override { gnutls_deinit(session_); }

  void call_host(const std::string& host, bool verify, std::shared_ptr<Tickets> tickets, std::function<void(gnutls_session_t)> on_established) {
    host_ = tls::without_brackets(host);
    verify_ = verify;
    tickets_ = std::move(tickets);
    on_established_ = std::move(on_established);
    if (!IpAddress::parse(host_)) gnutls_server_name_set(session_, GNUTLS_NAME_DNS, host_.data(), host_.size());
    if (verify_) gnutls_session_set_verify_function(session_, verify_peer);
    if (!tickets_) return;
    const std::string ticket = tickets_->take(host_, verify_);
    if (!ticket.empty()) gnutls_session_set_data(session_, ticket.data(), ticket.size());  // too old: a full handshake
  }

  void receive(Octets ciphertext) override { in_.append(ciphertext); }
  void receive_eof() override { eof_ = true; }

  tls::ChannelEvent step(std::string& plaintext) override {
    if (broken_) return tls::ChannelEvent::broken;
    const tls::ChannelEvent event = canceled_ ? read_canceled() : established_ ? read(plaintext) : shake_hands();
    if (event == tls::ChannelEvent::close_notify) {
      heard_close_notify_ = true;
      if (closed_ && tickets_ && tickets_->only_mutual()) keep_ticket();
    }
    return event;
  }

  void send(Octets plaintext) override {
    check(established_ && !closed_, "a channel is written to between its handshake and its close");
    while (!plaintext.empty() && canceled_) {
      const auto record = seal_record(session_, kDataRecord, plaintext.substr(0, kMaxPlaintext));
      if (!record) return;
      out_.append(*record);
      plaintext.remove_prefix(std::min(plaintext.size(), kMaxPlaintext));
    }
    while (!plaintext.empty()) {
      const ssize_t sent = gnutls_record_send(session_, plaintext.data(), plaintext.size());
      if (sent == GNUTLS_E_INTERRUPTED || sent == GNUTLS_E_AGAIN) continue;
      if (sent < 0) return;  // the session is invalid: reading says so
      plaintext.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  void close() override {
    if (!established_ || closed_ || broken_) return;
    closed_ = true;
    if (tickets_ && (heard_close_notify_ || !tickets_->only_mutual())) keep_ticket();
    // Never SHUT_RDWR: it takes a FIN for a close_notify, and drops what is still coming.
    while (gnutls_bye(session_, GNUTLS_SHUT_WR) == GNUTLS_E_INTERRUPTED) {
    }
  }

  Octets output() const override { return out_.view(); }
  void consume_output(std::size_t count) override { out_.consume(count); }
  std::size_t unread() const override { return in_.size() - taken_; }
  const tls::ChannelFailure& failure() const override { return failure_; }
  const tls::ChannelInfo& info() const override { return info_; }

 private:
  static int choose_certificate(gnutls_session_t session) noexcept {
    const auto* channel = static_cast<GnutlsChannel*>(gnutls_transport_get_ptr(session));
    return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, channel->credentials_->get(asked_name(session)));
  }
  /// Each message of the handshake that the peer sends, before the library works on it.
  static int inspect(gnutls_session_t session, unsigned type, unsigned, unsigned incoming, const gnutls_datum_t* message) noexcept {
    if (incoming == 0) return GNUTLS_E_SUCCESS;
    return static_cast<GnutlsChannel*>(gnutls_transport_get_ptr(session))->inspect(type, *message);
  }
  static int verify_peer(gnutls_session_t session) noexcept {
    auto* channel = static_cast<GnutlsChannel*>(gnutls_transport_get_ptr(session));
    channel->refusal_ = fault_of_peer(session, channel->host_);
    return channel->refusal_.empty() ? GNUTLS_E_SUCCESS : GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
  }
  static ssize_t pull(gnutls_transport_ptr_t self, void* buffer, std::size_t size) noexcept {
    return static_cast<GnutlsChannel*>(self)->take_input(static_cast<char*>(buffer), size);
  }
  static ssize_t push(gnutls_transport_ptr_t self, const void* octets, std::size_t size) noexcept {
    static_cast<GnutlsChannel*>(self)->out_.append(Octets(static_cast<const char*>(octets), size));
    return static_cast<ssize_t>(size);
  }
  static int can_pull(gnutls_transport_ptr_t self, unsigned) noexcept {
    const auto* channel = static_cast<GnutlsChannel*>(self);
    return channel->eof_ || channel->unread() != 0 ? 1 : 0;
  }

  int inspect(unsigned type, const gnutls_datum_t& message) {
    const Octets octets(reinterpret_cast<const char*>(message.data), message.size);
    if (type == GNUTLS_HANDSHAKE_CERTIFICATE_PKT) {
      refusal_ = fault_of_certificates(octets, gnutls_protocol_get_version(session_) == GNUTLS_TLS1_3);
    }
    if (type == GNUTLS_HANDSHAKE_SERVER_KEY_EXCHANGE && gnutls_kx_get(session_) == GNUTLS_KX_DHE_RSA) refusal_ = fault_of_dhe_prime(octets);
    return refusal_.empty() ? GNUTLS_E_SUCCESS : GNUTLS_E_CERTIFICATE_ERROR;
  }

  ssize_t take_input(char* buffer, std::size_t size) {
    if (established_ && record_left_ == 0) {
      forget_record();
      record_left_ = record_length(in_.view()).value_or(0);
      if (tls13_ && record_left_ != 0 && !is_outwardly_in_order()) return no_input(EIO);
    }
    std::size_t count = std::min(size, unread());
    if (established_) count = std::min(count, record_left_);
    if (count == 0) {
      dry_ = true;
      if (!eof_) return no_input(EAGAIN);
      end_read_ = true;
      return 0;
    }
    std::memcpy(buffer, in_.view().data() + taken_, count);
    taken_ += count;
    if (established_) {
      record_left_ -= count;
    } else {
      forget_record();
    }
    return static_cast<ssize_t>(count);
  }
  /// What the library has read of the input is let go.
  void forget_record() { in_.consume(std::exchange(taken_, 0)); }
  /// GnuTLS takes any outer type and version of a TLS 1.3 record, and authenticates those that should have stood there.
  bool is_outwardly_in_order() {
    const Octets header = in_.view().substr(0, 3);
    breach_ = static_cast<std::uint8_t>(header[0]) != kDataRecord ? GNUTLS_E_UNEXPECTED_PACKET : GNUTLS_E_DECRYPTION_FAILED;
    return header == Octets("\x17\x03\x03");
  }
  /// RFC 8446 section 5.1: an alert stands in its record alone. The library reads the first two octets and drops the rest.
  bool stands_alone() const {
    if (!tls13_) return true;
    const auto inner = open_record(session_, in_.view().substr(0, taken_), Record::last);
    return inner && inner->content.size() == 2;
  }
  ssize_t no_input(int reason) {
    gnutls_transport_set_errno(session_, reason);
    return -1;
  }

  void keep_ticket() {
    gnutls_datum_t ticket{nullptr, 0};
    // TLS 1.2 goes on with the ticket it was resumed by; TLS 1.3 brings new ones, and the library would wait for the first.
    const bool again = !tls13_ && info_.resumed;
    if (!again && (gnutls_session_get_flags(session_) & GNUTLS_SFLAGS_SESSION_TICKET) == 0) return;
    if (gnutls_session_get_data2(session_, &ticket) != GNUTLS_E_SUCCESS) return;
    tickets_->put(host_, verify_, std::string(reinterpret_cast<const char*>(ticket.data), ticket.size));
    gnutls_free(ticket.data);
  }

  tls::ChannelEvent shake_hands() {
    for (;;) {
      dry_ = false;
      const int code = gnutls_handshake(session_);
      if (code == GNUTLS_E_SUCCESS) {
        established_ = true;
        warnings_ = 0;
        tls13_ = gnutls_protocol_get_version(session_) == GNUTLS_TLS1_3;
        describe();
        if (on_established_) on_established_(session_);
        return tls::ChannelEvent::established;
      }
      if (code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED) {
        if (dry_) return tls::ChannelEvent::wants_input;
        continue;
      }
      // R1: no alert leads anywhere but to the end, since it may be forged; those that need not end a handshake of TLS 1.2 lead nowhere.
      if (code == GNUTLS_E_WARNING_ALERT_RECEIVED && need_not_end_a_handshake(gnutls_alert_get(session_)) && ++warnings_ <= kMaxWarnings) continue;
      return fail(code);
    }
  }

  tls::ChannelEvent read(std::string& plaintext) {
    thread_local std::array<char, kMaxPlaintext> block;
    for (;;) {
      dry_ = false;
      const ssize_t size = gnutls_record_recv(session_, block.data(), block.size());
      if (size > 0) {
        if (record_left_ == 0) forget_record();
        plaintext.append(block.data(), static_cast<std::size_t>(size));
        return tls::ChannelEvent::plaintext;
      }
      if (size == 0) return stands_alone() ? tls::ChannelEvent::close_notify : fail(GNUTLS_E_UNEXPECTED_PACKET_LENGTH);  // R, authenticated
      switch (size) {
        case GNUTLS_E_AGAIN:
        case GNUTLS_E_INTERRUPTED:
          if (record_left_ == 0) forget_record();
          if (dry_) return tls::ChannelEvent::wants_input;
          continue;  // a ticket or a key update was read: there may be more
        case GNUTLS_E_WARNING_ALERT_RECEIVED:
          // TLS 1.2: user_canceled, no_renegotiation: whatever matters comes behind it.
          if (++warnings_ > kMaxWarnings) return fail(GNUTLS_E_FATAL_ALERT_RECEIVED);
          continue;
        case GNUTLS_E_FATAL_ALERT_RECEIVED:
          if (!tls13_ || gnutls_alert_get(session_) != GNUTLS_A_USER_CANCELED) return fail(GNUTLS_E_FATAL_ALERT_RECEIVED);
          if (!stands_alone()) return fail(GNUTLS_E_UNEXPECTED_PACKET_LENGTH);
          forget_record();
          canceled_ = true;
          return read_canceled();
        default: return fail(static_cast<int>(size));
      }
    }
  }

  /// R20: user_canceled was read; only a close_notify behind it, authentic, makes it R.
  tls::ChannelEvent read_canceled() {
    const auto length = record_length(in_.view());
    if (!length || in_.size() < *length) {
      if (length && *length > kMaxRecord13) return fail(GNUTLS_E_RECORD_OVERFLOW);
      if (!eof_) return tls::ChannelEvent::wants_input;
      end_read_ = true;
      return fail(GNUTLS_E_PREMATURE_TERMINATION);
    }
    const auto inner = open_record(session_, in_.view().substr(0, *length), Record::next);
    if (!inner) return fail(GNUTLS_E_DECRYPTION_FAILED);
    if (inner->content_type != kAlertRecord || inner->content.size() != 2 || inner->content[1] != 0) {
      return fail(GNUTLS_E_UNEXPECTED_PACKET);
    }
    in_.consume(*length);
    return tls::ChannelEvent::close_notify;
  }

  /// Says what broke the layer, and to the peer the alert that fits: none to its own alert, none to a FIN.
  tls::ChannelEvent fail(int code) {
    broken_ = true;
    if (code == GNUTLS_E_PULL_ERROR) code = breach_;
    if (code == GNUTLS_E_FATAL_ALERT_RECEIVED || code == GNUTLS_E_WARNING_ALERT_RECEIVED) {
      failure_ = {tls::Event::alert, alert_name(gnutls_alert_get(session_))};
    } else if (end_read_) {
      failure_ = {tls::Event::fin, record_left_ != 0 || unread() != 0 ? "within a record" : ""};
    } else {
      // What we refuse is told by the alert that says so: a certificate, a renegotiation (RFC 9325 section 3.5).
      failure_ = {tls::Event::corrupt, gnutls_strerror(code)};
      if (!refusal_.empty()) failure_ = {tls::Event::alert, refusal_};
      if (code == GNUTLS_E_REHANDSHAKE) failure_ = {tls::Event::alert, alert_name(GNUTLS_A_NO_RENEGOTIATION)};
      if (!closed_) send_alert(code);  // behind our close_notify nothing is said
    }
    return tls::ChannelEvent::broken;
  }

  void send_alert(int code) {
    int level = GNUTLS_AL_FATAL;
    const int alert = gnutls_error_to_alert(code, &level);
    gnutls_alert_send(session_, static_cast<gnutls_alert_level_t>(level), static_cast<gnutls_alert_description_t>(alert));
    // no_renegotiation is a warning always (RFC 5246 section 7.2.2); what ends the connection is an alert that says so.
    if (level != GNUTLS_AL_FATAL) gnutls_alert_send(session_, GNUTLS_AL_FATAL, GNUTLS_A_HANDSHAKE_FAILURE);
  }

  void describe() {
    const auto text = [](const char* name) { return name != nullptr ? std::string(name) : std::string(); };
    info_.version = text(gnutls_protocol_get_name(gnutls_protocol_get_version(session_)));
    info_.cipher = text(gnutls_ciphersuite_get(session_));
    info_.resumed = gnutls_session_is_resumed(session_) != 0;
    info_.discards_pending_writes = !tls13_;
    if (verify_) info_.peer_identity = host_;
    info_.server_name = asked_name(session_);
  }

  std::shared_ptr<const Credentials> credentials_;
  gnutls_session_t session_ = nullptr;
  std::string host_;     // a client's: whom it calls
  bool verify_ = false;  // the certificate is held against host_
  std::string refusal_;  // why we end the handshake, for people
  std::shared_ptr<Tickets> tickets_;
  std::function<void(gnutls_session_t)> on_established_;
  OctetQueue in_;
  OctetQueue out_;
  std::size_t taken_ = 0;        // octets of in_ that the library has read: of the record under way, or of the last one
  std::size_t record_left_ = 0;  // octets of the record under way that the library has not read
  int breach_ = 0;               // the GnuTLS error for which the pull function gave the library no more
  bool eof_ = false;
  bool dry_ = false;       // the pull function found nothing since the last call into the library
  bool end_read_ = false;  // the library was told of the FIN
  bool established_ = false;
  bool tls13_ = false;
  bool closed_ = false;
  bool heard_close_notify_ = false;
  bool canceled_ = false;  // TLS 1.3: user_canceled was read, and ended the library's session
  bool broken_ = false;
  int warnings_ = 0;
  tls::ChannelFailure failure_;
  tls::ChannelInfo info_;
};

}  // namespace

std::unique_ptr<tls::Channel> ServerChannels::make() { return std::make_unique<GnutlsChannel>(credentials_, GNUTLS_SERVER); }

std::unique_ptr<tls::Channel> ClientChannels::make() {
  auto channel = std::make_unique<GnutlsChannel>(credentials_, GNUTLS_CLIENT);
  channel->call_host(host_, verify_, tickets_, on_established_);
  return channel;
}

}  // namespace adieu::gnutls
