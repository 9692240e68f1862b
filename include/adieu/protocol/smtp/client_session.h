// The client side of one SMTP or LMTP session within one layer: RFC 5321, RFC 2033, RFC 3207, RFC 2920, RFC 3030. Pure, like
// ServerSession, and of one layer: STARTTLS ends it and its owner makes the next one. It sends one message after another.
// A reply counts only when its last line is complete (R14).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "adieu/base/bytes.h"
#include "adieu/base/clock.h"
#include "adieu/protocol/mail/envelope.h"
#include "adieu/protocol/smtp/outcome.h"

namespace adieu::smtp {

enum class ClientProtocol : std::uint8_t { smtp, lmtp };

/// RFC 5321 section 4.5.3.2.
struct ClientTimeouts {
  Duration greeting = std::chrono::minutes(5);
  Duration command = std::chrono::minutes(5);        // EHLO, MAIL, RCPT, RSET, STARTTLS
  Duration data_initiation = std::chrono::minutes(2);
  Duration data_block = std::chrono::minutes(3);
  Duration data_termination = std::chrono::minutes(10);
  Duration quit = std::chrono::seconds(30);
};

/// What is done about STARTTLS in a plaintext layer.
enum class ClientStartTls : std::uint8_t {
  never,          // `tls off`, or this attempt goes on in plaintext after TLS failed (opportunistic)
  when_offered,   // opportunistic
  required,       // refuse to go on without: deferred with 4.7.4
};

/// What becomes of mail data with octets beyond ASCII where the next hop does not offer 8BITMIME (RFC 6152 section 3).
enum class EightBit : std::uint8_t {
  convert,  // goes as 7-bit mail data (protocol/mail/seven_bit.h); what cannot be converted fails
  fail,     // 5.6.3
  pass,     // goes as it is
};

struct ClientProfile {
  std::string hostname;   // the argument of EHLO
  ClientProtocol protocol = ClientProtocol::smtp;
  EightBit eight_bit = EightBit::convert;
  ClientTimeouts timeouts;
  std::size_t reply_line = 2048;     // octets with CRLF; a longer line is a protocol error
  std::size_t reply_lines = 200;     // lines of a reply; more is a protocol error
  std::size_t recipients = 100;      // in one transaction, at least one; every server takes 100 (RFC 5321 section 4.5.3.1.8)
};

struct ClientLayer {
  enum class Start : std::uint8_t {
    greeting,  // wait for it first
    hello,     // EHLO at once
    rest,      // EHLO when `go_on` is called; until then whatever the next hop says ends the session
  };
  bool secure = false;
  ClientStartTls starttls = ClientStartTls::when_offered;  // plaintext layers only
  Start start = Start::hello;
};

/// What one delivery attempt of one message needs; the mail data is pulled as it is needed.
struct OutgoingMessage {
  mail::Envelope envelope;        // the forward-paths of this attempt, at least one; `body`: eight_bit_mime where any octet may be beyond ASCII
  std::uint64_t size = 0;         // octets of mail data, trace fields included
};

/// The session has been greeted, EHLO is done, TLS as it shall be: `send` may be called. Said again after each message.
struct Ready {};
/// STARTTLS was answered 220 and nothing was behind it: begin the handshake with the next octet.
struct ClientBeginTls {};
/// Mail data is wanted: call `supply` with at most `octets` of it (any less is fine), lines with CRLF, not dot-stuffed. `from_start`: it begins
/// anew, what was supplied before has only been looked at (EightBit).
struct WantsMailData {
  std::size_t octets;
  bool from_start = false;
};
/// The attempt is over: one outcome for each forward-path, in their order. Those `at_once` had no turn, because a transaction holds no more
/// recipients here (ClientProfile::recipients, or the next hop's 452): send the message again, to them.
struct Finished { std::vector<Outcome> outcomes; };
/// Nothing more will come of this session once `output()` is handed over; close the layer (R16). `failure` is set unless this is
/// the end that QUIT asked for, and says what the next hop did: it is the outcome of messages that never got their turn, too.
/// `at_starttls`: the session ended where the answer to STARTTLS was due, by whatever the next hop did, 421 included.
struct ClientEnd {
  std::optional<Outcome> failure;
  bool at_starttls = false;
};

using ClientAction = std::variant<std::monostate, Ready, ClientBeginTls, WantsMailData, Finished, ClientEnd>;

class ClientSession {
 public:
  /// `profile` outlives the session.
  ClientSession(const ClientProfile& profile, const ClientLayer& layer, Instant now);
  ~ClientSession();
  ClientSession(const ClientSession&) = delete;
  ClientSession& operator=(const ClientSession&) = delete;

  void receive(Octets octets, Instant now);
  /// The layer ended, in whatever way (`why` for people: "TLS ended without close_notify"). A message under way finishes with
  /// outcomes: deferred, `may_have_arrived` once the end of data may have reached the next hop (R14); recipients whose
  /// complete reply had come keep it (R15).
  void end_of_layer(std::string_view why);
  ClientAction next_action();

  /// After Ready. With PIPELINING: MAIL, all RCPT and DATA in one flight (RFC 2920); with CHUNKING and a small message BDAT and its
  /// chunk instead of DATA. When the session has ended since Ready, the message finishes at once, deferred.
  void send(OutgoingMessage message, Instant now);
  /// After WantsMailData. `last`: that was all of it. Without effect when the message has ended meanwhile.
  void supply(Octets mail_data, bool last);
  /// After Ready, or at rest: QUIT, then ClientEnd when it is answered or times out.
  void quit(Instant now);
  /// At rest: EHLO.
  void go_on(Instant now);

  Octets output() const;
  void sent(std::size_t count, Instant now);
  Deadline deadline() const;
  void expire(Instant now);

  bool ready() const;
  /// The end of a message's mail data stands in output(): with it the next hop has all of the message.
  bool end_of_data_waits() const;
  /// A keyword of the reply to EHLO, in any case: for logs, and for R17.
  bool has_extension(std::string_view keyword) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace adieu::smtp
