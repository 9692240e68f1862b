#include "adieu/relay/observe/closure_record.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "adieu/relay/observe/ledger.h"
#include "support/source_tree.h"

namespace adieu::observe {
namespace {
using namespace std::chrono_literals;

ClosureRecord record(tls::Ending ending, tls::Effect effect) {
  ClosureRecord result;
  result.end.secure = true;
  result.end.ending = ending;
  result.end.effect = effect;
  result.end.info.version = "TLS1.3";
  result.end.peer_name = "client.example";
  result.end.lasted = 1042ms;
  result.peer = *Endpoint::parse("192.0.2.1:4711");
  result.where = "[::]:25";
  return result;
}

TEST(Closure, R18_what_costs_nothing_is_for_debugging_and_never_more) {
  EXPECT_EQ(record(tls::Ending::unanswered, tls::Effect::after_quit).level(), LogLevel::debug);
  EXPECT_EQ(record(tls::Ending::fin, tls::Effect::after_quit).level(), LogLevel::debug);
  ClosureRecord limited = record(tls::Ending::mutual, tls::Effect::none);
  limited.end.over_limit = true;
  EXPECT_EQ(limited.level(), LogLevel::info) << "an administrator is told of a client that goes beyond a limit";
  for (const auto ending : {tls::Ending::mutual, tls::Ending::fin, tls::Ending::rst, tls::Ending::timeout, tls::Ending::alert, tls::Ending::unanswered}) {
    EXPECT_EQ(record(ending, tls::Effect::none).level(), LogLevel::debug) << name(ending);
    EXPECT_EQ(record(ending, tls::Effect::rolled_back).level(), LogLevel::info) << name(ending);
  }
}
TEST(Closure, R19_corrupt_and_injected_are_warnings_whatever_they_cost) {
  for (const auto effect : {tls::Effect::none, tls::Effect::revoked}) {
    EXPECT_EQ(record(tls::Ending::corrupt, effect).level(), LogLevel::warning);
    EXPECT_EQ(record(tls::Ending::injected, effect).level(), LogLevel::warning);
  }
}
TEST(ClosureRecord, says_how_it_ended_what_that_cost_and_who_it_was) {
  EXPECT_EQ(record(tls::Ending::fin, tls::Effect::ack_unconfirmed).line().text(),
            "event=closure ending=fin effect=ack-unconfirmed role=server client=[192.0.2.1]:4711 helo=client.example listener=[::]:25 tls=TLS1.3 "
            "in=0 out=0 transactions=0 seconds=1.042");
}
/// The keys of a log line but for its event.
std::set<std::string> fields(const std::string& line) {
  std::set<std::string> keys;
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    if (equals != std::string::npos && word.substr(0, equals) != "event") keys.insert(word.substr(0, equals));
  }
  return keys;
}

/// The fields that adieu-closure(7) lists in this section.
std::set<std::string> documented(const std::string& section) {
  std::ifstream page(in_source_tree("man/adieu-closure.7"));
  std::set<std::string> keys;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with(".Sh ")) inside = line == ".Sh " + section;
    if (!inside || !line.starts_with(".It Cm ")) continue;
    std::istringstream words(line.substr(7));
    for (std::string word; words >> word;) {
      if (word != ",") keys.insert(word);
    }
  }
  return keys;
}

TEST(ClosureRecord, has_the_fields_that_the_page_lists) {
  ClosureRecord full = record(tls::Ending::alert, tls::Effect::rolled_back);
  full.end.detail = "bad_certificate";
  full.host = "mx.example";
  full.connection = "6928a1f3.17";
  full.end.messages.resize(2);
  for (mail::MessageSummary& message : full.end.messages) {
    message.queue_id = std::string(600, '0');
    message.has_reverse_path = true;
    message.size = 1;
    for (std::size_t i = 0; i <= mail::MessageSummary::kMost; ++i) message.add({"b", "example.net"});
  }
  full.end.info.peer_identity = "mx.example";
  full.end.info.server_name = "relay.example.org";
  full.end.info.cipher = "AES";
  auto keys = fields(full.line().text());
  full.role = Role::client;
  keys.merge(fields(full.line().text()));
  EXPECT_EQ(keys, documented("THE RECORD IN THE LOG"));
}

TEST(Alarm, has_the_fields_that_the_page_lists) {
  Alarm alarm;
  alarm.reason = AlarmReason::unusual;
  alarm.peer = "client";
  auto keys = fields(alarm.line().text());
  EXPECT_EQ(keys, documented("THE ALARM"));
}
TEST(ClosureRecord, names_the_connection_and_the_messages_that_it_had_an_effect_on) {
  ClosureRecord cut = record(tls::Ending::rst, tls::Effect::rolled_back);
  cut.connection = "6928a1f3.17";
  cut.end.messages.resize(1);
  cut.end.messages[0].has_reverse_path = true;
  cut.end.messages[0].reverse_path = {"a", "example.org"};
  cut.end.messages[0].add({"b", "example.net"});
  cut.end.messages[0].size = 77;
  EXPECT_EQ(cut.line().text(),
            "event=closure ending=rst effect=rolled-back role=server connection=6928a1f3.17 client=[192.0.2.1]:4711 helo=client.example "
            "listener=[::]:25 tls=TLS1.3 in=0 out=0 from=<a@example.org> to=<b@example.net> size=77 transactions=0 seconds=1.042");
  cut.role = Role::client;
  cut.host = "mx.example";
  cut.where = "internet";
  EXPECT_NE(cut.line().text().find(" relay=mx.example[192.0.2.1]:4711 next-hop=internet "), std::string::npos) << cut.line().text();
}
}  // namespace
}  // namespace adieu::observe
