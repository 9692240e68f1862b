// The statistic of R19, and the simulation that holds it to what adieu-closure(7) says of it. The seeds are fixed, so that it tells the same on
// every run.
#include "adieu/relay/observe/truncations.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <random>
#include <regex>
#include <sstream>

#include "adieu/relay/observe/ledger.h"
#include "support/source_tree.h"

namespace adieu::observe {
namespace {

constexpr double kHalfLifeDays = 30;
constexpr WallTime kStart = WallTime(Duration(1'790'000'000'000));
using Random = std::mt19937_64;

bool chance(Random& random, double probability) { return static_cast<double>(random() >> 11) < probability * 0x1p53; }

/// What the ledger is told of one.
struct Layer {
  std::uint32_t transactions = 1;
  bool truncated = false;
};

/// A kind of peer: its next layer.
using Peer = std::function<Layer(Random&)>;

Peer independent(double probability) {
  return [=](Random& random) { return Layer{1, chance(random, probability)}; };
}

/// Each layer ends without a word behind its last 250, so that R11 must call it `ack-unconfirmed`.
Peer silent(std::uint32_t least, std::uint32_t most) {
  return [=](Random& random) { return Layer{least + static_cast<std::uint32_t>(random() % (most - least + 1)), true}; };
}

/// Good stretches and bad ones (Gilbert and Elliott's channel), as a phone has them on a train.
Peer bursty(double good, double bad, double to_bad, double to_good) {
  return [=, in_bad = false](Random& random) mutable {
    if (chance(random, in_bad ? to_good : to_bad)) in_bad = !in_bad;
    return Layer{1, chance(random, in_bad ? bad : good)};
  };
}

/// Days with layers, then days without, and so on.
struct Calendar {
  int here = 1;
  int away = 0;
};

/// How many layers the peer has in one of its hours.
int layers_of(int hour, int a_day, const Calendar& calendar, Random& random) {
  if (hour / 24 % (calendar.here + calendar.away) >= calendar.here) return 0;
  return a_day / 24 + (chance(random, a_day % 24 / 24.0) ? 1 : 0);
}

struct Year {
  int alarms = 0;
  Truncations history;
};

/// One year of one peer, with at most one alarm an hour; it begins without any history.
Year live(const Peer& kind, int a_day, Random& random, int days = 365) {
  Year year;
  Peer peer = kind;
  const double factor = std::exp2(-1.0 / kHalfLifeDays / 24);
  for (int hour = 0; hour < days * 24; ++hour) {
    year.history.decay(factor);
    bool alarmed = false;
    for (int left = layers_of(hour, a_day, {}, random); left > 0; --left) {
      const Layer layer = peer(random);
      year.history.add(layer.transactions, layer.truncated);
      if (layer.truncated && !alarmed && year.history.unusual({})) {
        alarmed = true;
        ++year.alarms;
      }
    }
  }
  return year;
}

/// Likewise, by closure records: the ledger itself decays, judges, and keeps to one alarm an hour. What is not truncated ends as most do.
int alarms_of_a_year_in_the_ledger(const Peer& kind, int a_day, const Calendar& calendar, Random& random) {
  using namespace std::chrono_literals;
  int alarms = 0;
  Ledger ledger(4);
  Peer peer = kind;
  ClosureRecord record;
  record.end.secure = true;
  record.end.peer_name = "peer.example";
  record.peer.address = *IpAddress::parse("192.0.2.1");
  for (int hour = 0; hour < 365 * 24; ++hour) {
    const int layers = layers_of(hour, a_day, calendar, random);
    for (int i = 0; i < layers; ++i) {
      const Layer layer = peer(random);
      record.end.transactions = layer.transactions;
      record.end.ending = layer.truncated ? tls::Ending::fin : tls::Ending::unanswered;
      record.end.effect = layer.truncated ? tls::Effect::ack_unconfirmed : tls::Effect::after_quit;
      if (ledger.add(record, config::Alarm::unusual, false, kStart + hour * 1h + i * Duration(1h) / layers)) ++alarms;
    }
  }
  return alarms;
}

double alarms_a_year(const Peer& kind, int a_day, int peers) {
  Random random(20261124);
  int alarms = 0;
  for (int i = 0; i < peers; ++i) alarms += live(kind, a_day, random).alarms;
  return static_cast<double>(alarms) / peers;
}

double alarms_a_year_in_the_ledger(const Peer& kind, int a_day, const Calendar& calendar, int peers) {
  Random random(20261124);
  int alarms = 0;
  for (int i = 0; i < peers; ++i) alarms += alarms_of_a_year_in_the_ledger(kind, a_day, calendar, random);
  return static_cast<double>(alarms) / peers;
}

/// A peer of 1,000 transactions a day has been clean for `days`. Of 1,000 attacks, which each truncate that share of its transactions: how many
/// raise an alarm within `within` transactions.
double caught(int days, double truncated, int within) {
  Random random(5);
  const Truncations clean = live(independent(0), 1000, random, days).history;
  int alarms = 0;
  for (int attack = 0; attack < 1000; ++attack) {
    Truncations history = clean;
    for (int i = 0; i < within; ++i) {
      history.add(1, chance(random, truncated));
      if (history.unusual({})) {
        ++alarms;
        break;
      }
    }
  }
  return alarms / 1000.0;
}

/// Its figures are held to those of this simulation.
std::string manual_page() {
  std::ostringstream text;
  text << std::ifstream(in_source_tree("man/adieu-closure.7")).rdbuf();
  return text.str();
}

TEST(BetaBinomial, is_uniform_for_alpha_and_beta_one) {
  for (std::uint32_t k = 0; k <= 10; ++k) EXPECT_NEAR(beta_binomial_tail(k, 10, 1, 1), (11.0 - k) / 11, 1e-12) << k;
}
TEST(BetaBinomial, becomes_binomial_where_the_chance_is_certain) {
  EXPECT_NEAR(beta_binomial_tail(2, 100, 5e6, 95e6), 1 - std::pow(.95, 100) - 100 * .05 * std::pow(.95, 99), 1e-6);
}
TEST(BetaBinomial, keeps_to_zero_and_one) {
  EXPECT_EQ(beta_binomial_tail(0, 100, .01, 20), 1);
  EXPECT_EQ(beta_binomial_tail(101, 100, .01, 20), 0);
  EXPECT_EQ(beta_binomial_tail(1, 0, .01, 20), 0);
  for (std::uint32_t k = 1; k <= 100; ++k) EXPECT_LT(beta_binomial_tail(k, 100, .01, 20), beta_binomial_tail(k - 1, 100, .01, 20)) << k;
}

void expect_one_a_year_and_told(const char* kind, double alarms) {
  EXPECT_LE(alarms, 1) << kind;
  std::array<char, 100> row{};
  std::snprintf(row.data(), row.size(), "\n%-53s%6.1f\n", kind, alarms);
  EXPECT_NE(manual_page().find(row.data()), std::string::npos) << "adieu-closure(7) lacks: " << row.data();
}

TEST(Truncations, are_as_probable_as_anything_can_be_whatever_came_and_however_it_decayed) {
  Random random(4);
  for (int word = 0; word < 300; ++word) {
    Truncations history;
    const double share = static_cast<double>(random() % 101) / 100;
    for (int step = 0; step < 300; ++step) {
      if (random() % 10 == 0) {
        history.decay(std::exp2(-static_cast<double>(random() % 1000) / 100));
      } else {
        history.add(random() % (random() % 20 == 0 ? 300 : 4), chance(random, share));
      }
      const double probability = history.probability({});
      ASSERT_GE(probability, 0);
      ASSERT_LE(probability, 1);
      ASSERT_LE(history.in_window(), history.window());
      ASSERT_LE(history.truncated(), history.transactions());
    }
  }
}
TEST(Truncations, are_usual_where_every_layer_of_a_peer_ends_in_one) {
  for (const std::uint64_t each : {1u, 2u, 3u, 5u, 10u}) {
    Truncations history;
    for (int layer = 0; layer < 1000; ++layer) {
      history.add(each, true);
      EXPECT_FALSE(history.unusual({})) << layer << " of " << each;
      if (layer % 100 == 99) history.decay(0.25);
    }
  }
}
TEST(Truncations, of_the_window_and_of_the_history_are_all_that_were_added) {
  Truncations history;
  for (int i = 0; i < 500; ++i) history.add(1, true);
  EXPECT_EQ(history.in_window(), 100u);
  EXPECT_EQ(history.truncated(), 400);
  EXPECT_EQ(history.transactions(), 400);
  history.add(250, true);
  EXPECT_EQ(history.in_window(), 1u);
  EXPECT_EQ(history.truncated(), 500);
  EXPECT_EQ(history.transactions(), 650);
}

TEST(Closure, R19_peers_of_many_kinds_raise_at_most_one_false_alarm_a_year) {
  struct Kind {
    const char* name;
    Peer peer;
    int a_day;
    int peers;
  };
  for (const Kind& kind : {
           Kind{"always clean, but for one crash in 100,000", independent(1e-5), 1000, 20},
           Kind{"lossy mobile", bursty(0.01, 0.3, 0.01, 0.05), 30, 200},
           Kind{"lossy mobile, worse", bursty(0.02, 0.6, 0.02, 0.1), 100, 60},
           Kind{"lossy without bursts", independent(0.05), 300, 20},
           Kind{"quiet", independent(0.002), 5, 200},
       }) {
    expect_one_a_year_and_told(kind.name, alarms_a_year(kind.peer, kind.a_day, kind.peers));
  }
}
TEST(Closure, R19_peers_that_stay_away_or_never_send_close_notify_raise_at_most_one_in_the_ledger) {
  struct Kind {
    const char* name;
    Peer peer;
    int a_day;
    Calendar calendar;
    int peers;
  };
  for (const Kind& kind : {
           Kind{"a twentieth lost, away for two weeks in four", independent(0.05), 100, {14, 14}, 10},
           Kind{"a fifth lost, away for 80 days in 90", independent(0.2), 100, {10, 80}, 40},
           Kind{"a quarter lost, away for 80 days in 90", independent(0.25), 100, {10, 80}, 40},
           Kind{"three in ten lost, away for 80 days in 90", independent(0.3), 100, {10, 80}, 40},
           Kind{"half lost, away for 80 days in 90", independent(0.5), 100, {10, 80}, 40},
           Kind{"lossy mobile, away for 20 days in 30", bursty(0.01, 0.3, 0.01, 0.05), 30, {10, 20}, 200},
           Kind{"never sends close_notify, very large", independent(2e-4), 5000, {}, 2},
           Kind{"never sends close_notify, 2 messages a session", silent(2, 2), 24, {}, 10},
           Kind{"never sends close_notify, 2 a session, seldom", silent(2, 2), 2, {}, 100},
           Kind{"never sends close_notify, 3 a session, often away", silent(3, 3), 24, {10, 80}, 40},
           Kind{"never sends close_notify, 1 to 20 a session", silent(1, 20), 24, {}, 20},
           Kind{"never sends close_notify, 5 to 400 a session", silent(5, 400), 24, {}, 20},
       }) {
    expect_one_a_year_and_told(kind.name, alarms_a_year_in_the_ledger(kind.peer, kind.a_day, kind.calendar, kind.peers));
  }
}

TEST(Closure, R19_cutting_one_in_twenty_of_a_clean_peer_is_caught_within_a_hundred) {
  EXPECT_GE(caught(90, 0.05, 100), 0.95);
  const auto in_a_hundred = [](int days, double share) { return std::to_string(static_cast<int>(caught(days, share, 100) * 100)) + " in 100"; };
  const std::string said = "one in twenty of them: " + in_a_hundred(30, 0.05) + " attacks when the peer has been known for a month or more, " +
                           in_a_hundred(10, 0.05) + " after ten days, " + in_a_hundred(1, 0.05) + " after one. Where one in five is cut, all.";
  EXPECT_NE(std::regex_replace(manual_page(), std::regex("\n"), " ").find(said), std::string::npos) << "adieu-closure(7) lacks: " << said;
  EXPECT_EQ(in_a_hundred(1, 0.2), "100 in 100");
}

}  // namespace
}  // namespace adieu::observe
