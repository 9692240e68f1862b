#include "adieu/relay/observe/closure_record.h"

#include <gtest/gtest.h>

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
            "event=closure ending=fin effect=ack-unconfirmed role=server peer=192.0.2.1:4711 name=client.example listener=[::]:25 tls=TLS1.3 "
            "in=0 out=0 transactions=0 seconds=1.042");
}
}  // namespace
}  // namespace adieu::observe
