// The questions, and what they share: how a connection is brought to where a question begins, and left again. See probe.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "adieu/relay/probe/probe.h"
#include "protocol/smtp/server_extensions.h"

namespace adieu::probe {

/// What was heard, in words.
std::string words(const Heard& heard);
/// "TLS1.3", "TLS1.2"; else empty.
std::string_view label(Versions versions);

enum class Stage : std::uint8_t { connect, greeting, hello, starttls, handshake, secure_hello };

/// A connection on its way into TLS.
struct Entered {
  std::unique_ptr<Wire> wire;
  smtp::Reply greeting;
  smtp::ServerExtensions extensions;  // of the last EHLO
  std::optional<Stage> failed;        // where it ended; none: it has come to its goal
  std::string why;
  bool timed_out = false;
};

class Prober {
 public:
  Prober(const Plan& plan, const Dial& dial, const std::function<void(const Finding&)>& tell) : plan_(plan), dial_(dial), tell_(tell) {}

  void run();

 private:
  enum class Goal : std::uint8_t { greeting, hello, secure };

  Entered enter(Versions versions, Goal goal);
  void leave(Wire& wire);
  /// One command; none where it was not answered by a reply, then `heard` tells.
  std::optional<smtp::Reply> command(Wire& wire, const std::string& line, Heard& heard);
  std::string hello() const { return "EHLO " + plan_.hostname + "\r\n"; }

  void found(Question question, Verdict verdict, std::string answer, std::string detail = {}, std::string_view tls = {},
             std::optional<Duration> after = std::nullopt) {
    tell_({question, verdict, tls, std::move(answer), std::move(detail), after});
  }
  /// When `entered` did not come to where `question` begins: says why.
  bool cannot_ask(Question question, const Entered& entered, std::string_view tls = {});

  void find_certificate(const tls::PeerCertificate& certificate);
  bool find_version(Question question, Versions versions, const Entered& entered);
  void find_old_versions();

  void ask_quit(Wire& wire, std::string_view tls);
  void ask_closure(Versions versions);
  void look_behind_closure(Wire& wire, std::string_view tls, bool answered, bool promised, const smtp::Reply& mail);
  void judge_state(Wire& wire, std::string_view tls, const smtp::Reply& mail, const smtp::Reply& recipient);
  bool takes_mail_before_hello();
  void ask_closure_injection(Versions versions);
  void ask_starttls_injection();

  bool begin_message(Wire& wire, Question question, std::string_view subject);
  void ask_cut_message(Versions versions);
  void ask_whole_message(Versions versions);

  const Plan& plan_;
  const Dial& dial_;
  const std::function<void(const Finding&)>& tell_;
  std::optional<bool> takes_mail_before_hello_;
};

}  // namespace adieu::probe
