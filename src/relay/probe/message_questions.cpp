// The two messages that a probe sends where it is given a forward-path: one that is cut by close_notify before its dot, one whole.
#include "relay/probe/prober.h"

namespace adieu::probe {

/// Up to its dot. False, and said so, where the server does not take it as far as that; to refuse is its right.
bool Prober::begin_message(Wire& wire, Question question, std::string_view subject) {
  Heard heard;
  for (const std::string& line :
       {"MAIL FROM:<" + plan_.reverse_path.text() + ">\r\n", "RCPT TO:<" + plan_.forward_path->text() + ">\r\n", std::string("DATA\r\n")}) {
    const auto reply = command(wire, line, heard);
    if (reply && (line == "DATA\r\n" ? reply->code == 354 : reply->positive())) continue;
    found(question, reply ? Verdict::note : Verdict::untested, "not asked", line.substr(0, 4) + ": " + words(heard));
    if (reply) leave(wire);
    return false;
  }
  wire.say("Date: " + rfc5322_date(plan_.now) + "\r\nFrom: <postmaster@" + plan_.hostname + ">\r\nTo: <" + plan_.forward_path->text() +
           ">\r\nSubject: adieu probe: " + std::string(subject) + "\r\nAuto-Submitted: auto-generated\r\nMessage-ID: <" +
           std::to_string(plan_.now.time_since_epoch().count()) + "." + std::string(name(question)) + "@" + plan_.hostname +
           ">\r\n\r\nA test of how this server treats the end of TLS, by adieu(8). It may be deleted.\r\n");
  return true;
}

/// Nothing but a dot inside TLS may finish a message that began there.
void Prober::ask_cut_message(Versions versions) {
  Entered entered = enter(versions, Goal::secure);
  if (cannot_ask(Question::cut_message, entered)) return;
  Wire& wire = *entered.wire;
  if (!begin_message(wire, Question::cut_message, "cut before its end, must not arrive")) return;
  wire.close_tls();
  Heard heard = wire.hear();
  bool in_the_clear = false;
  if (heard.event == Event::clear) {
    heard = wire.hear();
  } else if (heard.event == Event::close_notify || heard.event == Event::timeout) {
    if (heard.event == Event::timeout) wire.read_in_the_clear();
    wire.say(".\r\n");
    heard = wire.hear();
    in_the_clear = true;
  }
  if (heard.event == Event::timeout) {
    found(Question::cut_message, Verdict::untested, "no answer", {});
    return;
  }
  const bool accepted = heard.event == Event::reply && heard.reply.positive();
  found(Question::cut_message, accepted ? Verdict::weak : Verdict::good,
        !accepted ? "not accepted" : in_the_clear ? "accepted by a dot in the clear" : "accepted without its dot", words(heard));
  if (heard.event == Event::reply) leave(wire);
}

void Prober::ask_whole_message(Versions versions) {
  Entered entered = enter(versions, Goal::secure);
  if (cannot_ask(Question::whole_message, entered)) return;
  Wire& wire = *entered.wire;
  if (!begin_message(wire, Question::whole_message, "whole, may arrive")) return;
  Heard heard;
  const auto reply = command(wire, ".\r\n", heard);
  const bool accepted = reply && reply->positive();
  found(Question::whole_message, reply ? Verdict::note : Verdict::untested, accepted ? "accepted" : "not accepted", words(heard));
  if (reply) leave(wire);
}

}  // namespace adieu::probe
