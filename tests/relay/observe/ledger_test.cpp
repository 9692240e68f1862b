#include "adieu/relay/observe/ledger.h"

#include <gtest/gtest.h>

namespace adieu::observe {
namespace {
using namespace std::chrono_literals;
using tls::Effect;
using tls::Ending;

constexpr WallTime kStart = WallTime(Duration(1'790'000'000'000));

ClosureRecord layer(const std::string& address, const std::string& name, Ending ending, Effect effect, std::uint32_t transactions = 1) {
  ClosureRecord record;
  record.end.secure = true;
  record.end.ending = ending;
  record.end.effect = effect;
  record.end.peer_name = name;
  record.end.transactions = transactions;
  record.peer.address = *IpAddress::parse(address);
  return record;
}

/// A ledger and a clock that goes on by a minute with each layer.
struct Told {
  std::optional<Alarm> add(const ClosureRecord& record, config::Alarm policy = config::Alarm::unusual, bool we_stop = false) {
    now += 1min;
    return ledger.add(record, policy, we_stop, now);
  }
  void clean(int layers) {
    for (int i = 0; i < layers; ++i) EXPECT_FALSE(add(layer("192.0.2.1", "a.example", Ending::unanswered, Effect::after_quit)));
  }
  std::optional<Alarm> cut(Ending ending = Ending::fin, Effect effect = Effect::rolled_back) {
    return add(layer("192.0.2.1", "a.example", ending, effect, 0));
  }
  std::string names() {
    std::string text;
    for (const auto& entry : ledger.peers(now)) text += entry.key.text() + "\n";
    return text;
  }
  Ledger ledger = Ledger(100);
  WallTime now = kStart;
};

TEST(PeerKey, is_the_identity_else_network_and_name) {
  ClosureRecord record = layer("192.0.2.77", "Mail.Example", Ending::fin, Effect::none);
  EXPECT_EQ(PeerKey::of(record).text(), "client mail.example [192.0.2.0/24]");
  record.peer.address = *IpAddress::parse("2001:db8:1:2:3:4:5:6");
  EXPECT_EQ(PeerKey::of(record).text(), "client mail.example [2001:db8:1:2::/64]");
  record.role = Role::client;
  record.host = "mx1.example";
  EXPECT_EQ(PeerKey::of(record).text(), "next hop mx1.example [2001:db8:1:2::/64]");
  record.end.info.peer_identity = "CN=mx";
  EXPECT_EQ(PeerKey::of(record).text(), "next hop CN=mx");
}
TEST(PeerKey, keeps_a_long_name_short_and_a_strange_one_printable) {
  EXPECT_EQ(PeerKey::of(layer("192.0.2.1", std::string(300, 'x'), Ending::fin, Effect::none)).name.size(), PeerKey::kNameLimit);
  EXPECT_EQ(PeerKey::of(layer("192.0.2.1", "\x1b[2J", Ending::fin, Effect::none)).text(), "client \\x1b[2j [192.0.2.0/24]");
  EXPECT_EQ(PeerKey::of(layer("192.0.2.1", "", Ending::fin, Effect::none)).text(), "client without a name [192.0.2.0/24]");
}

TEST(Closure, R18_endings_that_cost_nothing_never_alarm) {
  Told told;
  told.clean(5000);
  for (const Ending ending : {Ending::fin, Ending::rst, Ending::timeout, Ending::alert, Ending::unanswered, Ending::mutual, Ending::handshake}) {
    for (int i = 0; i < 200; ++i) {
      EXPECT_FALSE(told.cut(ending, Effect::none));
      EXPECT_FALSE(told.cut(ending, Effect::after_quit));
    }
  }
  EXPECT_FALSE(told.add(layer("192.0.2.1", "a.example", Ending::mutual, Effect::rolled_back, 0), config::Alarm::always)) << "R3 is no truncation";
}
TEST(Closure, R19_unusual_truncation_alarms_and_at_most_once_an_hour) {
  Told told;
  told.clean(3000);
  std::vector<int> alarms;
  for (int minute = 0; minute < 120; ++minute) {
    if (told.cut()) alarms.push_back(minute);
  }
  ASSERT_EQ(alarms.size(), 2u);
  EXPECT_LE(alarms[0], 4);
  EXPECT_EQ(alarms[1], alarms[0] + 60);
}
TEST(Closure, R19_the_alarm_says_what_is_unusual_against_what) {
  Told told;
  told.clean(3000);
  std::optional<Alarm> alarm;
  for (int i = 0; i < 10 && !alarm; ++i) alarm = told.cut(Ending::rst, Effect::ack_unconfirmed);
  ASSERT_TRUE(alarm);
  EXPECT_EQ(alarm->reason, AlarmReason::unusual);
  EXPECT_EQ(alarm->window, 100u);
  EXPECT_LT(alarm->probability, 1e-6);
  const std::string line = alarm->line().text();
  EXPECT_TRUE(line.starts_with("event=alarm reason=unusual peer=\"client a.example [192.0.2.0/24]\" truncated=")) << line;
  EXPECT_NE(line.find(" of=100 usually=0.0 of-usually="), std::string::npos) << line;
}
TEST(Closure, R19_a_peer_that_always_loses_some_does_not_alarm) {
  Told told;
  for (int i = 0; i < 5000; ++i) {
    if (i % 20 == 7) {
      EXPECT_FALSE(told.cut());
    } else {
      told.clean(1);
    }
  }
}
TEST(Closure, R19_alarm_always_and_never_are_the_other_two) {
  Told told;
  for (const Ending ending : {Ending::fin, Ending::rst, Ending::timeout, Ending::alert, Ending::unanswered}) {
    for (const Effect effect : {Effect::rolled_back, Effect::revoked, Effect::ack_unconfirmed}) {
      const auto record = layer("192.0.2.1", "a.example", ending, effect, 0);
      const auto alarm = told.add(record, config::Alarm::always);
      ASSERT_TRUE(alarm);
      EXPECT_EQ(alarm->reason, AlarmReason::truncation);
      EXPECT_FALSE(told.add(record, config::Alarm::never));
    }
  }
}
TEST(Closure, R19_corrupt_and_injected_always_alarm_of_who_has_committed_something_once_an_hour) {
  Told told;
  told.clean(1);
  for (const config::Alarm policy : {config::Alarm::unusual, config::Alarm::always, config::Alarm::never}) {
    told.now += 2h;
    for (const Ending ending : {Ending::corrupt, Ending::injected}) {
      const auto record = layer("192.0.2.1", "a.example", ending, Effect::none, 0);
      const auto alarm = told.add(record, policy);
      ASSERT_TRUE(alarm);
      EXPECT_EQ(name(alarm->reason), tls::name(ending));
      EXPECT_FALSE(told.add(record, policy));
    }
  }
}
TEST(Closure, R19_what_strangers_do_is_counted_and_told_once_an_hour) {
  Told told;
  EXPECT_FALSE(told.ledger.take_summary(told.now, true));
  for (int i = 0; i < 20; ++i) {
    const std::string address = "198.51.100." + std::to_string(i % 5);
    const auto record = layer(address, "bot" + std::to_string(i), i % 2 == 0 ? Ending::corrupt : Ending::injected, Effect::rolled_back, 0);
    EXPECT_TRUE(told.ledger.is_stranger(record, told.now));
    EXPECT_FALSE(told.add(record, config::Alarm::always));
  }
  EXPECT_FALSE(told.ledger.take_summary(told.now)) << "the hour is not over";
  const auto summary = told.ledger.take_summary(told.now + 1h);
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->line().text(), "event=strangers corrupt=10 injected=10 addresses=5 since=2026-09-21T14:14:20.000Z "
                                    "hint=\"of peers that have committed no transaction: counted, not alarmed on\"");
  EXPECT_FALSE(told.ledger.take_summary(told.now + 1h, true)) << "each is told once";
}
TEST(Closure, R19_nobody_else_can_spend_the_hour_of_a_peers_address) {
  Told told;
  told.clean(10);
  const auto corrupt = [&](const std::string& address) { return told.add(layer(address, "a.example", Ending::corrupt, Effect::none, 0)); };
  EXPECT_TRUE(corrupt("192.0.2.66")) << "a neighbour under the peer's name";
  EXPECT_TRUE(corrupt("192.0.2.1"));
  EXPECT_FALSE(corrupt("192.0.2.1"));
  EXPECT_FALSE(corrupt("192.0.2.66"));
  EXPECT_TRUE(told.add(layer("192.0.2.1", "a.example", Ending::injected, Effect::none, 0))) << "each kind has its own";
  told.now += 1h;
  EXPECT_TRUE(corrupt("192.0.2.1"));
}
TEST(Ledger, remembers_the_addresses_it_alarmed_of_within_bounds) {
  Told told;
  told.clean(1);
  std::size_t alarms = 0;
  for (std::size_t i = 0; i < Ledger::kAlarmedAddresses + 100; ++i) {
    std::array<std::uint8_t, 16> octets{0x20, 0x01, 0x0d, 0xb8};
    octets[14] = static_cast<std::uint8_t>(i >> 8);
    octets[15] = static_cast<std::uint8_t>(i);
    auto record = layer("192.0.2.1", "a.example", Ending::corrupt, Effect::none, 1);
    record.peer.address = IpAddress::v6(octets);
    told.ledger.add(layer(record.peer.address.text(), "a.example", Ending::unanswered, Effect::after_quit), config::Alarm::never, false, told.now);
    alarms += told.ledger.add(record, config::Alarm::never, false, told.now) ? 1 : 0;
  }
  EXPECT_EQ(alarms, Ledger::kAlarmedAddresses);
  EXPECT_EQ(told.ledger.take_summary(told.now, true)->corrupt, 100u);
}
TEST(Closure, R19_what_stays_unanswered_when_we_stop_is_nobodys_fault) {
  Told told;
  told.clean(5000);
  const auto record = layer("192.0.2.1", "a.example", Ending::unanswered, Effect::rolled_back, 0);
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(told.add(record, config::Alarm::always, true));
  EXPECT_EQ(told.ledger.peers(told.now).front().peer.lost(), 0.0);
  EXPECT_TRUE(told.add(record, config::Alarm::always, false));
}

TEST(Closure, R19_a_clock_that_was_ahead_once_suppresses_no_alarm) {
  Told told;
  told.clean(3000);
  const WallTime right = told.now;
  const auto corrupt = layer("192.0.2.1", "a.example", Ending::corrupt, Effect::none, 0);
  told.now += 24h * 365;
  EXPECT_TRUE(told.add(corrupt));
  told.clean(100);
  told.now = right;
  EXPECT_TRUE(told.add(corrupt));
  EXPECT_FALSE(told.add(corrupt)) << "but once an hour, again";
}
TEST(Ledger, decays_and_counts_the_days_though_the_clock_was_ahead_once) {
  Told told;
  told.ledger.add(layer("192.0.2.1", "a.example", Ending::fin, Effect::none, 0), config::Alarm::never, false, kStart + 24h * 365);
  for (int i = 0; i < 100; ++i) told.ledger.add(layer("192.0.2.1", "a.example", Ending::fin, Effect::rolled_back, 0), config::Alarm::never, false, kStart);
  const auto peer = [&](WallTime when) { return told.ledger.peers(when).front().peer; };
  EXPECT_NEAR(peer(kStart + 24h * 30).lost(), 50, 0.01);
  EXPECT_EQ(peer(kStart).days.at(0, kStart)[PeerLedger::kCostly], 100);
  EXPECT_EQ(peer(kStart).first, kStart);
}
TEST(Ledger, lets_the_past_weigh_half_after_thirty_days) {
  Told told;
  for (int i = 0; i < 100; ++i) told.ledger.add(layer("192.0.2.1", "a.example", Ending::fin, Effect::rolled_back, 0), config::Alarm::never, false, kStart);
  const auto peer = [&](WallTime when) { return told.ledger.peers(when).front().peer; };
  EXPECT_NEAR(peer(kStart).lost(), 100, 0.01);
  EXPECT_NEAR(peer(kStart + 24h * 30).lost(), 50, 0.01);
  EXPECT_NEAR(peer(kStart + 24h * 60).all_layers(), 25, 0.01);
}
TEST(Ledger, tells_the_endings_of_each_day_and_which_of_them_were_costly) {
  Told told;
  told.clean(3);
  told.cut(Ending::rst, Effect::none);
  told.cut(Ending::rst, Effect::rolled_back);
  told.cut(Ending::mutual, Effect::rolled_back);
  told.cut(Ending::injected, Effect::none);
  told.cut(Ending::corrupt, Effect::after_quit);
  told.add(layer("192.0.2.1", "a.example", Ending::unanswered, Effect::rolled_back, 0), config::Alarm::unusual, true);
  const auto today = told.ledger.peers(told.now).front().peer.days.at(0, told.now);
  const auto of = [&](Ending ending) { return today[static_cast<std::size_t>(ending)]; };
  EXPECT_EQ(of(Ending::unanswered), 4);
  EXPECT_EQ(of(Ending::rst), 2);
  EXPECT_EQ(of(Ending::mutual), 1);
  EXPECT_EQ(of(Ending::injected), 1);
  // What cost nothing is no cut at a cost, however bad it looks; nor is what our own shutdown cut.
  EXPECT_EQ(today[PeerLedger::kCostly], 1);
  EXPECT_NEAR(told.ledger.peers(told.now).front().peer.lost(), 1, 0.01);
}
TEST(Ledger, holds_no_more_peers_than_its_limit_and_keeps_those_with_most_transactions) {
  Told told;
  told.clean(50);
  for (int i = 0; i < 10'000; ++i) {
    const std::string address = "10." + std::to_string(i / 250 % 250) + "." + std::to_string(i % 250) + ".1";
    told.add(layer(address, "invented" + std::to_string(i), Ending::fin, Effect::none, 0));
    ASSERT_LE(told.ledger.peers(told.now).size(), 100u);
  }
  EXPECT_NE(told.names().find("client a.example [192.0.2.0/24]"), std::string::npos);
}
TEST(Ledger, gives_the_many_names_of_one_network_one_entry) {
  Told told;
  told.clean(1);
  for (int i = 0; i < 1000; ++i) told.add(layer("192.0.2.9", "invented" + std::to_string(i), Ending::fin, Effect::rolled_back, 0));
  EXPECT_EQ(told.ledger.peers(told.now).size(), Ledger::kNamesPerNetwork + 1);
  EXPECT_NE(told.names().find("client * [192.0.2.0/24]"), std::string::npos);
  EXPECT_NE(told.names().find("client a.example [192.0.2.0/24]"), std::string::npos);
}
TEST(Ledger, is_the_same_after_its_records_have_been_restored) {
  Told told;
  told.clean(200);
  told.add(layer("2001:db8::1", "b.example", Ending::corrupt, Effect::rolled_back, 3));
  Ledger restored(100);
  for (const auto& [key, record] : told.ledger.take_changes()) ASSERT_TRUE(restored.restore(key, record.value()));
  EXPECT_TRUE(restored.take_changes().empty());
  const auto before = told.ledger.peers(told.now);
  const auto after = restored.peers(told.now);
  ASSERT_EQ(after.size(), before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(after[i].key, before[i].key);
    EXPECT_EQ(after[i].peer.layers, before[i].peer.layers);
    EXPECT_EQ(after[i].peer.alarms, before[i].peer.alarms);
    EXPECT_EQ(after[i].peer.alarmed, before[i].peer.alarmed);
    EXPECT_EQ(after[i].peer.last_costly, before[i].peer.last_costly);
    EXPECT_EQ(after[i].peer.committed, before[i].peer.committed);
    EXPECT_EQ(after[i].peer.days.at(0, told.now), before[i].peer.days.at(0, told.now));
    EXPECT_EQ(after[i].probability, before[i].probability);
  }
  EXPECT_EQ(restored.totals().hours.at(0, told.now), told.ledger.totals().hours.at(0, told.now));
}
TEST(Ledger, reads_a_record_of_the_first_version_whose_total_holds_the_window) {
  const auto restored = [](double total, double truncated) {
    RecordWriter out(1);
    for (std::size_t i = 0; i < kEndings * kEffects; ++i) out.amount(0);
    out.number(std::uint64_t{150}).number(std::uint8_t{1}).number(std::uint64_t{149});
    out.amount(total).amount(truncated).number(std::uint64_t{50}).number(std::uint32_t{0}).amount(1).amount(0).amount(0);
    Timeline<std::uint16_t, 3, 32> days(24h);
    for (std::size_t kind = 0; kind < 3; ++kind) days.add(kind, kStart);
    days.write(out);
    for (int time = 0; time < 4; ++time) out.time(kStart);
    out.number(std::uint32_t{0});
    for (std::size_t reason = 0; reason < kReasons; ++reason) out.time(WallTime());
    Ledger ledger(10);
    EXPECT_TRUE(ledger.restore("s192.0.2.0/24\na.example", out.finish()));
    const PeerLedger peer = ledger.peers(kStart).at(0).peer;
    EXPECT_EQ(peer.days.at(0, kStart), PeerLedger::Days::Counts()) << "they know no endings, and begin anew";
    EXPECT_EQ(peer.first, kStart);
    return peer.truncations;
  };
  EXPECT_EQ(restored(150, 3).transactions(), 50);
  EXPECT_EQ(restored(150, 3).truncated(), 3);
  EXPECT_EQ(restored(150, 3).in_window(), 1u);
  EXPECT_EQ(restored(20, 3).transactions(), 3) << "the total had decayed, the window not";
}
TEST(Ledger, tells_only_what_has_changed_and_what_gave_way) {
  Told told;
  told.clean(2);
  EXPECT_EQ(told.ledger.take_changes().size(), 2u);  // the peer and the totals
  EXPECT_TRUE(told.ledger.take_changes().empty());
  for (int i = 0; i < 100; ++i) told.add(layer("10.0." + std::to_string(i) + ".1", "x", Ending::fin, Effect::none, 0));
  std::size_t gone = 0;
  for (const auto& [key, record] : told.ledger.take_changes()) gone += record ? 0 : 1;
  EXPECT_EQ(gone, 0u) << "those that came and went in between were never told of";
  for (int i = 0; i < 100; ++i) told.add(layer("10.1." + std::to_string(i) + ".1", "x", Ending::fin, Effect::none, 1));
  for (const auto& [key, record] : told.ledger.take_changes()) gone += record ? 0 : 1;
  EXPECT_GT(gone, 20u);
}
/// What a disk holds, when it works.
struct FakeStore {
  Result<> save(const std::vector<Ledger::Change>& changes) {
    if (full) return failure(ErrorKind::no_space, "full");
    for (const auto& [key, record] : changes) {
      if (record) {
        records[key] = *record;
      } else {
        records.erase(key);
      }
    }
    return {};
  }
  std::set<std::string> names() const {
    Ledger ledger(1000);
    for (const auto& [key, record] : records) EXPECT_TRUE(ledger.restore(key, record));
    std::set<std::string> all;
    for (const auto& entry : ledger.peers(kStart)) all.insert(entry.key.name);
    return all;
  }
  std::map<std::string, std::string> records;
  bool full = false;
};

TEST(Ledger, saves_what_a_full_disk_did_not_take_once_there_is_room) {
  Told told;
  FakeStore store;
  const auto save = [&] { return told.ledger.save([&](const auto& changes) { return store.save(changes); }); };
  told.clean(3);
  store.full = true;
  EXPECT_FALSE(save());
  EXPECT_FALSE(save());
  told.add(layer("198.51.100.1", "b.example", Ending::fin, Effect::none));
  EXPECT_FALSE(save());
  told.clean(1);
  store.full = false;
  EXPECT_TRUE(save());
  EXPECT_EQ(store.names(), (std::set<std::string>{"a.example", "b.example"}));
  Ledger restored(10);
  for (auto& [key, record] : store.records) ASSERT_TRUE(restored.restore(key, record));
  EXPECT_EQ(restored.peers(told.now).at(0).peer.transactions(), 4) << "the newest record";
  EXPECT_EQ(restored.totals().hours.at(0, told.now), told.ledger.totals().hours.at(0, told.now));
  EXPECT_TRUE(told.ledger.take_changes().empty());
}
TEST(Ledger, forgets_who_gave_way_while_the_disk_was_full) {
  Told told;
  FakeStore store;
  const auto save = [&] { return told.ledger.save([&](const auto& changes) { return store.save(changes); }); };
  const auto crowd = [&](const std::string& second, std::uint32_t transactions) {
    for (int i = 0; i < 100; ++i) {
      told.add(layer("10." + second + "." + std::to_string(i) + ".1", second + "-" + std::to_string(i), Ending::fin, Effect::none, transactions));
    }
  };
  crowd("1", 1);
  EXPECT_TRUE(save());
  for (int round = 2; round < 40; ++round) {
    store.full = true;
    crowd(std::to_string(round), static_cast<std::uint32_t>(round));
    EXPECT_FALSE(save());
    if (round % 3 == 0) crowd("1", static_cast<std::uint32_t>(round));  // they come back
    store.full = false;
    if (round % 5 != 0) continue;
    EXPECT_TRUE(save());
    std::set<std::string> names;
    for (const auto& entry : told.ledger.peers(told.now)) names.insert(entry.key.name);
    EXPECT_EQ(store.names(), names) << round;
  }
}
TEST(Ledger, keeps_no_more_in_mind_than_its_limit_while_nothing_can_be_saved) {
  Told told;
  for (int i = 0; i < 5000; ++i) {
    const std::string address = "10." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ".1";
    told.add(layer(address, "x", Ending::fin, Effect::none, 1));
    if (i % 50 != 0) continue;
    EXPECT_FALSE(told.ledger.save([&](const auto& changes) -> Result<> {
      EXPECT_LE(changes.size(), 201u);  // those that are there, those that are gone, the totals
      return failure(ErrorKind::io, "no");
    }));
  }
}
TEST(Ledger, takes_no_record_that_is_damaged) {
  Told told;
  told.clean(3);
  for (auto& [key, record] : told.ledger.take_changes()) {
    for (std::size_t at = 0; at < record->size(); at += 7) {
      std::string damaged = *record;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
      EXPECT_FALSE(Ledger(10).restore(key, damaged));
    }
  }
  EXPECT_FALSE(Ledger(10).restore("x192.0.2.0/24\nname", ""));
  EXPECT_FALSE(Ledger(10).restore("s192.0.2.0/24", ""));
}

TEST(Timeline, counts_in_the_span_of_the_calendar_and_forgets_what_is_beyond_its_ring) {
  Timeline<std::uint16_t, 2, 4> timeline(1h);
  const WallTime noon = WallTime(Duration(12h));
  timeline.add(0, noon);
  timeline.add(1, noon + 59min);
  timeline.add(1, noon + 2h);
  using Counts = decltype(timeline)::Counts;
  EXPECT_EQ(timeline.at(0, noon + 2h), (Counts{0, 1}));
  EXPECT_EQ(timeline.at(1, noon + 2h), (Counts{0, 0}));
  EXPECT_EQ(timeline.at(2, noon + 2h), (Counts{1, 1}));
  EXPECT_EQ(timeline.at(0, noon + 3h), (Counts{0, 0}));
  timeline.add(0, noon + 4h);
  EXPECT_EQ(timeline.at(4, noon + 4h), (Counts{0, 0}));
  EXPECT_EQ(timeline.at(2, noon + 4h), (Counts{0, 1}));
  timeline.add(0, noon + 100h);
  EXPECT_EQ(timeline.at(96, noon + 100h), (Counts{0, 0}));
  EXPECT_EQ(timeline.at(0, noon + 100h), (Counts{1, 0}));
}
TEST(Timeline, a_full_count_stays_full) {
  Timeline<std::uint8_t, 1, 2> timeline(1h);
  for (int i = 0; i < 1000; ++i) timeline.add(0, WallTime(Duration(5h)));
  EXPECT_EQ(timeline.at(0, WallTime(Duration(5h)))[0], 255);
}

}  // namespace
}  // namespace adieu::observe
