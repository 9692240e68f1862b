// See peers.h.
#include "peers.h"

#include <algorithm>
#include <utility>

#include "adieu/protocol/mail/seven_bit.h"
#include "adieu/protocol/smtp/reply_catalog.h"
#include "names.h"

namespace adieu::world {
namespace {

/// Of smtp::reply::queued.
std::string queue_id_of(const smtp::Reply& reply) {
  const std::string line = reply.line();
  return line.substr(line.rfind(' ') + 1);
}

constexpr std::uint64_t kAttempts = 12;  // of a client, before it gives a message up
constexpr const char* kEmptyLine = "\r\n\r\n";

/// Mail data that was converted to quoted-printable, as it was before: its text alone (RFC 2045 section 6.7).
std::string decoded_text(const std::string& octets) {
  std::string text;
  for (std::size_t at = octets.find(kEmptyLine) + 4; at < octets.size(); ++at) {
    if (octets[at] != '=') {
      text += octets[at];
      continue;
    }
    const std::string code = octets.substr(at + 1, 2);
    if (code != "\r\n") text += static_cast<char>(std::stoi(code, nullptr, 16));
    at += 2;
  }
  return text;
}

/// Whether it is what its client sent, behind whatever trace fields.
bool has_arrived_whole(const std::string& octets, const Message& message) {
  if (octets.ends_with(message.arrives)) return true;
  const std::size_t header_end = octets.find(kEmptyLine);
  if (!message.eight_bit || octets.substr(0, header_end).find("Content-Transfer-Encoding: quoted-printable") == octets.npos) return false;
  return decoded_text(octets) == message.arrives.substr(message.arrives.find(kEmptyLine) + 4);
}

}  // namespace

Message message_of(const std::string& token) {
  Clock chance(std::hash<std::string>()(token));
  Message message;
  std::string text;
  std::int64_t lines = chance.happens(0.2) ? chance.between(50, 400) : chance.between(0, 20);
  if (chance.happens(0.02)) lines = 10'000;  // more than one part of what the spool is read in
  for (std::int64_t line = 0; line < lines; ++line) text += chance.happens(0.1) ? ".\r\n" : "a line of " + token + " that says nothing\r\n";
  const std::string subject = "Subject: " + token + "\r\n";
  switch (chance.between(0, 19)) {
    case 0:
    case 1:  // as devices write: text alone, whose first line would continue whatever field stood before it
      message.has_id = false;
      message.octets = "\tAlarm: " + token + "\r\n" + text;
      message.arrives = kEmptyLine + message.octets;
      return message;
    case 2:
    case 3:  // or right behind the header
      message.has_id = false;
      message.octets = subject + "no field\r\n" + text;
      message.arrives = subject + "\r\nno field\r\n" + text;
      return message;
    case 4:
    case 5:
      message.eight_bit = true;
      text.insert(0, "gr\xc3\xbc\xc3\x9f from " + token + ", without anything that would have to be encoded in quoted-printable\r\n");
      message.octets = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";
      break;
    case 6:
      message.has_nul = true;
      text += std::string("a line with ") + '\0' + "\r\n";
      break;
    default: break;
  }
  message.octets += "From: <" + token + "@client.example>\r\nMessage-ID: <" + token + "@client.example>\r\n" + subject + "\r\n" + text;
  message.arrives = message.octets;
  return message;
}

std::vector<mail::Mailbox> recipients_of(const std::string& token) {
  Clock chance(std::hash<std::string>()(token) + 1);
  std::vector<mail::Mailbox> recipients;
  for (std::int64_t number = chance.happens(0.5) ? 0 : chance.between(0, 4); number >= 0; --number) {
    std::string domain = chance.happens(0.5) ? "one.example" : "two.example";
    if (token.front() == 'n' && chance.happens(0.7)) domain = Names::domain(static_cast<std::size_t>(chance.between(0, Names::kDomains - 1)));
    recipients.push_back({token + "." + std::to_string(number), std::move(domain)});
  }
  if (chance.happens(0.1)) recipients.push_back(recipients.front());  // named once more: it is one recipient
  return recipients;
}

Client::Client(Host& host, Endpoint relay, Stories& stories, const Tls& tls, std::vector<std::string> tokens)
    : host_(host),
      relay_(relay),
      stories_(stories),
      waiting_(std::move(tokens)),
      channels_(tls.client()),
      timer_(host.timer([this] {
        if (connection_) connection_->expire(host_.now());
        if (connection_) {
          work();
        } else {
          end();  // nobody answers
        }
      })),
      again_(host.timer([this] { connect(); })) {
  profile_.session.hostname = "client.example";
  const bool starts = host.clock().happens(0.7);
  profile_.starttls = tls.required ? smtp::ClientStartTls::required : starts ? smtp::ClientStartTls::when_offered : smtp::ClientStartTls::never;
  if (host.clock().happens(tls.required ? 0.8 : 0.3)) profile_.renew_after_messages = 1;
  for (const std::string& token : waiting_) {
    // What has no Message-ID may be the same lines again.
    if (host.clock().happens(message_of(token).has_id ? 0.1 : 0.5)) twice_.insert(token);
  }
  profile_.channels = channels_.get();
  again_->set(host.now() + host.clock().between(Duration(0), std::chrono::minutes(2)));
}

Client::~Client() {
  transport_.reset();
  connection_.reset();
}

void Client::connect() {
  if (waiting_.empty()) return;
  auto stream = host_.connect(relay_, [this](const std::optional<Error>& error) {
    if (error) {
      end();
      return;
    }
    connection_ = std::make_unique<smtp::ClientConnection>(profile_, host_.now());
    transport_ = std::make_unique<smtp::Transport<smtp::ClientConnection>>(host_, std::move(connecting_), *connection_, [this] { work(); });
    work();
  });
  connecting_ = std::move(*stream);
  timer_->set(host_.now() + std::chrono::seconds(30));
}

/// And once more later, for what is left.
void Client::end() {
  timer_->set(std::nullopt);
  connecting_.reset();
  transport_.reset();
  connection_.reset();
  if (!waiting_.empty()) again_->set(host_.now() + host_.clock().between(std::chrono::seconds(10), std::chrono::minutes(20)));
}

void Client::next_message() {
  if (waiting_.empty() || host_.clock().happens(0.2)) {
    connection_->quit(host_.now());
    return;
  }
  sending_ = waiting_[static_cast<std::size_t>(host_.clock().between(0, static_cast<std::int64_t>(waiting_.size()) - 1))];
  if (++attempts_[sending_] == 1) {
    left_[sending_] = recipients_of(sending_);
  }
  const Message sent = message_of(sending_);
  octets_ = sent.octets;
  recipients_ = left_[sending_];
  supplied_ = 0;
  smtp::OutgoingMessage message;
  message.envelope.reverse_path = {sending_, "client.example"};
  message.envelope.forward_paths = recipients_;
  message.size = octets_.size();
  // Not every client declares what it sends.
  if (sent.eight_bit && recipients_.size() != 1) message.envelope.body = mail::BodyType::eight_bit_mime;
  connection_->send(std::move(message), host_.now());
}

/// Of those that have the same name the first counts that was accepted, or the last.
bool Client::is_named_again(const std::vector<smtp::Outcome>& outcomes, std::size_t at) const {
  const auto counts_before = [&](std::size_t one, std::size_t other) {
    const bool delivered = outcomes[one].fate == smtp::Fate::delivered;
    if (delivered != (outcomes[other].fate == smtp::Fate::delivered)) return delivered;
    return delivered ? one < other : one > other;
  };
  for (std::size_t other = 0; other < recipients_.size(); ++other) {
    if (other != at && recipients_[other] == recipients_[at] && counts_before(other, at)) return true;
  }
  return false;
}

void Client::work() {
  if (std::exchange(working_, true)) return;
  for (;;) {
    smtp::ClientConnectionAction action = connection_->next_action(host_.now());
    if (std::holds_alternative<smtp::Ready>(action)) {
      next_message();
      continue;
    }
    if (const auto* wants = std::get_if<smtp::WantsMailData>(&action)) {
      if (wants->from_start) supplied_ = 0;
      const Octets part = Octets(octets_).substr(supplied_, wants->octets);
      supplied_ += part.size();
      connection_->supply(part, supplied_ == octets_.size());
      continue;
    }
    if (const auto* finished = std::get_if<smtp::Finished>(&action)) {
      std::vector<mail::Mailbox> left;
      const auto any = [&](auto of) { return std::any_of(finished->outcomes.begin(), finished->outcomes.end(), of); };
      stories_[sending_].heard += any([](const smtp::Outcome& each) { return each.fate == smtp::Fate::delivered; });
      stories_[sending_].client_unsure += any([](const smtp::Outcome& each) { return each.may_have_arrived; });
      const Message sent = message_of(sending_);
      for (std::size_t i = 0; i < recipients_.size(); ++i) {
        if (is_named_again(finished->outcomes, i)) continue;
        Story& story = stories_[recipients_[i].local_part];
        story.has_id = sent.has_id;
        story.has_nul = sent.has_nul;
        const smtp::Outcome& outcome = finished->outcomes[i];
        if (outcome.may_have_arrived) ++story.client_unsure;
        if (outcome.fate == smtp::Fate::delivered) {
          ++story.acknowledged;
          if (!story.acknowledged_at) story.acknowledged_at = host_.now();
          story.queue_ids.emplace(queue_id_of(outcome.reply), "<" + recipients_[i].text() + ">");
        }
        if (outcome.fate == smtp::Fate::deferred) left.push_back(recipients_[i]);
      }
      left_[sending_] = std::move(left);
      if (left_[sending_].empty() && twice_.erase(sending_) != 0) {
        attempts_[sending_] = 0;
      } else if (left_[sending_].empty() || attempts_[sending_] >= kAttempts) {
        std::erase(waiting_, sending_);
      }
      continue;
    }
    if (std::holds_alternative<smtp::ClientClosed>(action)) {
      working_ = false;
      end();
      return;
    }
    if (connection_->output().empty() || !transport_->write()) break;
  }
  transport_->await_input(true);
  timer_->set(connection_->deadline());
  working_ = false;
}

/// A message that the next hop has begun to take.
class NextHop::Mail final : public smtp::Transaction {
 public:
  Mail(NextHop& hop, mail::Mailbox reverse_path, mail::BodyType body) : hop_(hop), reverse_path_(std::move(reverse_path)), body_(body) {}
  ~Mail() override = default;
  void acknowledge() noexcept override {
    if (octets.find(Attacker::kWord) != octets.npos) hop_.stories_[std::string(Attacker::kWord) + ".0"].altered = true;
    for (const mail::Mailbox& path : forward_paths) {
      if (path.domain == "client.example") {
        note_notification();
        ++hop_.stories_[path.local_part].stored;
        continue;
      }
      Story& story = hop_.stories_[path.local_part];
      ++story.stored;
      if (!story.stored_at) story.stored_at = hop_.host_.now();
      story.altered |= !has_arrived_whole(octets, message_of(path.local_part.substr(0, path.local_part.find('.'))));
      story.undeclared |= body_ != mail::BodyType::eight_bit_mime && mail::has_eight_bit(octets);
    }
  }
  /// RFC 3464 section 2.3.2: whom it is about.
  void note_notification() {
    constexpr std::string_view kField = "\r\nFinal-Recipient: rfc822;";
    for (std::size_t at = octets.find(kField); at != octets.npos; at = octets.find(kField, at + 1)) {
      std::size_t begin = at + kField.size();
      while (octets[begin] == ' ') ++begin;
      Story& story = hop_.stories_[octets.substr(begin, octets.find('@', begin) - begin)];
      ++story.notified;
      if (!story.notified_at) story.notified_at = hop_.host_.now();
    }
  }
  std::vector<mail::Mailbox> forward_paths;
  std::string octets;
  const std::shared_ptr<int> alive = std::make_shared<int>(0);

 private:
  NextHop& hop_;
  const mail::Mailbox reverse_path_;
  const mail::BodyType body_;
};

NextHop::NextHop(Host& host, Endpoint endpoint, Stories& stories, const Tls& tls, Log& log, const Moods& moods)
    : host_(host), stories_(stories), moods_(moods), closures_(log, 10, [&host] { return host.wall(); }) {
  profile_.name = endpoint.text();
  profile_.channels = tls.server();
  profile_.connection.session.hostname = "hop.example";
  profile_.connection.session.limits.recipients = moods.recipients;
  if (moods.ends_tls) profile_.connection.handshake_timeout = Duration(0);
  profile_.connection.tls = tls.required ? smtp::ServerTls::required : smtp::ServerTls::optional;
  profile_.connection.channels = profile_.channels.get();
  listening_ = std::make_unique<receive::Listening>(host, profile_, limits_, *this, closures_, log, [] {});
  listening_->begin([&](Listener::User& user) { return host.listen(endpoint, user); });
}

NextHop::~NextHop() = default;

bool NextHop::is_refused(const std::string& local_part) {
  return Clock(std::hash<std::string>()(local_part)).happens(moods_.refuses);
}

std::optional<smtp::Answer> NextHop::ask(const receive::Client&, smtp::Question question, std::function<void(smtp::Answer)> later) {
  const bool defers = host_.clock().happens(moods_.defers) || moods_.always_defers == question.index();
  const smtp::Reply busy{451, smtp::EnhancedStatus{4, 3, 0}, "not now"};
  if (auto* mail = std::get_if<smtp::MailQuestion>(&question)) {
    moods_.on_mail();
    if (defers) return smtp::MailAnswer(busy);
    return smtp::MailAnswer(std::make_unique<Mail>(*this, std::move(mail->reverse_path), mail->body));
  }
  if (auto* recipient = std::get_if<smtp::RecipientQuestion>(&question)) {
    if (defers) return smtp::RecipientAnswer{busy};
    if (recipient->forward_path.domain != "client.example" && is_refused(recipient->forward_path.local_part)) {
      stories_[recipient->forward_path.local_part].refused = true;
      return smtp::RecipientAnswer{{550, smtp::EnhancedStatus{5, 1, 1}, "nobody of that name"}};
    }
    static_cast<Mail&>(*recipient->transaction).forward_paths.push_back(std::move(recipient->forward_path));
    return smtp::RecipientAnswer{smtp::reply::recipient_ok()};
  }
  if (auto* data = std::get_if<smtp::AppendQuestion>(&question)) {
    static_cast<Mail&>(*data->transaction).octets += data->mail_data;
    return smtp::AppendAnswer{};
  }
  const smtp::Reply reply = defers ? busy : smtp::reply::queued("hop");
  auto& mail = static_cast<Mail&>(*std::get<smtp::CommitQuestion>(question).transaction);
  host_.clock().after(host_.clock().between(moods_.quickest, moods_.slowest), [alive = std::weak_ptr(mail.alive), later = std::move(later), reply] {
    if (!alive.expired()) later(smtp::CommitAnswer{reply});
  });
  return std::nullopt;
}

}  // namespace adieu::world
