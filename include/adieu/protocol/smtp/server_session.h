// The server side of one SMTP session within one layer: RFC 5321, with STARTTLS (RFC 3207), PIPELINING (RFC 2920), SIZE (RFC
// 1870), 8BITMIME (RFC 6152), CHUNKING (RFC 3030), ENHANCEDSTATUSCODES (RFC 2034). Pure: octets in, questions and replies out,
// time as an argument. It knows neither sockets nor TLS: when the layer changes its owner destroys it and makes another, so
// nothing learned in one layer is there in the next (R3, R5).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "adieu/base/bytes.h"
#include "adieu/base/clock.h"
#include "adieu/protocol/mail/envelope.h"
#include "adieu/protocol/smtp/refusal.h"
#include "adieu/protocol/smtp/reply.h"
#include "adieu/protocol/smtp/transaction.h"

namespace adieu::smtp {

/// Every limit of a session; the policy file sets them. Sizes in octets.
struct ServerLimits {
  std::size_t command_line = 2048;           // with CRLF; at least 512 (section 4.5.3.1.4), more for extensions' parameters
  std::size_t text_line = 1'048'576;         // one line of mail data; RFC asks for 1000 at least and many send more
  std::size_t message_size = 52'428'800;     // SIZE; mail data as it is stored
  std::size_t recipients = 1000;             // in a transaction; at least 100 (section 4.5.3.1.8)
  std::size_t errors = 10;                   // 5xx replies, then 421
  std::size_t transactions = 1000;           // messages in a session, then 421
  std::size_t layers = 100;                  // of TLS on one connection, one after another, then 421
  std::size_t hops = 100;                    // Received: fields; more is a loop (section 6.3)
  std::size_t output = 65'536;               // replies waiting to be read by the peer; input is not read meanwhile
  Duration command_timeout = std::chrono::minutes(5);    // section 4.5.3.2.7: for a command to begin, and again for the whole of it
  Duration data_timeout = std::chrono::minutes(3);       // between blocks of mail data, 4.5.3.2.5; see kDataGrace
};

/// Every octet of mail data renews `data_timeout`, but a client must not trickle for ever: a message, or a chunk of BDAT, has kDataGrace times
/// `data_timeout` in all, and `data_timeout` once more for each kDataBlock octets of it that have come (91 octets a second, by default).
inline constexpr int kDataGrace = 10;
inline constexpr std::size_t kDataBlock = 16'384;

/// What happens to a CR, LF or NUL in mail data that may not stand there.
enum class BareNewlines : std::uint8_t { reject, normalize };

struct ServerProfile {
  std::string hostname;              // in the greeting and in replies
  ServerLimits limits;
  BareNewlines bare_newlines = BareNewlines::reject;
  bool lenient_commands = true;      // commands as devices write them: see command::Syntax
};

/// What the session may know about the layer it lives in.
struct ServerLayer {
  bool secure = false;               // inside TLS
  bool offers_starttls = false;      // plaintext, and a certificate is there
  bool requires_tls = false;         // `tls required`: in plaintext, 530 5.7.0 to what needs TLS (RFC 3207 section 4)
  bool returns_to_plaintext = false; // show XTLSRETURN (R17)
  bool greets = true;                // no greeting after STARTTLS and on return to plaintext (R5)
};

/// The client as it named itself, for policy, trace and log.
struct ClientName {
  std::string name;        // the argument of EHLO or HELO; empty before
  bool extended = false;   // EHLO
};

// Questions. At most one is open; input that comes meanwhile waits.

/// A MAIL that is well-formed and in order. Answer: a transaction, or the reply that refuses it.
struct MailQuestion {
  mail::Mailbox reverse_path;
  mail::BodyType body = mail::BodyType::unspecified;
  std::uint64_t declared_size = 0;  // SIZE=, 0 where none
};
/// Answer: the reply; 2xx accepts.
struct RecipientQuestion {
  Transaction* transaction = nullptr;
  mail::Mailbox forward_path;
};
/// Mail data, decoded (no dot-stuffing, no chunk framing), lines with CRLF, in order. Answer: nothing when it may go on, or the
/// reply that the end of data is to get (the rest is then read and discarded, in step).
struct AppendQuestion {
  Transaction* transaction = nullptr;
  std::string mail_data;
};
/// All mail data has been appended. Answer: the reply; 2xx says the message is durable.
struct CommitQuestion {
  Transaction* transaction = nullptr;
  std::uint64_t size = 0;  // octets of mail data
};
using Question = std::variant<MailQuestion, RecipientQuestion, AppendQuestion, CommitQuestion>;

// Answers, one for each question.
using MailAnswer = std::variant<Reply, std::unique_ptr<Transaction>>;
struct RecipientAnswer { Reply reply; };
struct AppendAnswer { std::optional<Reply> refusal; };
struct CommitAnswer { Reply reply; };
using Answer = std::variant<MailAnswer, RecipientAnswer, AppendAnswer, CommitAnswer>;

/// STARTTLS was accepted: once `output()` has been handed over, the handshake begins with the next octet. Nothing is left
/// unread: what was pipelined behind STARTTLS has made the session end instead (CVE-2011-0411).
struct BeginTls {};

enum class EndReason : std::uint8_t {
  quit,                // the client's QUIT was answered
  errors,              // too many errors: 421 4.7.0
  timeout,             // 421 4.4.2
  shutdown,            // 421 4.3.2
  pipelined_starttls,  // octets behind STARTTLS: injection, or a broken client
  protocol,            // not SMTP: a line without end, an HTTP request, …
  transactions,        // as many as allowed: 421
  mail_data,           // more than twice what is accepted, of a message that is refused anyway: 421
  layers,              // as many TLS layers on one connection as allowed: 421
};
std::string_view name(EndReason reason);
/// The session is over once `output()` has been handed over. Whoever owns the layer closes it (R7).
struct EndSession { EndReason reason; };

using ServerAction = std::variant<std::monostate, Question, BeginTls, EndSession>;

/// What limits count over all layers of a connection (R5).
struct SessionCounts {
  std::uint32_t errors = 0;
  std::size_t transactions = 0;       // messages that were accepted
  std::size_t layers = 0;             // of TLS that were begun
};

/// How the session stands, for the closure record (effect) and for time-outs.
struct ServerStanding {
  bool in_transaction = false;        // open, not yet durable: would be rolled back (R9)
  bool unacknowledged = false;        // durable, its 2xx not yet handed over: would be revoked (R10)
  std::vector<mail::MessageSummary> messages{};  // those that would be revoked; where there are none, that which would be rolled back
  bool quit_answered = false;
  std::uint32_t committed = 0;        // messages acknowledged
  SessionCounts counts;
};

class ServerSession {
 public:
  /// `before`: what earlier layers of the connection have counted (R5: counters stay).
  ServerSession(const ServerProfile& profile, const ServerLayer& layer, Instant now, SessionCounts before = {});
  ~ServerSession();
  ServerSession(const ServerSession&) = delete;
  ServerSession& operator=(const ServerSession&) = delete;

  /// Octets of the layer's plaintext, in order, any division. They are only stored: `next_action` works on them.
  void receive(Octets octets, Instant now);
  /// Works until there is something for the shell to do: a question (moved out, then open until answered), a change of layer,
  /// the end; monostate when input, an answer, or room for output is awaited. Call again after each of those.
  ServerAction next_action();
  /// The answer to the open question; its alternative must match.
  void answer(Answer answer);

  /// Replies to hand over, gathered: all those of a pipelined group stand here together.
  Octets output() const;
  /// The first `count` octets of `output()` have been handed over to the transport (for a secure layer: as ciphertext). The
  /// acknowledgement of a message happens here (R10, R11).
  void sent(std::size_t count);

  /// Where in output() the first 2xx to an end of data stands, of those that begin at `from` or behind. Its message is ours once it has been handed over.
  struct Span {
    std::size_t begin;
    std::size_t end;
  };
  std::optional<Span> promise(std::size_t from = 0) const;

  /// Whether input that was received is still waiting to be worked on (an answer is awaited, or room for output).
  bool has_unread_input() const;
  /// False: enough input waits to be worked on. What is received all the same is kept, without a bound.
  bool wants_input() const;

  /// When the client must have said something. The time for a command runs from its first octet: later ones do not put it off. None while it is our
  /// turn.
  Deadline deadline() const;
  /// The time is past `deadline()`: 421 4.4.2 and the end.
  void expire(Instant now);
  /// The relay stops: 421 4.3.2 and the end, at once when no transaction is open, else after it.
  void shut_down();
  /// 421 4.3.2 and the end, now: what is open rolls back.
  void cut();

  /// The transactions whose 2xx was handed over since the last call.
  std::vector<std::unique_ptr<Transaction>> take_acknowledged();

  /// What was refused since the last call, in order.
  std::vector<Refusal> take_refusals();

  const ClientName& client_name() const;
  ServerStanding standing() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace adieu::smtp
