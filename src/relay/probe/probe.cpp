// The way into TLS, and what is to be seen on it: STARTTLS, versions, certificate. See probe.h.
#include "adieu/relay/probe/probe.h"

#include <utility>
#include <vector>

#include "relay/probe/prober.h"

namespace adieu::probe {

std::string words(const Heard& heard) {
  switch (heard.event) {
    case Event::reply: return heard.reply.line();
    case Event::established: return "a handshake";
    case Event::close_notify: return "close_notify";
    case Event::clear: return "octets in the clear";
    case Event::fin: return "FIN";
    case Event::reset: return "RST";
    case Event::timeout: return "no answer in time";
    case Event::alert: return "alert " + printable(heard.detail);
    case Event::fault: return printable(heard.detail);
  }
  return {};
}

std::string_view label(Versions versions) {
  switch (versions) {
    case Versions::tls13: return "TLS1.3";
    case Versions::tls12: return "TLS1.2";
    case Versions::any:
    case Versions::old: return {};
  }
  return {};
}

Entered Prober::enter(Versions versions, Goal goal) {
  Entered entered;
  auto dialled = dial_();
  if (!dialled) {
    entered.failed = Stage::connect;
    entered.why = printable(dialled.error().message);
    entered.timed_out = true;
    return entered;
  }
  entered.wire = std::move(*dialled);
  Wire& wire = *entered.wire;
  smtp::Reply reply;
  const auto fail = [&](Stage stage, const Heard& heard) {
    entered.failed = stage;
    entered.why = words(heard);
    entered.timed_out = heard.event == Event::timeout;
    if (heard.event == Event::reply) leave(wire);
    return false;
  };
  const auto ask = [&](Stage stage, const std::string& line) {
    if (!line.empty()) wire.say(line);
    Heard heard = wire.hear();
    if (heard.event != Event::reply || !heard.reply.positive()) return fail(stage, heard);
    reply = std::move(heard.reply);
    return true;
  };
  const auto secure = [&] {
    const Heard heard = wire.begin_tls(versions);
    return heard.event == Event::established || fail(Stage::handshake, heard);
  };
  const auto greet = [&](Stage stage) {
    const bool greeted = ask(stage, hello());
    if (greeted) entered.extensions = smtp::ServerExtensions(reply);
    return greeted;
  };

  if (plan_.implicit_tls && !secure()) return entered;
  if (!ask(Stage::greeting, {})) return entered;
  entered.greeting = reply;
  if (goal == Goal::greeting || !greet(Stage::hello)) return entered;
  if (goal == Goal::hello || plan_.implicit_tls) return entered;
  if (!entered.extensions.has("STARTTLS")) {
    entered.failed = Stage::starttls;
    entered.why = "not offered";
    leave(wire);
    return entered;
  }
  if (ask(Stage::starttls, "STARTTLS\r\n") && secure()) greet(Stage::secure_hello);
  return entered;
}

/// QUIT and, inside TLS, both close_notify: whatever the server makes of it.
void Prober::leave(Wire& wire) {
  wire.say("QUIT\r\n");
  if (wire.hear().event != Event::reply) return;
  wire.close_tls();
  wire.hear();
}

std::optional<smtp::Reply> Prober::command(Wire& wire, const std::string& line, Heard& heard) {
  wire.say(line);
  heard = wire.hear();
  if (heard.event != Event::reply) return std::nullopt;
  return heard.reply;
}

bool Prober::cannot_ask(Question question, const Entered& entered, std::string_view tls) {
  if (entered.failed) found(question, Verdict::untested, "not asked", entered.why, tls);
  return entered.failed.has_value();
}

bool Prober::find_version(Question question, Versions versions, const Entered& entered) {
  if (!entered.failed) {
    found(question, Verdict::good, "spoken", entered.wire->tls().cipher);
  } else if (*entered.failed == Stage::handshake && !entered.timed_out) {
    // RFC 9325 section 3.1.1: TLS 1.3 should be spoken; who speaks nothing older loses mail, not security.
    found(question, versions == Versions::tls13 ? Verdict::weak : Verdict::note, "not spoken", entered.why);
  } else {
    found(question, Verdict::untested, "not asked", entered.why);
  }
  return !entered.failed;
}

void Prober::find_old_versions() {
  const Entered entered = enter(Versions::old, Goal::secure);
  if (!entered.failed) {
    found(Question::tls_old, Verdict::weak, "spoken", entered.wire->tls().version + " " + entered.wire->tls().cipher);
    leave(*entered.wire);
  } else if (*entered.failed == Stage::handshake && !entered.timed_out) {
    found(Question::tls_old, Verdict::good, "not spoken", entered.why);
  } else {
    found(Question::tls_old, Verdict::untested, "not asked", entered.why);
  }
}

void Prober::find_certificate(const tls::PeerCertificate& certificate) {
  const bool proves = certificate.fault.empty();
  found(Question::certificate, proves ? Verdict::good : Verdict::weak, proves ? "verified" : "not verified", printable(certificate.fault));
  found(Question::certificate_subject, Verdict::note, {}, printable(certificate.subject));
  std::string names;
  for (const std::string& name : certificate.names) names += (names.empty() ? "" : " ") + name;
  found(Question::certificate_names, Verdict::note, {}, printable(names, 1024));
  found(Question::certificate_issuer, Verdict::note, {}, printable(certificate.issuer));
  const bool valid = certificate.not_before <= plan_.now && plan_.now < certificate.not_after;
  found(Question::certificate_validity, valid ? Verdict::good : Verdict::weak, valid ? "valid now" : "not valid now",
        rfc3339(certificate.not_before) + " to " + rfc3339(certificate.not_after));
}

void Prober::run() {
  Entered entered = enter(Versions::tls13, Goal::secure);
  if (entered.greeting.code == 0 && entered.failed != Stage::handshake) {
    found(Question::connection, Verdict::untested, entered.failed == Stage::connect ? "no connection" : "no greeting", entered.why);
    return;
  }
  if (entered.failed == Stage::hello) {
    found(Question::connection, Verdict::untested, "no answer to EHLO", entered.why);
    return;
  }
  found(Question::connection, Verdict::note, "connected", entered.greeting.code != 0 ? entered.greeting.line() : "");
  if (!plan_.implicit_tls) {
    if (entered.failed == Stage::starttls) {
      found(Question::starttls, entered.timed_out ? Verdict::untested : Verdict::weak, "no STARTTLS", entered.why);
      return;
    }
    found(Question::starttls, Verdict::good, "offered");
  }
  std::vector<Versions> spoken;
  const auto look = [&](Question question, Versions versions) {
    if (!find_version(question, versions, entered)) return;
    if (spoken.empty()) {
      find_certificate(entered.wire->certificate());
      found(Question::xtlsreturn, Verdict::note, entered.extensions.has("XTLSRETURN") ? "advertised" : "not advertised");
    }
    spoken.push_back(versions);
    ask_quit(*entered.wire, label(versions));
    entered.wire.reset();
  };
  look(Question::tls13, Versions::tls13);
  entered = enter(Versions::tls12, Goal::secure);
  look(Question::tls12, Versions::tls12);
  find_old_versions();
  for (const Versions versions : spoken) {
    ask_closure(versions);
    ask_closure_injection(versions);
  }
  if (!plan_.implicit_tls && !spoken.empty()) ask_starttls_injection();
  if (plan_.forward_path && !spoken.empty()) {
    ask_cut_message(spoken.front());
    ask_whole_message(spoken.front());
  }
}

void run(const Plan& plan, const Dial& dial, const std::function<void(const Finding&)>& tell) { Prober(plan, dial, tell).run(); }

}  // namespace adieu::probe
