// What a server makes of the end of TLS, and of octets that stand behind a boundary: RFC 8446 section 6.1, RFC 3207 sections 4.2 and 5; R4 to R7
// seen from outside. CVE-2011-0411 (behind STARTTLS), CVE-2026-45185 (behind close_notify).
#include "relay/probe/prober.h"

namespace adieu::probe {
namespace {

constexpr std::string_view kInjected = "NOOP\r\n";
/// How long a server may take from its close_notify to the end of the connection; after that it is taken to be waiting for ours.
constexpr Duration kEndBehindCloseNotify = std::chrono::seconds(1);

/// The server has ended the connection, or says that it will, or takes what comes in the clear for broken TLS.
bool is_over(const Heard& heard) {
  switch (heard.event) {
    case Event::fin:
    case Event::reset:
    case Event::alert:
    case Event::fault: return true;
    case Event::reply: return heard.reply.code == 421;
    case Event::established:
    case Event::close_notify:
    case Event::clear:
    case Event::timeout: return false;
  }
  return false;
}

/// A RCPT that was held against policy had a transaction to belong to; 503 or 530 says that there was none (RFC 5321 section 4.3.2).
bool was_judged(const smtp::Reply& recipient) {
  return recipient.positive() || (recipient.transient() && recipient.code != 421) || (recipient.code >= 550 && recipient.code <= 553);
}

/// Whether what came first was the answer to the injected NOOP; else it is the one to our QUIT behind it.
bool is_answer_to_injected(const Heard& heard) {
  return heard.event == Event::reply && heard.reply.positive() && heard.reply.code != 221;
}

std::string outcome_of_injection(const Heard& heard) {
  if (is_over(heard)) return "ends the connection";
  if (heard.event == Event::timeout) return "no answer";
  return heard.reply.code == 221 ? "discarded" : "refused";
}

}  // namespace

/// After QUIT the server is to end both, in order (RFC 5321 section 4.1.1.10, RFC 8446 section 6.1). Only where it waits for our close_notify is
/// that sent first: a server that ends with our close_notify unread ends by RST, so an RST behind it proves nothing against the server.
void Prober::ask_quit(Wire& wire, std::string_view tls) {
  Heard heard;
  const auto reply = command(wire, "QUIT\r\n", heard);
  if (reply) heard = wire.hear();
  bool waits = heard.event == Event::timeout;
  if (waits) {
    wire.close_tls();
    heard = wire.hear();
  }
  if (heard.event == Event::close_notify) {
    found(Question::quit_close_notify, Verdict::good, waits ? "answers ours" : "sent", {}, tls, heard.after);
    heard = waits ? wire.hear() : wire.hear(kEndBehindCloseNotify);
    if (!waits && heard.event == Event::timeout) {
      waits = true;
      wire.close_tls();
      heard = wire.hear();
    }
  } else {
    found(Question::quit_close_notify, Verdict::weak, "none", words(heard), tls);
  }
  const bool fin = heard.event == Event::fin;
  const bool reset = heard.event == Event::reset;
  found(Question::quit_end, fin ? Verdict::good : reset && waits ? Verdict::note : Verdict::weak, fin ? "FIN" : reset ? "RST" : "left open",
        !fin && !reset ? words(heard) : waits ? "only after our close_notify" : "", tls);
}

void Prober::ask_closure(Versions versions) {
  const std::string_view tls = label(versions);
  Entered entered = enter(versions, Goal::secure);
  if (cannot_ask(Question::close_notify, entered, tls)) return;
  Wire& wire = *entered.wire;
  Heard heard;
  const auto mail = command(wire, "MAIL FROM:<>\r\n", heard);
  if (!mail) {
    found(Question::close_notify, Verdict::untested, "not asked", "MAIL: " + words(heard), tls);
    return;
  }
  wire.close_tls();
  heard = wire.hear();
  const bool answered = heard.event == Event::close_notify;
  found(Question::close_notify, answered ? Verdict::good : Verdict::weak, answered ? "answered" : "not answered", answered ? "" : words(heard), tls,
        answered ? std::optional(heard.after) : std::nullopt);
  if (heard.event == Event::clear) heard = wire.hear();  // what it said unasked
  const bool promised = entered.extensions.has("XTLSRETURN");
  if (is_over(heard)) {
    found(Question::after_closure, promised ? Verdict::weak : Verdict::good, "ends the connection", promised ? "although it advertises XTLSRETURN" : "", tls);
    return;
  }
  if (!answered) wire.read_in_the_clear();
  look_behind_closure(wire, tls, answered, promised, *mail);
}

/// The transaction is asked for first: EHLO would end it.
void Prober::look_behind_closure(Wire& wire, std::string_view tls, bool answered, bool promised, const smtp::Reply& mail) {
  Heard heard;
  const auto recipient = command(wire, "RCPT TO:<postmaster>\r\n", heard);
  const bool over = is_over(heard);
  if (over || !recipient) {
    found(Question::after_closure, over && !promised ? Verdict::good : Verdict::weak, over ? "ends the connection" : "silent",
          promised ? "although it advertises XTLSRETURN" : "", tls);
    return;
  }
  const bool well = answered && !plan_.implicit_tls;
  found(Question::after_closure, well ? Verdict::good : Verdict::weak, "goes on in plaintext",
        well ? "" : plan_.implicit_tls ? "on a port of implicit TLS" : "without a close_notify of its own", tls);
  judge_state(wire, tls, mail, *recipient);
  leave(wire);
}

void Prober::judge_state(Wire& wire, std::string_view tls, const smtp::Reply& mail, const smtp::Reply& recipient) {
  if (mail.positive() && was_judged(recipient)) {
    found(Question::state, Verdict::weak, "transaction kept", "RCPT: " + recipient.line(), tls);
    return;
  }
  Heard heard;
  const auto again = command(wire, "MAIL FROM:<>\r\n", heard);
  if (again && again->positive() && !takes_mail_before_hello()) {
    found(Question::state, Verdict::weak, "EHLO kept", "MAIL: " + again->line(), tls);
  } else if (!mail.positive()) {
    found(Question::state, Verdict::note, "not to be seen", "MAIL inside TLS: " + mail.line(), tls);
  } else {
    found(Question::state, Verdict::good, "forgotten", recipient.line(), tls);
  }
}

/// RFC 5321 section 4.1.4 lets a server do without EHLO; then MAIL in plaintext proves nothing.
bool Prober::takes_mail_before_hello() {
  if (takes_mail_before_hello_) return *takes_mail_before_hello_;
  const Entered entered = enter(Versions::any, Goal::greeting);
  bool takes = true;  // unless the contrary is seen
  if (!entered.failed) {
    Heard heard;
    const auto mail = command(*entered.wire, "MAIL FROM:<>\r\n", heard);
    takes = !mail || mail->positive();
    leave(*entered.wire);
  }
  takes_mail_before_hello_ = takes;
  return takes;
}

void Prober::ask_closure_injection(Versions versions) {
  const std::string_view tls = label(versions);
  Entered entered = enter(versions, Goal::secure);
  if (cannot_ask(Question::closure_injection, entered, tls)) return;
  Wire& wire = *entered.wire;
  wire.close_tls(kInjected);
  Heard heard = wire.hear();
  if (heard.event == Event::clear) {
    heard = wire.hear();
  } else if (!is_over(heard)) {
    if (heard.event == Event::timeout) wire.read_in_the_clear();
    wire.say("QUIT\r\n");
    heard = wire.hear();
  }
  const bool executed = is_answer_to_injected(heard);
  const Verdict otherwise = heard.event == Event::timeout ? Verdict::untested : Verdict::good;
  found(Question::closure_injection, executed ? Verdict::weak : otherwise, executed ? "carried out" : outcome_of_injection(heard),
        heard.event == Event::timeout ? "" : words(heard), tls);
}

void Prober::ask_starttls_injection() {
  Entered entered = enter(Versions::any, Goal::hello);
  if (cannot_ask(Question::starttls_injection, entered)) return;
  Wire& wire = *entered.wire;
  Heard heard;
  const auto ready = command(wire, "STARTTLS\r\n" + std::string(kInjected), heard);
  bool secure = false;
  if (ready && ready->positive()) {
    heard = wire.begin_tls(Versions::any);
    secure = heard.event == Event::established;
    if (secure) command(wire, "QUIT\r\n", heard);
    if (heard.event == Event::clear) heard = wire.hear();
  }
  if (heard.event == Event::timeout) {
    found(Question::starttls_injection, Verdict::untested, "no answer", {});
    return;
  }
  const bool executed = is_answer_to_injected(heard);
  found(Question::starttls_injection, executed ? Verdict::weak : Verdict::good,
        !executed ? outcome_of_injection(heard) : secure ? "carried out inside TLS" : "carried out in the clear", words(heard));
  if (secure) {
    wire.close_tls();
    wire.hear();
  } else if (ready && !ready->positive()) {
    leave(wire);
  }
}

}  // namespace adieu::probe
