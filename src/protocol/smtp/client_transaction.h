// One mail transaction from the client's side: RFC 5321 section 3.3, in flights where the server allows it (RFC 2920), with
// BDAT where it is offered (RFC 3030), with a reply for each recipient in LMTP (RFC 2033). It judges replies; the session matches
// them to what they answer.
//
// In one flight go MAIL, all RCPT and DATA. BDAT LAST takes DATA's place in it, with the mail data, while that is small: a server
// that refused every recipient still reads the chunk and answers it (RFC 3030 section 2), so the two stay in step, and
// what becomes of a recipient is said by the reply to its RCPT. Should a server take such a chunk for commands, its replies
// outnumber what is awaited, and the session ends.
// One fault goes unnoticed: a 2xx too many in that flight is taken for the reply to the message (with DATA, the missing 354 would show it).
//
// A message that is to be converted to 7 bits goes by DATA and without SIZE: how long it will be is known when its end is.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "adieu/base/bytes.h"
#include "adieu/protocol/mail/seven_bit.h"
#include "adieu/protocol/smtp/client_session.h"
#include "adieu/protocol/smtp/mail_data.h"
#include "protocol/smtp/client_exchange.h"
#include "protocol/smtp/server_extensions.h"

namespace adieu::smtp {

class ClientTransaction {
 public:
  /// Mail data up to this many octets goes with MAIL and RCPT in one flight; more is asked for while the output holds less than that.
  static constexpr std::size_t kFlight = 65'536;
  static constexpr std::size_t kPart = 262'144;  // the most that is asked for at once: each time may cost a read by another thread

  /// `recipients`: the most that are named to the server, at least one; the others have `at_once` outcomes. `plan`: to convert the message by.
  ClientTransaction(OutgoingMessage message, const ServerExtensions& server, ClientProtocol protocol, std::size_t recipients,
                    std::optional<mail::SevenBitPlan> plan);

  /// `reset`: an earlier transaction is still open on the server, so RSET goes first.
  void begin(bool reset, ClientExchange& exchange);
  /// False where the reply makes no sense as an answer to that command, or leaves us out of step.
  [[nodiscard]] bool receive(Awaited awaited, const Reply& reply, ClientExchange& exchange);
  /// How much mail data to ask for now; 0 for none. The same question is not asked twice.
  std::size_t ask(const ClientExchange& exchange);
  /// False when it is not what `size` said. Ignored when it was not asked for.
  [[nodiscard]] bool supply(Octets mail_data, bool last, ClientExchange& exchange);
  /// Whether mail data is still to be sent, so that it's our turn though the reply to its end is awaited.
  bool sending() const { return stage_ == Stage::sending || stage_ == Stage::asking; }
  /// Whether any mail data has been said.
  bool past_envelope() const { return stage_ != Stage::envelope; }

  bool over(const ClientExchange& exchange) const { return exchange.awaited.empty() && !sending(); }
  /// All recipients that nothing is known of yet are deferred for that reason (R14).
  void abandon(const Outcome& why);
  /// After it is over or abandoned.
  std::vector<Outcome> take_outcomes();
  /// Whether the server may still hold the transaction open.
  bool needs_reset() const { return open_; }
  /// How many recipients the server took before it said that there were too many; 0 where it did not say so, or took none.
  std::size_t server_limit() const { return too_many_ ? accepted_ : 0; }

 private:
  enum class Stage : std::uint8_t {
    envelope,
    sending,  // mail data goes out, more of it is to be asked for
    asking,   // and was asked for
    sent,     // its end stands in the output
  };

  void say_mail(ClientExchange& exchange);
  void say_recipient(ClientExchange& exchange);
  void say_mail_data(ClientExchange& exchange);
  void say_bdat(ClientExchange& exchange);
  /// Of the recipients that have been named to the server.
  void decide_undecided(const Outcome& outcome);
  void decide_all(const Outcome& outcome);
  void receive_recipient(const Reply& reply, ClientExchange& exchange);
  bool receive_data(const Reply& reply, ClientExchange& exchange);
  bool receive_mail_data(const Reply& reply, const ClientExchange& exchange);

  OutgoingMessage message_;
  ClientProtocol protocol_;
  bool pipelining_;
  bool chunking_;
  bool says_size_;
  bool says_body_;

  Stage stage_ = Stage::envelope;
  bool open_ = false;
  std::vector<std::optional<Outcome>> outcomes_;  // as the forward-paths; none: nothing final is known
  std::size_t recipients_to_say_;                 // of outcomes_, the first ones
  std::size_t recipients_said_ = 0;
  std::size_t recipients_answered_ = 0;
  std::size_t accepted_ = 0;
  bool too_many_ = false;                         // a recipient was refused because of those before it (RFC 5321 section 4.5.3.1.10)
  bool progress_ = false;                         // something final is known of recipients that were accepted
  std::uint64_t to_send_ = 0;                     // of a BDAT chunk
  std::string conversion_;                        // what is told of it; empty: the message goes as it is
  std::optional<mail::SevenBitConverter> converter_;
  DotEncoder encoder_;
};

}  // namespace adieu::smtp
