// See ledger.h: what outlives a restart. A key is its role, network and name; the totals have the empty key.
#include <algorithm>
#include <utility>

#include "adieu/relay/observe/ledger.h"

namespace adieu::observe {
namespace {

constexpr char kPeerVersion = 4;  // 1: its total of transactions holds those in the window; 1, 2: the days know no endings; 3: nothing of what was committed
using DaysOfVersionTwo = Timeline<std::uint16_t, 3, 32>;
constexpr char kTotalsVersion = 1;

std::string encode(const PeerKey& key) {
  std::string text(1, key.role == Role::server ? 's' : 'c');
  return text.append(key.network).append(1, '\n').append(key.name);
}

std::optional<PeerKey> decode_key(Octets text) {
  const std::size_t end = text.find('\n');
  if (end == Octets::npos || (text[0] != 's' && text[0] != 'c')) return std::nullopt;
  PeerKey key{text[0] == 's' ? Role::server : Role::client, std::string(text.substr(1, end - 1)), std::string(text.substr(end + 1))};
  if (key.name.size() > PeerKey::kNameLimit || (!key.network.empty() && !Network::parse(key.network))) return std::nullopt;
  return key;
}

std::string encode(const PeerLedger& peer) {
  RecordWriter out(kPeerVersion);
  for (const auto& effects : peer.layers) {
    for (const float count : effects) out.amount(static_cast<double>(count));
  }
  peer.truncations.write(out);
  peer.days.write(out);
  out.time(peer.first).time(peer.last).time(peer.last_costly).time(peer.decayed).number(peer.alarms);
  for (const WallTime time : peer.alarmed) out.time(time);
  out.amount(peer.committed);
  return out.finish();
}

Result<PeerLedger> decode_peer(Octets record) {
  auto in = RecordReader::open(record, kPeerVersion, "peer");
  if (!in) return tl::unexpected<Error>(std::move(in.error()));
  PeerLedger peer;
  for (auto& effects : peer.layers) {
    for (float& count : effects) count = static_cast<float>(in->amount());
  }
  peer.truncations.read(*in, record[0] == 1);
  if (record[0] > 2) {
    peer.days.read(*in);
  } else {
    DaysOfVersionTwo(std::chrono::hours(24)).read(*in);
  }
  peer.first = in->time();
  peer.last = in->time();
  peer.last_costly = in->time();
  peer.decayed = in->time();
  peer.alarms = in->number<std::uint32_t>();
  for (WallTime& time : peer.alarmed) time = in->time();
  if (record[0] > 3) {
    peer.committed = in->amount();
  } else {
    peer.committed = std::max(0.0, peer.transactions() - peer.truncations.truncated() - peer.truncations.in_window());
  }
  if (auto done = in->finish(); !done) return tl::unexpected<Error>(std::move(done.error()));
  return peer;
}

}  // namespace

std::vector<Ledger::Change> Ledger::take_changes() {
  std::vector<Change> changes;
  const std::lock_guard lock(mutex_);
  update_newcomers_rate();
  first_told_.clear();
  for (const PeerKey& key : std::exchange(gone_, {})) changes.emplace_back(encode(key), std::nullopt);
  for (auto& [key, kept] : peers_) {
    if (!std::exchange(kept.changed, false)) continue;
    changes.emplace_back(encode(key), encode(kept.peer));
    if (!std::exchange(kept.told, true)) first_told_.insert(key);
  }
  if (std::exchange(totals_changed_, false)) {
    RecordWriter out(kTotalsVersion);
    totals_.hours.write(out);
    totals_.days.write(out);
    changes.emplace_back(std::string(), out.finish());
  }
  return changes;
}

Result<> Ledger::save(const Store& store) {
  const std::vector<Change> changes = take_changes();
  Result<> saved = store(changes);
  if (!saved) put_back(changes);
  return saved;
}

/// Undoes `take_changes`. A peer that was told then for the first time is unknown to the store, and is not reported as gone later.
void Ledger::put_back(const std::vector<Change>& changes) {
  const std::lock_guard lock(mutex_);
  for (const auto& [text, record] : changes) {
    const auto key = decode_key(text);
    if (!key) {
      totals_changed_ = true;
      continue;
    }
    const bool there = !first_told_.contains(*key);
    if (const auto at = peers_.find(*key); at != peers_.end()) {
      at->second.changed = true;
      at->second.told = there;
    } else if (there) {
      gone_.insert(*key);
    } else {
      gone_.erase(*key);
    }
  }
}

Result<> Ledger::restore(Octets key_text, Octets record) {
  const std::lock_guard lock(mutex_);
  if (key_text.empty()) {
    auto in = RecordReader::open(record, kTotalsVersion, "totals");
    if (!in) return tl::unexpected<Error>(std::move(in.error()));
    Totals totals;
    totals.hours.read(*in);
    totals.days.read(*in);
    if (auto done = in->finish(); !done) return done;
    totals_ = totals;
    return {};
  }
  auto key = decode_key(key_text);
  if (!key) return failure(ErrorKind::invalid, "peer record: its key is none");
  auto peer = decode_peer(record);
  if (!peer) return tl::unexpected<Error>(std::move(peer.error()));
  const auto at = entry(std::move(*key), peer->first);
  at->second = {std::move(*peer), false, true};
  return {};
}

}  // namespace adieu::observe
