#include "adieu/protocol/tls/closure.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace adieu::tls {
namespace {

constexpr std::array kEvents = {Event::begin_handshake,   Event::established, Event::received_close_notify,
                                Event::sent_close_notify, Event::fin,         Event::rst,
                                Event::timeout,           Event::alert,       Event::corrupt,
                                Event::octets_behind};

/// What an observer who knows nothing of the machine's states has seen of the layer in force.
struct Seen {
  bool begun = false;
  bool established = false;
  bool received = false;
  bool sent = false;
  bool harmed = false;  // something happened after which nothing may be trusted
};

Seen observe(Seen seen, Event event) {
  const bool over = seen.received && seen.sent && seen.established && !seen.harmed;
  if (over) seen = {};
  if (!seen.begun) {
    seen.begun = event == Event::begin_handshake;
    return seen;
  }
  switch (event) {
    case Event::begin_handshake: seen.harmed = true; break;
    case Event::established:
      seen.harmed |= seen.established;
      seen.established = true;
      break;
    case Event::received_close_notify:
      seen.harmed |= !seen.established;
      seen.received = true;
      break;
    case Event::sent_close_notify:
      seen.harmed |= !seen.established;
      seen.sent = true;
      break;
    case Event::fin: seen.harmed |= !seen.received; break;
    case Event::rst:
    case Event::timeout:
    case Event::alert:
    case Event::corrupt:
    case Event::octets_behind: seen.harmed = true; break;
  }
  return seen;
}

struct Walk {
  std::uint64_t words = 0;
  std::uint64_t returns = 0;

  void from(const State& state, const Seen& seen, int left) {
    ++words;
    if (left == 0) return;
    for (const Event event : kEvents) {
      const State next = on(state, event);
      const Seen after = observe(seen, event);
      const bool plain = std::holds_alternative<Plain>(next);
      const bool was_plain = std::holds_alternative<Plain>(state);
      if (plain && !was_plain) {
        ++returns;
        ASSERT_TRUE(after.established && after.received && after.sent && !after.harmed);
      }
      ASSERT_TRUE(!std::holds_alternative<Broken>(state) || next == state);
      ASSERT_TRUE(!after.begun || !after.harmed || std::holds_alternative<Broken>(next));
      from(next, after, left - 1);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
};

TEST(Closure, R4_every_word_of_seven_events_is_plain_again_only_behind_both_close_notify) {
  Walk walk;
  walk.from(Plain{}, {}, 7);
  EXPECT_EQ(walk.words, 11'111'111u);
  EXPECT_GT(walk.returns, 0u) << "some words must lead back, or the test proves nothing";
}

TEST(Closure, R1_no_event_of_a_handshake_but_its_completion_leads_on) {
  for (const Event event : kEvents) {
    const State next = on(State(Handshaking{}), event);
    if (event == Event::established) {
      EXPECT_EQ(next, State(Secure{}));
    } else {
      EXPECT_EQ(next, State(Broken{Ending::handshake}));
    }
  }
}

TEST(Closure, R7_ours_sent_and_theirs_never_read_is_unanswered_however_it_ends) {
  for (const Event event : {Event::fin, Event::rst, Event::timeout}) {
    EXPECT_EQ(on(State(Closing{.sent = true, .received = false}), event), State(Broken{Ending::unanswered}));
  }
}

TEST(Closure, R4_octets_behind_theirs_and_before_ours_are_injected) {
  EXPECT_EQ(on(State(Closing{.sent = false, .received = true}), Event::octets_behind), State(Broken{Ending::injected}));
}

TEST(Closure, R8_fin_rst_timeout_alert_and_corrupt_records_break_a_layer_by_their_names) {
  EXPECT_EQ(on(State(Secure{}), Event::fin), State(Broken{Ending::fin}));
  EXPECT_EQ(on(State(Secure{}), Event::rst), State(Broken{Ending::rst}));
  EXPECT_EQ(on(State(Secure{}), Event::timeout), State(Broken{Ending::timeout}));
  EXPECT_EQ(on(State(Secure{}), Event::alert), State(Broken{Ending::alert}));
  EXPECT_EQ(on(State(Secure{}), Event::corrupt), State(Broken{Ending::corrupt}));
}

TEST(Closure, R2_a_fin_behind_their_close_notify_leaves_ours_to_be_sent) {
  const State half_closed = on(State(Closing{.sent = false, .received = true}), Event::fin);
  EXPECT_EQ(on(half_closed, Event::sent_close_notify), State(Plain{}));
}

TEST(Closure, endings_and_effects_have_the_names_of_the_rules) {
  const auto names = [](auto first, auto last) {
    std::string all;
    for (int i = static_cast<int>(first); i <= static_cast<int>(last); ++i) {
      all += std::string(name(static_cast<decltype(first)>(i))) + " ";
    }
    return all;
  };
  EXPECT_EQ(names(Ending::mutual, Ending::handshake), "mutual unanswered fin rst timeout alert corrupt injected handshake ");
  EXPECT_EQ(names(Effect::none, Effect::ack_unconfirmed), "none after-quit rolled-back revoked ack-unconfirmed ");
}

static_assert(std::holds_alternative<Plain>(on(on(State(Secure{}), Event::received_close_notify), Event::sent_close_notify)));
static_assert(std::holds_alternative<Plain>(on(on(State(Secure{}), Event::sent_close_notify), Event::received_close_notify)));

}  // namespace
}  // namespace adieu::tls
