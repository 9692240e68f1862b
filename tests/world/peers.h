// Who talks with the relay in a simulated world: clients that behave as RFC 5321 says (they queue, try again, give up), and a next hop with moods. Their
// protocol is the relay's own, from the other side.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "adieu/protocol/smtp/client_connection.h"
#include "adieu/relay/access/limits.h"
#include "adieu/relay/receive/listening.h"
#include "network.h"
#include "tls.h"

namespace adieu::world {

/// What became of one recipient of a message, from both ends.
struct Story {
  std::uint64_t client_unsure = 0;   // attempts whose end of data may have arrived, without a reply that was heard
  std::uint64_t acknowledged = 0;    // how often its client heard 2xx: more than once where it meant to send it again
  std::uint64_t relay_unsure = 0;    // attempts of which the relay says that the next hop may have it
  std::uint64_t stored = 0;          // how often the next hop took it: its 2xx was handed over
  std::uint64_t notified = 0;        // notifications of its failure that arrived
  std::uint64_t heard = 0;           // of a token: how often its client heard 2xx
  std::set<std::pair<std::string, std::string>> queue_ids;  // that its client was told, with its forward-path as the log writes it
  bool has_id = true;                // its message has a Message-ID
  bool has_nul = false;              // it has an octet that no mail data may have
  bool refused = false;              // for good, by the next hop or the name service
  bool altered = false;              // what arrived did not end with what its client sent
  bool undeclared = false;           // it arrived with 8-bit octets that the next hop was not told of
  std::optional<Instant> acknowledged_at;  // the first time
  std::optional<Instant> stored_at;        // likewise
  std::optional<Instant> notified_at;      // likewise
};
/// By the recipients' local parts, TOKEN.NUMBER. Under the TOKEN alone: the message as its client sees it, and the notifications about it.
using Stories = std::map<std::string, Story>;

/// What a client sends under a token: always the same octets, to always the same recipients. Those of a token that begins with an n are in domains of
/// Names, too.
struct Message {
  std::string octets;
  /// What those end with that arrive: where the header ends is told by an empty line then.
  std::string arrives;
  bool eight_bit = false;
  bool has_id = true;  // a Message-ID
  bool has_nul = false;  // so that nobody may take it (RFC 5321 section 4.5.2)
};
Message message_of(const std::string& token);
std::vector<mail::Mailbox> recipients_of(const std::string& token);

/// Sends its messages over one connection after another until each is acknowledged, or given up.
class Client {
 public:
  Client(Host& host, Endpoint relay, Stories& stories, const Tls& tls, std::vector<std::string> tokens);
  ~Client();
  bool done() const { return waiting_.empty() && !transport_; }

 private:
  void connect();
  void work();
  void end();
  void next_message();
  bool is_named_again(const std::vector<smtp::Outcome>& outcomes, std::size_t at) const;

  Host& host_;
  const Endpoint relay_;
  Stories& stories_;
  std::vector<std::string> waiting_;
  std::string sending_;
  std::string octets_;
  std::vector<mail::Mailbox> recipients_;
  std::size_t supplied_ = 0;
  std::map<std::string, std::uint64_t> attempts_;
  std::set<std::string> twice_;  // what it means to send a second time once it is acknowledged
  std::map<std::string, std::vector<mail::Mailbox>> left_;  // recipients that were not answered for good, by token
  const std::unique_ptr<tls::ChannelFactory> channels_;
  smtp::ClientConnectionProfile profile_;
  std::unique_ptr<Stream> connecting_;
  std::unique_ptr<smtp::ClientConnection> connection_;
  std::unique_ptr<smtp::Transport<smtp::ClientConnection>> transport_;
  std::unique_ptr<Timer> timer_;
  std::unique_ptr<Timer> again_;
  bool working_ = false;
};

/// How a next hop takes mail.
struct Moods {
  double defers = 0;      // 451, at any of its commands
  std::optional<std::size_t> always_defers;  // at one of them, as smtp::Question numbers them
  double refuses = 0;     // 550 to a recipient, of some tokens for good
  Duration quickest{};    // how long it thinks about a message, at least
  Duration slowest{};     // and at most
  std::size_t recipients = 1000;  // that it takes in a transaction
  std::function<void()> on_mail = [] {};  // it has been told MAIL
  bool ends_tls = false;  // it offers STARTTLS, and closes instead of shaking hands
};

class NextHop final : public receive::MailHandler {
 public:
  NextHop(Host& host, Endpoint endpoint, Stories& stories, const Tls& tls, Log& log, const Moods& moods);
  ~NextHop() override;

 private:
  class Mail;
  std::optional<smtp::Answer> ask(const receive::Client& client, smtp::Question question, std::function<void(smtp::Answer)> later) override;
  bool is_refused(const std::string& local_part);

  Host& host_;
  Stories& stories_;
  const Moods moods_;
  observe::Closures closures_;
  access::ConnectionLimits limits_{{1000, 1000, 1000, 0, {0}}};
  receive::ListenerProfile profile_;
  std::unique_ptr<receive::Listening> listening_;
};

}  // namespace adieu::world
