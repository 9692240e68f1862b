// See ledger.h.
#include "adieu/relay/observe/ledger.h"

#include <algorithm>
#include <cmath>

namespace adieu::observe {
namespace {

std::size_t index(auto value) { return static_cast<std::size_t>(value); }

bool costs(tls::Effect effect) {
  switch (effect) {
    case tls::Effect::none:
    case tls::Effect::after_quit: return false;
    case tls::Effect::rolled_back:
    case tls::Effect::revoked:
    case tls::Effect::ack_unconfirmed: return true;
  }
  return true;
}

bool cut(tls::Ending ending) { return ending != tls::Ending::mutual && ending != tls::Ending::handshake; }

std::string network_of(const IpAddress& address) {
  const int length = address.is_v6() ? 64 : 24;
  std::array<std::uint8_t, 16> octets = address.octets();
  for (int bit = length; bit < address.bits(); bit += 8) octets[static_cast<std::size_t>(bit / 8)] = 0;
  const IpAddress masked = address.is_v6() ? IpAddress::v6(octets) : IpAddress::v4({octets[0], octets[1], octets[2], octets[3]});
  return Network(masked, length).text();
}

std::string rounded(double value) {
  const std::int64_t tenths = std::llround(value * 10);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}

}  // namespace

std::string_view name(AlarmReason reason) {
  switch (reason) {
    case AlarmReason::unusual: return "unusual";
    case AlarmReason::truncation: return "truncation";
    case AlarmReason::corrupt: return "corrupt";
    case AlarmReason::injected: return "injected";
  }
  return "unknown";
}

PeerKey PeerKey::of(const ClosureRecord& record) {
  PeerKey key;
  key.role = record.role;
  if (!record.end.info.peer_identity.empty()) {
    key.name = record.end.info.peer_identity;
  } else {
    key.network = network_of(record.peer.address);
    key.name = to_ascii_lower(record.role == Role::server ? record.end.peer_name : record.host);
  }
  if (key.name.size() > kNameLimit) key.name.resize(kNameLimit);
  return key;
}

std::string PeerKey::text() const {
  const std::string what = (role == Role::server ? "client " : "next hop ") + (name.empty() ? "without a name" : printable(name));
  return network.empty() ? what : what + " [" + network + "]";
}

double PeerLedger::all_layers() const {
  double sum = 0;
  for (const auto& effects : layers) {
    for (const float count : effects) sum += static_cast<double>(count);
  }
  return sum;
}

double PeerLedger::lost() const {
  double sum = 0;
  for (std::size_t ending = 0; ending < kEndings; ++ending) {
    if (!cut(static_cast<tls::Ending>(ending))) continue;
    for (std::size_t effect = index(tls::Effect::rolled_back); effect < kEffects; ++effect) sum += static_cast<double>(layers[ending][effect]);
  }
  return sum;
}

void PeerLedger::decay(WallTime now) {
  // A clock that was ahead once must not keep the counts until it is there again.
  if (now < decayed) decayed = now;
  // In steps of a minute, so that a busy peer is not decayed for each of its layers.
  if (now - decayed < std::chrono::minutes(1)) return;
  const double factor = std::exp2(-static_cast<double>((now - decayed).count()) / static_cast<double>(Ledger::kHalfLife.count()));
  for (auto& effects : layers) {
    for (float& count : effects) count *= static_cast<float>(factor);
  }
  truncations.decay(factor);
  committed *= factor;
  decayed = now;
}

LogLine Alarm::line() const {
  LogLine line("alarm");
  line.field("reason", name(reason)).field("peer", peer).field("truncated", truncated).field("of", window);
  line.field("usually", rounded(history_truncated)).field("of-usually", rounded(history));
  if (reason == AlarmReason::unusual) {
    line.field("probability", "1e" + std::to_string(static_cast<int>(std::floor(std::log10(std::max(probability, 1e-300))))));
  }
  return line.field("hint", "man adieu-closure, WHAT TO DO ON AN ALARM");
}

struct Ledger::Suspicion {
  const IpAddress& address;
  tls::Ending ending;
  bool truncated;
  bool stranger;   // before this layer
};

std::optional<Alarm> Ledger::add(const ClosureRecord& record, config::Alarm policy, bool we_stop, WallTime now) {
  const tls::LayerEnd& end = record.end;
  const bool rolled_back = end.effect == tls::Effect::rolled_back || end.effect == tls::Effect::revoked;
  const bool excused = we_stop && end.ending == tls::Ending::unanswered;
  const bool truncated = costs(end.effect) && cut(end.ending) && !excused;
  const std::lock_guard lock(mutex_);
  totals_.hours.add(index(end.ending), now);
  totals_.days.add(index(end.ending), now);
  ++totals_.layers[index(record.role)][index(end.ending)][index(end.effect)];
  totals_changed_ = true;
  const auto at = entry(PeerKey::of(record), now);
  PeerLedger& peer = at->second.peer;
  at->second.changed = true;
  peer.decay(now);
  peer.first = std::min(peer.first, now);
  peer.last = now;
  // What our own end has cut is no transaction that the peer lost.
  peer.layers[index(end.ending)][index(excused ? tls::Effect::none : end.effect)] += 1;
  peer.days.add(index(end.ending), now);
  const bool stranger = peer.stranger();
  peer.truncations.add(end.transactions + (rolled_back ? 1u : 0u), truncated);
  peer.committed += end.transactions;
  if (truncated) {
    peer.days.add(PeerLedger::kCostly, now);
    peer.last_costly = now;
  }
  return judge(at->first, peer, {record.peer.address, end.ending, truncated, stranger}, policy, now);
}

std::optional<Alarm> Ledger::judge(const PeerKey& key, PeerLedger& peer, const Suspicion& suspicion, config::Alarm policy, WallTime now) {
  std::optional<AlarmReason> reason;
  if (suspicion.ending == tls::Ending::corrupt || suspicion.ending == tls::Ending::injected) {
    reason = suspicion.ending == tls::Ending::corrupt ? AlarmReason::corrupt : AlarmReason::injected;
    if (suspicion.stranger) {
      count_stranger(suspicion.address, *reason, now);
      return std::nullopt;
    }
    if (alarmed_lately(suspicion.address, *reason, now)) return std::nullopt;
  } else if (suspicion.truncated) {
    switch (policy) {
      case config::Alarm::always: reason = AlarmReason::truncation; break;
      case config::Alarm::unusual:
        if (peer.truncations.unusual(usual_)) reason = AlarmReason::unusual;
        break;
      case config::Alarm::never: break;
    }
  }
  if (!reason) return std::nullopt;
  WallTime& last = peer.alarmed[index(*reason)];
  // A time in the future was stored when the clock was ahead: it counts as never.
  const bool lately = last != WallTime() && last <= now && now - last < kAlarmInterval;
  if (*reason == AlarmReason::unusual && lately) return std::nullopt;
  last = now;
  ++peer.alarms;
  ++totals_.alarms[index(*reason)];
  const Truncations& seen = peer.truncations;
  return Alarm{*reason,          key.text(),           seen.in_window(),          seen.window(),
               seen.truncated(), seen.transactions(), seen.probability(usual_)};
}

/// R19: a neighbour in the network that calls itself by the peer's name must not use up the hour of the peer's own address.
bool Ledger::alarmed_lately(const IpAddress& address, AlarmReason reason, WallTime now) {
  const auto lately = [now](WallTime last) { return last <= now && now - last < kAlarmInterval; };
  const auto found = alarmed_addresses_.find({address, reason});
  if (found != alarmed_addresses_.end()) {
    if (lately(found->second)) return true;
    found->second = now;
    return false;
  }
  if (alarmed_addresses_.size() >= kAlarmedAddresses) {
    std::erase_if(alarmed_addresses_, [&](const auto& each) { return !lately(each.second); });
    if (alarmed_addresses_.size() >= kAlarmedAddresses) {
      count_stranger(address, reason, now);
      return true;
    }
  }
  alarmed_addresses_.emplace(std::pair(address, reason), now);
  return false;
}

void Ledger::count_stranger(const IpAddress& address, AlarmReason reason, WallTime now) {
  if (strangers_.addresses.empty()) strangers_.since = now;
  if (strangers_.addresses.size() < StrangersSummary::kAddresses) strangers_.addresses.insert(address);
  ++(reason == AlarmReason::corrupt ? strangers_.corrupt : strangers_.injected);
}

std::optional<StrangersSummary> Ledger::take_summary(WallTime now, bool all) {
  const std::lock_guard lock(mutex_);
  if (strangers_.addresses.empty()) return std::nullopt;
  if (!all && strangers_.since <= now && now - strangers_.since < kAlarmInterval) return std::nullopt;
  return std::exchange(strangers_, {});
}

bool Ledger::is_stranger(const ClosureRecord& record, WallTime now) {
  const std::lock_guard lock(mutex_);
  return entry(PeerKey::of(record), now)->second.peer.stranger();
}

LogLine StrangersSummary::line() const {
  LogLine line("strangers");
  line.field("corrupt", static_cast<std::int64_t>(corrupt)).field("injected", static_cast<std::int64_t>(injected));
  line.field("addresses", std::to_string(addresses.size()) + (addresses.size() < kAddresses ? "" : " or more")).field("since", rfc3339(since));
  return line.field("hint", "of peers that have committed no transaction: counted, not alarmed on");
}

/// The peer's entry, made where there is none. A network's names beyond the first ones share an entry.
Ledger::Peers::iterator Ledger::entry(PeerKey key, WallTime now) {
  auto found = peers_.find(key);
  if (found != peers_.end()) return found;
  const auto names = names_.find({key.role, key.network});
  if (!key.network.empty() && names != names_.end() && names->second >= kNamesPerNetwork && key.name != "*") {
    key.name = "*";
    found = peers_.find(key);
    if (found != peers_.end()) return found;
  }
  if (peers_.size() >= limit_) make_room();
  PeerLedger peer;
  peer.first = peer.decayed = now;
  if (!key.network.empty()) ++names_[{key.role, key.network}];
  const bool told = gone_.erase(key) != 0;
  return peers_.emplace(std::move(key), Kept{std::move(peer), true, told}).first;
}

/// Removes a quarter of the peers, those with the fewest transactions. A client that invents names so removes its own entries, not those of peers
/// that send mail.
void Ledger::make_room() {
  std::vector<Peers::iterator> all;
  all.reserve(peers_.size());
  for (auto peer = peers_.begin(); peer != peers_.end(); ++peer) all.push_back(peer);
  const auto quarter = all.begin() + static_cast<std::ptrdiff_t>(all.size() - limit_ * 3 / 4);
  std::nth_element(all.begin(), quarter - 1, all.end(),
                   [](const auto& left, const auto& right) { return left->second.peer.transactions() < right->second.peer.transactions(); });
  for (auto peer = all.begin(); peer != quarter; ++peer) erase(*peer);
}

void Ledger::erase(Peers::iterator peer) {
  if (const auto names = names_.find({peer->first.role, peer->first.network}); names != names_.end() && --names->second == 0) names_.erase(names);
  if (peer->second.told) gone_.insert(peer->first);
  peers_.erase(peer);
}

/// The rate of truncations that a new peer is expected to have: the mean of all peers, none of which counts for more than a thousand transactions.
/// It is bounded, so that a few peers that lose everything on purpose cannot make that seem usual.
void Ledger::update_newcomers_rate() {
  constexpr double kMost = 1000;
  double weights = kMost;
  double rates = kMost * Usual().rate;
  for (const auto& [key, kept] : peers_) {
    const double transactions = kept.peer.transactions();
    if (transactions <= 0) continue;
    const double weight = std::min(transactions, kMost);
    weights += weight;
    rates += weight * std::min((kept.peer.truncations.truncated() + kept.peer.truncations.in_window()) / transactions, 1.0);
  }
  usual_.rate = std::clamp(rates / weights, Usual().rate / 2, Usual().rate * 5);
}

std::vector<Ledger::Entry> Ledger::peers(WallTime now) const {
  std::vector<Entry> all;
  const std::lock_guard lock(mutex_);
  all.reserve(peers_.size());
  for (const auto& [key, kept] : peers_) {
    Entry entry{key, kept.peer, kept.peer.truncations.probability(usual_)};
    entry.peer.decay(now);
    all.push_back(std::move(entry));
  }
  return all;
}

Ledger::Totals Ledger::totals() const {
  const std::lock_guard lock(mutex_);
  Totals totals = totals_;
  totals.peers = peers_.size();
  return totals;
}

}  // namespace adieu::observe
