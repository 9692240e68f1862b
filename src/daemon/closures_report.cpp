// See closures_report.h.
#include "daemon/closures_report.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace adieu::daemon {
namespace {

using nlohmann::json;
using observe::PeerLedger;

double rounded(double value) { return std::round(value * 100) / 100; }

json time_or_null(WallTime time) { return time == WallTime() ? json() : json(rfc3339(time)); }

/// The spans that have counts, the oldest first.
json spans(const auto& timeline, WallTime now, Duration span, const auto& name_of) {
  json all = json::array();
  for (std::size_t back = timeline.kBuckets; back-- > 0;) {
    const auto counts = timeline.at(back, now);
    json one;
    for (std::size_t kind = 0; kind < counts.size(); ++kind) {
      if (counts[kind] != 0) one[std::string(name_of(kind))] = counts[kind];
    }
    if (one.empty()) continue;
    const WallTime begin = WallTime((now.time_since_epoch() / span - static_cast<std::int64_t>(back)) * span);
    one["from"] = rfc3339(begin);
    all.push_back(std::move(one));
  }
  return all;
}

std::string_view ending_name(std::size_t index) { return tls::name(static_cast<tls::Ending>(index)); }

std::string_view day_name(std::size_t index) { return index == PeerLedger::kCostly ? "costly" : ending_name(index); }

json layers(const PeerLedger& peer) {
  json all = json::object();
  for (std::size_t ending = 0; ending < observe::kEndings; ++ending) {
    for (std::size_t effect = 0; effect < observe::kEffects; ++effect) {
      const double count = rounded(static_cast<double>(peer.layers[ending][effect]));
      if (count > 0) all[std::string(ending_name(ending)) + "/" + std::string(tls::name(static_cast<tls::Effect>(effect)))] = count;
    }
  }
  return all;
}

json describe(const observe::Ledger::Entry& entry, WallTime now) {
  const PeerLedger& peer = entry.peer;
  return {{"peer", entry.key.text()},
          {"role", entry.key.role == observe::Role::server ? "client" : "next hop"},
          {"network", entry.key.network},
          {"name", printable(entry.key.name)},
          {"layers", layers(peer)},
          {"sessions", rounded(peer.all_layers())},
          {"transactions", rounded(peer.transactions())},
          {"lost", rounded(peer.lost())},
          {"truncated", peer.truncations.in_window()},
          {"window", peer.truncations.window()},
          {"probability", entry.probability},
          {"alarms", peer.alarms},
          {"first", rfc3339(peer.first)},
          {"last", rfc3339(peer.last)},
          {"last-costly", time_or_null(peer.last_costly)},
          {"days", spans(peer.days, now, std::chrono::hours(24), day_name)}};
}

std::string line_of(const json& object) { return object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"; }

}  // namespace

std::string closures_report(const observe::Ledger& ledger, WallTime now) {
  const auto totals = ledger.totals();
  std::string lines = line_of({{"hours", spans(totals.hours, now, std::chrono::hours(1), ending_name)},
                               {"days", spans(totals.days, now, std::chrono::hours(24), ending_name)}});
  for (const auto& entry : ledger.peers(now)) lines += line_of(describe(entry, now));
  return lines;
}

}  // namespace adieu::daemon
