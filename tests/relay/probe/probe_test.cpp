// What a probe finds, fault by fault: a server that is good in everything but one is found weak in that alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "model_server.h"
#include "support/source_tree.h"

namespace adieu::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

struct Found {
  std::vector<Finding> all;

  std::vector<std::string> of(Verdict verdict) const {
    std::vector<std::string> names;
    for (const Finding& each : all) {
      if (each.verdict == verdict) names.push_back(std::string(name(each.question)) + (each.tls.empty() ? "" : " ") + std::string(each.tls));
    }
    return names;
  }
  std::vector<std::string> weak() const { return of(Verdict::weak); }
  std::vector<std::string> untested() const { return of(Verdict::untested); }
  /// Of those that carry one.
  std::vector<std::string> times() const {
    std::vector<std::string> rows;
    for (const Finding& each : all) {
      if (each.after) rows.push_back(std::string(name(each.question)) + " " + std::string(each.tls) + " " + std::to_string(each.after->count()));
    }
    return rows;
  }
  std::string answer(Question question) const {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Finding& each) { return each.question == question; });
    return found == all.end() ? "never asked" : found->answer;
  }
};

Found probe(Server& server, const std::string& forward_path = {}) {
  Plan plan;
  plan.hostname = "probe.example";
  plan.implicit_tls = server.implicit;
  plan.now = WallTime(Duration(1'000));
  if (!forward_path.empty()) plan.forward_path = mail::parse_mailbox(forward_path);
  Found found;
  run(
      plan,
      [&server]() -> Result<std::unique_ptr<Wire>> {
        if (!server.reachable) return failure(ErrorKind::refused, "connection refused");
        return std::make_unique<ModelWire>(server);
      },
      [&found](const Finding& finding) { found.all.push_back(finding); });
  return found;
}

TEST(Probe, a_good_server_that_ends_with_tls_is_good) {
  Server server;
  const Found found = probe(server);
  EXPECT_THAT(found.weak(), IsEmpty());
  EXPECT_THAT(found.untested(), IsEmpty());
  EXPECT_EQ(found.answer(Question::after_closure), "ends the connection");
  EXPECT_EQ(found.answer(Question::state), "never asked");
}

TEST(Probe, a_good_server_that_returns_to_plaintext_is_good) {
  Server server{.returns_to_plaintext = true, .advertises_return = true};
  const Found found = probe(server);
  EXPECT_THAT(found.weak(), IsEmpty());
  EXPECT_THAT(found.untested(), IsEmpty());
  EXPECT_EQ(found.answer(Question::after_closure), "goes on in plaintext");
  EXPECT_EQ(found.answer(Question::state), "forgotten");
  EXPECT_EQ(found.answer(Question::xtlsreturn), "advertised");
}

TEST(Probe, without_a_forward_path_no_mail_data_is_ever_begun) {
  for (const bool returns : {false, true}) {
    Server server{.returns_to_plaintext = returns, .keeps_transaction = true, .keeps_hello = true};
    probe(server);
    EXPECT_THAT(server.lines, Each(AllOf(Not(StartsWith("DATA")), Not(StartsWith("BDAT")))));
    EXPECT_THAT(server.lines, Contains(StartsWith("MAIL")));
  }
}

TEST(Probe, a_good_server_is_asked_over_few_connections_each_left_in_good_order) {
  for (const bool returns : {false, true}) {
    Server server{.returns_to_plaintext = returns};
    probe(server);
    EXPECT_LE(server.connections, 8);
    EXPECT_EQ(server.left_without_quit, 0);
  }
}

TEST(Probe, a_server_that_cannot_be_reached_is_untested) {
  Server server{.reachable = false};
  EXPECT_THAT(probe(server).untested(), ElementsAre("connection"));
}

TEST(Probe, a_silent_server_is_untested) {
  Server server{.greets = false};
  const Found found = probe(server);
  EXPECT_THAT(found.untested(), ElementsAre("connection"));
  EXPECT_EQ(found.all.size(), 1U);
}

TEST(Probe, a_server_without_starttls_is_weak_and_asked_no_more) {
  Server server{.starttls = false};
  const Found found = probe(server);
  EXPECT_THAT(found.weak(), ElementsAre("starttls"));
  EXPECT_EQ(server.connections, 1);
}

TEST(Probe, starttls_that_is_not_answered_is_untested) {
  Server server{.answers_starttls = false};
  EXPECT_THAT(probe(server).untested(), ElementsAre("starttls"));
}

TEST(Probe, a_server_without_tls13_is_asked_by_tls12_alone) {
  Server server{.tls13 = false};
  const Found found = probe(server);
  EXPECT_THAT(found.weak(), ElementsAre("tls-1.3"));
  EXPECT_THAT(found.of(Verdict::good), Contains("close-notify TLS1.2"));
  EXPECT_THAT(found.of(Verdict::good), Not(Contains("close-notify TLS1.3")));
  EXPECT_EQ(found.answer(Question::certificate), "verified");
}

TEST(Probe, a_server_without_tls12_is_noted) {
  Server server{.tls12 = false};
  const Found found = probe(server);
  EXPECT_THAT(found.weak(), IsEmpty());
  EXPECT_THAT(found.of(Verdict::note), Contains("tls-1.2"));
}

TEST(Probe, old_versions_are_weak) {
  Server server{.old = true};
  EXPECT_THAT(probe(server).weak(), ElementsAre("tls-old"));
}

TEST(Probe, a_certificate_that_proves_nothing_is_weak) {
  Server server{.certificate_fault = "the issuer is unknown"};
  EXPECT_THAT(probe(server).weak(), ElementsAre("certificate"));
}

TEST(Probe, a_certificate_past_its_end_is_weak) {
  Server server{.certificate_ends = WallTime(Duration(1'000))};
  EXPECT_THAT(probe(server).weak(), ElementsAre("certificate-validity"));
}

TEST(Probe, fin_in_place_of_close_notify_is_weak) {
  for (const auto on_close : {Server::Close::fin, Server::Close::reset, Server::Close::alert}) {
    Server server{.on_close = on_close};
    const Found found = probe(server);
    EXPECT_THAT(found.weak(), ElementsAre("close-notify TLS1.3", "close-notify TLS1.2"));
    EXPECT_EQ(found.answer(Question::after_closure), "ends the connection");
  }
}

TEST(Probe, a_server_that_never_answers_close_notify_and_stays_is_weak_in_both) {
  Server server{.on_close = Server::Close::silent};
  const Found found = probe(server);
  EXPECT_THAT(found.weak(), ElementsAre("close-notify TLS1.3", "after-closure TLS1.3", "close-notify TLS1.2", "after-closure TLS1.2"));
  EXPECT_EQ(found.answer(Question::after_closure), "silent");
  EXPECT_THAT(found.untested(), ElementsAre("closure-injection TLS1.3", "closure-injection TLS1.2"));
}

TEST(Probe, plaintext_without_a_close_notify_of_its_own_is_weak) {
  Server server{.on_close = Server::Close::clear};
  const Found found = probe(server);
  EXPECT_THAT(found.weak(), ElementsAre("close-notify TLS1.3", "after-closure TLS1.3", "close-notify TLS1.2", "after-closure TLS1.2"));
  EXPECT_EQ(found.answer(Question::after_closure), "goes on in plaintext");
}

TEST(Probe, a_transaction_that_survives_the_closure_is_weak) {
  Server server{.returns_to_plaintext = true, .keeps_transaction = true};
  const Found found = probe(server);
  EXPECT_THAT(found.weak(), ElementsAre("state TLS1.3", "state TLS1.2"));
  EXPECT_EQ(found.answer(Question::state), "transaction kept");
}

TEST(Probe, an_ehlo_that_survives_the_closure_is_weak) {
  Server server{.returns_to_plaintext = true, .keeps_hello = true};
  const Found found = probe(server);
  EXPECT_THAT(found.weak(), ElementsAre("state TLS1.3", "state TLS1.2"));
  EXPECT_EQ(found.answer(Question::state), "EHLO kept");
}

TEST(Probe, a_server_that_never_asks_for_ehlo_keeps_nothing_by_taking_mail) {
  Server server{.returns_to_plaintext = true, .needs_hello = false};
  EXPECT_THAT(probe(server).weak(), IsEmpty());
}

TEST(Probe, state_that_no_command_shows_is_a_note) {
  Server server{.returns_to_plaintext = true, .takes_null_reverse_path = false};
  const Found found = probe(server);
  EXPECT_THAT(found.weak(), IsEmpty());
  EXPECT_THAT(found.of(Verdict::note), Contains("state TLS1.3"));
}

TEST(Probe, a_return_that_is_advertised_and_not_kept_is_weak) {
  Server server{.advertises_return = true};
  EXPECT_THAT(probe(server).weak(), ElementsAre("after-closure TLS1.3", "after-closure TLS1.2"));
}

TEST(Probe, octets_behind_close_notify_that_are_carried_out_are_weak) {
  for (const auto on_close : {Server::Close::answers, Server::Close::clear}) {
    Server server{.on_close = on_close, .carries_out_behind_close = true};
    EXPECT_THAT(probe(server).weak(), AllOf(Contains("closure-injection TLS1.3"), Contains("closure-injection TLS1.2")));
  }
}

TEST(Probe, octets_behind_starttls_that_are_carried_out_are_weak) {
  for (const auto behind : {Server::Behind::inside_tls, Server::Behind::in_the_clear}) {
    Server server{.behind_starttls = behind};
    EXPECT_THAT(probe(server).weak(), ElementsAre("starttls-injection"));
  }
}

TEST(Probe, octets_behind_starttls_may_be_dropped_refused_or_end_the_connection) {
  const std::pair<Server::Behind, const char*> kWays[] = {
      {Server::Behind::drops, "discarded"}, {Server::Behind::refuses, "refused"}, {Server::Behind::ends, "ends the connection"}};
  for (const auto& [behind, answer] : kWays) {
    Server server{.behind_starttls = behind};
    const Found found = probe(server);
    EXPECT_THAT(found.weak(), IsEmpty());
    EXPECT_EQ(found.answer(Question::starttls_injection), answer);
  }
  Server silent{.behind_starttls = Server::Behind::silent};
  EXPECT_THAT(probe(silent).untested(), ElementsAre("starttls-injection"));
}

TEST(Probe, quit_that_ends_tls_badly_is_weak) {
  Server none{.on_quit = Server::Quit::no_close_notify};
  EXPECT_THAT(probe(none).weak(), ElementsAre("quit-close-notify TLS1.3", "quit-close-notify TLS1.2"));
  Server reset{.on_quit = Server::Quit::reset};
  EXPECT_THAT(probe(reset).weak(), ElementsAre("quit-close-notify TLS1.3", "quit-end TLS1.3", "quit-close-notify TLS1.2", "quit-end TLS1.2"));
}

TEST(Probe, a_server_that_lets_the_client_close_first_is_good) {
  Server server{.on_quit = Server::Quit::waits};
  const Found found = probe(server);
  EXPECT_THAT(found.weak(), IsEmpty());
  EXPECT_EQ(found.answer(Question::quit_close_notify), "answers ours");
}

TEST(Probe, an_rst_that_our_close_notify_provokes_is_not_held_against_the_server) {
  Server quick{.resets_what_it_does_not_read = true, .end_after = Duration(500)};
  const Found ended = probe(quick);
  EXPECT_THAT(ended.weak(), IsEmpty());
  EXPECT_EQ(ended.answer(Question::quit_end), "FIN");
  Server slow{.resets_what_it_does_not_read = true, .end_after = Duration(5'000)};
  const Found provoked = probe(slow);
  EXPECT_THAT(provoked.weak(), IsEmpty());
  EXPECT_THAT(provoked.of(Verdict::note), AllOf(Contains("quit-end TLS1.3"), Contains("quit-end TLS1.2")));
  EXPECT_EQ(provoked.answer(Question::quit_end), "RST");
}

TEST(Probe, an_rst_behind_close_notify_that_nothing_provokes_is_weak) {
  Server server{.end_after_quit = Event::reset};
  EXPECT_THAT(probe(server).weak(), ElementsAre("quit-end TLS1.3", "quit-end TLS1.2"));
}

TEST(Probe, a_connection_left_open_after_quit_is_weak) {
  Server server{.on_close = Server::Close::silent, .on_quit = Server::Quit::stays};
  EXPECT_THAT(probe(server).weak(), AllOf(Contains("quit-end TLS1.3"), Contains("quit-close-notify TLS1.2")));
}

TEST(Probe, implicit_tls_is_not_asked_about_starttls) {
  Server server{.implicit = true};
  const Found found = probe(server);
  EXPECT_THAT(found.weak(), IsEmpty());
  EXPECT_EQ(found.answer(Question::starttls), "never asked");
  EXPECT_EQ(found.answer(Question::starttls_injection), "never asked");
  EXPECT_THAT(server.lines, Not(Contains("STARTTLS")));
}

TEST(Probe, plaintext_on_a_port_of_implicit_tls_is_weak) {
  Server server{.implicit = true, .returns_to_plaintext = true};
  EXPECT_THAT(probe(server).weak(), ElementsAre("after-closure TLS1.3", "after-closure TLS1.2"));
}

TEST(Probe, a_forward_path_gets_two_messages_inside_tls_and_only_a_dot_in_the_clear) {
  Server server{.returns_to_plaintext = true};
  const Found found = probe(server, "b@example.net");
  EXPECT_THAT(found.weak(), IsEmpty());
  EXPECT_EQ(std::count(server.lines.begin(), server.lines.end(), "DATA"), 2);
  EXPECT_THAT(server.lines, Contains("Subject: adieu probe: whole, may arrive"));
  EXPECT_THAT(server.lines, Contains("Subject: adieu probe: cut before its end, must not arrive"));
  EXPECT_THAT(server.in_the_clear, Not(HasSubstr("Subject")));
  EXPECT_EQ(found.answer(Question::cut_message), "not accepted");
  EXPECT_EQ(found.answer(Question::whole_message), "accepted");
}

TEST(Probe, a_message_that_a_dot_in_the_clear_finishes_is_weak) {
  for (const auto on_close : {Server::Close::answers, Server::Close::clear}) {
    Server server{.on_close = on_close, .keeps_data = true};
    const Found found = probe(server, "b@example.net");
    EXPECT_THAT(found.weak(), Contains("cut-message"));
    EXPECT_EQ(found.answer(Question::cut_message), "accepted by a dot in the clear");
  }
}

TEST(Probe, a_cut_message_that_nothing_is_said_to_is_untested) {
  Server server{.on_close = Server::Close::silent};
  const Found found = probe(server, "b@example.net");
  EXPECT_THAT(found.untested(), Contains("cut-message"));
  EXPECT_EQ(found.answer(Question::cut_message), "no answer");
}

TEST(Probe, a_close_notify_is_told_with_the_time_it_took) {
  Server server{.close_notify_after = Duration(40), .quit_after = Duration(70), .end_after = Duration(500)};
  EXPECT_THAT(probe(server).times(), ElementsAre("quit-close-notify TLS1.3 70", "quit-close-notify TLS1.2 70",  //
                                                 "close-notify TLS1.3 40", "close-notify TLS1.2 40"));
  Server waits{.on_quit = Server::Quit::waits, .close_notify_after = Duration(40)};
  EXPECT_THAT(probe(waits).times(), Contains("quit-close-notify TLS1.3 40"));
}

TEST(Probe, a_close_notify_that_does_not_come_has_no_time) {
  for (const auto on_close : {Server::Close::silent, Server::Close::fin, Server::Close::clear}) {
    Server server{.on_close = on_close, .on_quit = Server::Quit::no_close_notify};
    EXPECT_THAT(probe(server).times(), IsEmpty());
  }
  Server late{.close_notify_after = Duration(60'000)};
  EXPECT_THAT(probe(late).times(), Each(StartsWith("quit-close-notify")));
}

TEST(Probe, a_row_says_all_in_one_line) {
  const Finding finding{Question::close_notify, Verdict::good, "TLS1.3", "answered", "in order", Duration(3)};
  EXPECT_EQ(finding.row(), "good     close-notify         TLS1.3 answered, after 3 ms: in order");
}

TEST(Probe, every_question_and_verdict_stands_in_the_manual) {
  std::ifstream file(in_source_tree("man/adieu.8"));
  std::ostringstream manual;
  manual << file.rdbuf();
  const std::string text = manual.str();
  for (const Question question : questions()) {
    EXPECT_NE(text.find("\n.It Cm " + std::string(name(question)) + "\n"), std::string::npos) << name(question);
  }
  for (const Verdict verdict : {Verdict::good, Verdict::weak, Verdict::note, Verdict::untested}) {
    EXPECT_NE(text.find("\n.Cm " + std::string(name(verdict))), std::string::npos) << name(verdict);
  }
}

}  // namespace
}  // namespace adieu::test
