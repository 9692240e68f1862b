// The next hop's stream cut at every octet, or changed in every octet: what the client believes was delivered, and what the
// closure record says. R8, R14 to R16, with real TLS records and a virtual clock; the plaintext before STARTTLS and the handshake
// are cut too.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "daemon/next_hop.h"

namespace adieu::test {
namespace {

using tls::Effect;
using tls::Ending;

enum class Way { fin, rst, stall, flip };
constexpr std::array kWays = {Way::fin, Way::rst, Way::stall, Way::flip};
constexpr std::array<std::string_view, 4> kWayNames = {"FIN", "RST", "stall", "flipped bit"};

enum class Dialect { data, chunks, one_by_one, lmtp };
constexpr std::array kDialects = {Dialect::data, Dialect::chunks, Dialect::one_by_one, Dialect::lmtp};
constexpr std::array<std::string_view, 4> kDialectNames = {"DATA, PIPELINING", "BDAT", "DATA, one by one", "LMTP"};

struct Count {
  int cases = 0, tried_again = 0, false_delivery = 0, lost = 0, wrong_ending = 0, wrong_effect = 0;
};

/// A connection of one message, and what the next hop's own account says that its client must believe.
struct Case {
  Case(std::string_view version, Dialect dialect) : hop(version), attempt(hop, version) {
    hop.pipelining = dialect != Dialect::one_by_one;
    hop.chunking = dialect == Dialect::chunks;
    hop.lmtp = dialect == Dialect::lmtp;
    recipients = hop.lmtp ? 2 : 1;
  }
  void run(Way way, std::size_t at) {
    (way == Way::flip ? attempt.flipped : attempt.cut) = at;
    attempt.cut_by = way == Way::fin ? Attempt::CutBy::fin : way == Way::rst ? Attempt::CutBy::rst : Attempt::CutBy::stall;
    attempt.run(1, recipients);
  }
  /// Recipients for whom the client has read a complete 2xx to the end of the mail data.
  std::size_t acknowledged() const {
    const auto heard = [&](const Answered& each) { return each.acknowledges && attempt.has_read(each); };
    return static_cast<std::size_t>(std::count_if(hop.answered.begin(), hop.answered.end(), heard));
  }
  bool has_read(Stage stage) const {
    return std::any_of(hop.answered.begin(), hop.answered.end(),
                       [&](const Answered& each) { return each.stage == stage && attempt.has_read(each); });
  }
  bool established() const {
    return std::any_of(hop.answered.begin(), hop.answered.end(),
                       [](const Answered& each) { return each.stage == Stage::secure_hello; });
  }
  bool is_over() const { return acknowledged() == recipients; }
  /// It changed a word of the plaintext, or what nobody looks at in the handshake: the client went on.
  bool flip_did_nothing() const {
    return std::any_of(hop.answered.begin(), hop.answered.end(),
                       [&](const Answered& each) { return each.stage == Stage::secure_hello && attempt.flipped < each.turn; });
  }

  Effect effect() const {
    if (is_over()) return Effect::after_quit;
    return has_read(Stage::secure_hello) ? Effect::rolled_back : Effect::none;
  }
  Ending ending(Way way) const {
    if (!established()) return Ending::handshake;
    if (hop.close_notify_end != 0 && is_over() && attempt.cut >= hop.close_notify_end) return Ending::mutual;
    // Our close_notify went out, behind QUIT or the time-out.
    if (way == Way::stall || has_read(Stage::quit)) return Ending::unanswered;
    return way == Way::fin ? Ending::fin : Ending::rst;
  }

  NextHop hop;
  Attempt attempt;
  std::size_t recipients;
};

class ClientCut : public testing::TestWithParam<std::string> {
 protected:
  static bool is_right(Ending ending, const Case& one, Way way) {
    if (way != Way::flip) return ending == one.ending(way);
    if (!one.established()) return ending == Ending::handshake;
    if (one.flip_did_nothing()) return ending == Ending::mutual;
    // A longer record than was sent is waited for.
    return ending == Ending::corrupt || ending == Ending::unanswered;
  }
  static void judge(const Case& one, Way way, const std::string& where, Count& count) {
    const Attempt& attempt = one.attempt;
    ++count.cases;
    if (!attempt.closed) ADD_FAILURE() << "the connection does not end, " << where;
    const bool told = attempt.told.size() == 1 && attempt.told.front().size() == one.recipients;
    const bool accounted = attempt.sent == 0 ? attempt.told.empty() && attempt.closed && attempt.closed->failure : told;
    if (!accounted) ++count.lost, ADD_FAILURE() << "lost, " << where;
    const std::size_t acknowledged = one.acknowledged();
    for (std::size_t i = 0; told && i < one.recipients; ++i) {
      const smtp::Outcome& outcome = attempt.told.front()[i];
      const bool delivered = outcome.fate == smtp::Fate::delivered;
      if (delivered && i >= acknowledged) ++count.false_delivery, ADD_FAILURE() << "false delivery, " << where;
      if (!delivered && i < acknowledged) ++count.tried_again, ADD_FAILURE() << "tried again, " << where;
      EXPECT_TRUE(delivered || outcome.may_have_arrived || one.hop.taken.empty()) << where;
      EXPECT_NE(outcome.fate, smtp::Fate::failed) << where;
    }
    EXPECT_EQ(one.hop.in_plaintext.find("MAIL"), std::string::npos) << where;
    if (!one.hop.secure()) {
      EXPECT_TRUE(attempt.ends.empty()) << where;
      return;
    }
    if (attempt.ends.empty() && !one.has_read(Stage::starttls)) return;
    ASSERT_EQ(attempt.ends.size(), 1u) << where;
    const tls::LayerEnd& end = attempt.ends.front();
    EXPECT_EQ(end.transactions, acknowledged != 0 ? 1u : 0u) << where;
    if (end.effect != one.effect()) {
      ++count.wrong_effect;
      ADD_FAILURE() << name(end.effect) << " and not " << name(one.effect()) << ", " << where;
    }
    if (!is_right(end.ending, one, way)) {
      ++count.wrong_ending;
      ADD_FAILURE() << name(end.ending) << " and not " << name(one.ending(way)) << ", " << where;
    }
  }
};

TEST_P(ClientCut, R14_R15_R16_at_every_octet_what_was_acknowledged_is_delivered_and_nothing_else) {
  for (const Dialect dialect : kDialects) {
    std::size_t length = 0, handshake = 0;
    {
      Case whole(GetParam(), dialect);
      whole.attempt.run(1, whole.recipients);
      ASSERT_TRUE(whole.is_over());
      ASSERT_EQ(whole.attempt.ends.at(0).ending, Ending::mutual);
      ASSERT_EQ(whole.attempt.ends.at(0).effect, Effect::after_quit);
      for (const Answered& each : whole.hop.answered) {
        if (each.stage == Stage::secure_hello) handshake = each.begin;
      }
      length = whole.hop.out.size();
    }
    for (const Way way : kWays) {
      Count count;
      // The dialects differ in what follows the handshake. Its length varies by a few octets (a signature's), hence the margin at
      // both ends.
      for (std::size_t at = dialect == Dialect::data ? 0 : handshake - 16; at < length + 8; ++at) {
        Case one(GetParam(), dialect);
        one.run(way, at);
        if (at >= one.hop.out.size()) continue;  // this time it was over before
        judge(one, way, std::string(kWayNames.at(static_cast<std::size_t>(way))) + " at octet " + std::to_string(at) + ", " +
                            std::string(kDialectNames.at(static_cast<std::size_t>(dialect))), count);
      }
      std::cout << GetParam() << ' ' << kDialectNames.at(static_cast<std::size_t>(dialect)) << ", "
                << kWayNames.at(static_cast<std::size_t>(way)) << ": " << count.cases << " cases, " << count.tried_again
                << " acknowledged but tried again, " << count.false_delivery << " false deliveries, " << count.lost << " lost, "
                << count.wrong_ending << " wrong endings, " << count.wrong_effect << " wrong effects\n";
      EXPECT_GT(count.cases, 200);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, ClientCut, testing::Values("TLS1.2", "TLS1.3"),
                         [](const auto& one) { return one.param == "TLS1.2" ? "tls12" : "tls13"; });

}  // namespace
}  // namespace adieu::test
