// The client's stream cut at every octet, or changed in every octet: what is kept, what is undone, and what the closure record says of it.
// R8 to R11, with real TLS records and a virtual clock.
#include <gtest/gtest.h>

#include <array>
#include <iostream>

#include "wire.h"

namespace adieu::test {
namespace {

using tls::Effect;
using tls::Ending;

enum class Way { fin, rst, stall, flip };
constexpr std::array kWays = {Way::fin, Way::rst, Way::stall, Way::flip};
std::string_view name(Way way) {
  switch (way) {
    case Way::fin: return "FIN";
    case Way::rst: return "RST";
    case Way::stall: return "stall";
    case Way::flip: return "flipped bit";
  }
  return "";
}

constexpr std::string_view kMailData = "\r\nhello\r\nworld\r\n";  // text without a header is stored behind an empty line

/// One message and a farewell. The octets sent when each part of it was whole; `acknowledged`: the client has read the 250 of its message.
struct Talk {
  std::size_t starttls = 0, established = 0, envelope = 0, message = 0, quit = 0, closed = 0;
  bool acknowledged = false;

  void run(ClientEnd& peer, bool bdat) {
    peer.say_plain("EHLO c\r\n");
    peer.say_plain("STARTTLS\r\n");
    starttls = peer.delivered.size();
    if (!peer.begin_tls()) return;
    established = peer.delivered.size();
    peer.say("EHLO c\r\n");
    peer.say("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n");
    envelope = peer.delivered.size();
    if (bdat) {
      peer.say("BDAT 7\r\nhello\r\n");
      acknowledged = peer.say("BDAT 7 LAST\r\nworld\r\n").find("queued as") != std::string::npos;
    } else {
      peer.say("DATA\r\n");
      acknowledged = peer.say("hello\r\nworld\r\n.\r\n").find("queued as") != std::string::npos;
    }
    message = peer.delivered.size();
    peer.say("QUIT\r\n");
    quit = peer.delivered.size();
    peer.close();
    closed = peer.delivered.size();
  }
};

struct Count {
  int cases = 0, delivered_without_250 = 0, acknowledged_but_lost = 0, partial = 0, orphans = 0, wrong_record = 0;
};

class Cut : public testing::TestWithParam<std::string> {
 protected:
  /// What R8 to R11 say of a stream that ends behind `cut` octets.
  static Ending ending_of(const Talk& whole, std::size_t cut, Way way) {
    if (cut < whole.established) return Ending::handshake;
    if (way == Way::flip) return Ending::corrupt;
    if (cut >= whole.closed) return Ending::mutual;
    if (cut >= whole.quit) return Ending::unanswered;          // S went out behind the reply to QUIT
    if (way == Way::stall) return Ending::unanswered;          // and behind the 421
    return way == Way::fin ? Ending::fin : Ending::rst;
  }
  static Effect effect_of(const Talk& whole, std::size_t cut) {
    if (cut >= whole.quit) return Effect::after_quit;
    if (cut >= whole.message) return Effect::ack_unconfirmed;
    return cut >= whole.envelope ? Effect::rolled_back : Effect::none;
  }

  static void judge(const Talk& whole, const Talk& talk, std::size_t at, Way way, const ServerEnd& server, Count& count) {
    const std::string where = std::string(name(way)) + " at octet " + std::to_string(at);
    const auto& committed = server.ledger.committed;
    ++count.cases;
    EXPECT_TRUE(server.closed) << where;
    if (server.ledger.open != 0) ++count.orphans, ADD_FAILURE() << "an orphan, " << where;
    if (talk.acknowledged && committed.empty()) ++count.acknowledged_but_lost, ADD_FAILURE() << "lost, " << where;
    for (const SunkMessage& message : committed) {
      if (message.mail_data != kMailData) ++count.partial, ADD_FAILURE() << "a part, " << where;
      // The 250 was handed over whole: the transport takes everything, so the client has read it unless its own end of the layer broke first.
      if (!talk.acknowledged) ++count.delivered_without_250, ADD_FAILURE() << "without its 250, " << where;
    }
    const auto ends = server.secure_ends();
    EXPECT_LE(ends.size(), 1u) << where;
    if (ends.empty()) {
      EXPECT_TRUE(at <= whole.starttls) << where;
      return;
    }
    EXPECT_EQ(ends[0].transactions, committed.size()) << where;
    Ending ending = ending_of(whole, at, way);
    Effect effect = effect_of(whole, at);
    if (way == Way::flip && talk.acknowledged && at < whole.envelope) {
      // Of the plaintext and of the handshake some bits mean nothing to anybody.
      ending = Ending::mutual;
      effect = Effect::after_quit;
    } else if (ending == Ending::corrupt && ends[0].ending == Ending::unanswered) {
      ending = Ending::unanswered;  // a longer record than was sent is waited for
    }
    // A time-out in a transaction rolls back as much as a cut does; one behind the 250 says 421, and still nobody knows.
    if (ends[0].ending != ending || ends[0].effect != effect) {
      ++count.wrong_record;
      ADD_FAILURE() << name(ends[0].ending) << '/' << name(ends[0].effect) << ", " << where;
    }
  }
};

TEST_P(Cut, R8_R9_R10_R11_at_every_octet_nothing_is_lost_nothing_half_and_the_record_is_true) {
  for (const bool bdat : {false, true}) {
    Talk whole;
    {
      ServerEnd server;
      server.start();
      ClientEnd peer(server, GetParam());
      whole.run(peer, bdat);
      ASSERT_TRUE(whole.acknowledged);
      ASSERT_EQ(server.ledger.committed.size(), 1u);
    }
    for (const Way way : kWays) {
      Count count;
      for (std::size_t at = 0; at < whole.closed; ++at) {
        ServerEnd server;
        server.start();
        ClientEnd peer(server, GetParam());
        (way == Way::flip ? peer.flipped : peer.cut) = at;
        Talk talk;
        talk.run(peer, bdat);
        if (way == Way::fin) server.receive_eof();
        if (way == Way::rst) server.receive_reset();
        server.expire();
        if (way == Way::flip && !server.closed) server.receive_eof();
        judge(whole, talk, at, way, server, count);
      }
      std::cout << GetParam() << (bdat ? " BDAT " : " DATA ") << name(way) << ": " << count.cases << " cases, " << count.delivered_without_250
                << " delivered without 250, " << count.acknowledged_but_lost << " acknowledged but lost, " << count.partial << " partial, "
                << count.orphans << " orphans, " << count.wrong_record << " wrong records\n";
      EXPECT_GT(count.cases, 500);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, Cut, testing::Values("TLS1.2", "TLS1.3"), [](const auto& one) { return one.param == "TLS1.2" ? "tls12" : "tls13"; });

}  // namespace
}  // namespace adieu::test
