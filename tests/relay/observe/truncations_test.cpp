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

namespace adieu::observe {
namespace {

constexpr double kHalfLifeDays = 30;
using Random = std::mt19937_64;

bool chance(Random& random, double probability) { return static_cast<double>(random() >> 11) < probability * 0x1p53; }

/// A kind of peer: whether its next transaction is truncated.
using Peer = std::function<bool(Random&)>;

Peer independent(double probability) {
  return [=](Random& random) { return chance(random, probability); };
}

/// Good stretches and bad ones (Gilbert and Elliott's channel), as a phone has them on a train.
Peer bursty(double good, double bad, double to_bad, double to_good) {
  return [=, in_bad = false](Random& random) mutable {
    if (chance(random, in_bad ? to_good : to_bad)) in_bad = !in_bad;
    return chance(random, in_bad ? bad : good);
  };
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
    const int now = a_day / 24 + (chance(random, a_day % 24 / 24.0) ? 1 : 0);
    for (int i = 0; i < now; ++i) {
      const bool truncated = peer(random);
      year.history.add(1, truncated);
      if (truncated && !alarmed && year.history.unusual({})) {
        alarmed = true;
        ++year.alarms;
      }
    }
  }
  return year;
}

double alarms_a_year(const Peer& kind, int a_day, int peers) {
  Random random(20261124);
  int alarms = 0;
  for (int i = 0; i < peers; ++i) alarms += live(kind, a_day, random).alarms;
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
  text << std::ifstream(ADIEU_SOURCE_DIR "/man/adieu-closure.7").rdbuf();
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

TEST(Closure, R19_peers_of_three_kinds_raise_at_most_one_false_alarm_a_year) {
  struct Kind {
    const char* name;
    Peer peer;
    int a_day;
    int peers;
  };
  for (const Kind& kind : {
           Kind{"always clean, but for one crash in 100,000", independent(1e-5), 1000, 20},
           Kind{"never sends close_notify, very large", independent(2e-4), 5000, 8},
           Kind{"lossy mobile", bursty(0.01, 0.3, 0.01, 0.05), 30, 200},
           Kind{"lossy mobile, worse", bursty(0.02, 0.6, 0.02, 0.1), 100, 60},
           Kind{"lossy without bursts", independent(0.05), 300, 20},
           Kind{"quiet", independent(0.002), 5, 200},
       }) {
    const double rate = alarms_a_year(kind.peer, kind.a_day, kind.peers);
    EXPECT_LE(rate, 1) << kind.name;
    std::array<char, 100> row{};
    std::snprintf(row.data(), row.size(), "\n%-44s%6.1f\n", kind.name, rate);
    EXPECT_NE(manual_page().find(row.data()), std::string::npos) << "adieu-closure(7) lacks: " << row.data();
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
