// `adieu closures`: the closure ledger of a running relay, or of a spool at rest. See commands.h.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "adieu/relay/config/settings.h"
#include "cli/commands.h"
#include "daemon/closures_report.h"
#include "daemon/control.h"
#include "io/rocksdb/ledger_store.h"

namespace adieu::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kShown = 20;
constexpr std::size_t kBar = 50;
constexpr std::size_t kDate = 10;  // octets of a date; with the hour three more
constexpr std::size_t kHour = 13;

using Letters = std::vector<std::pair<std::string, char>>;
const Letters& letters() {
  static const Letters kLetters = {{"mutual", '='}, {"unanswered", '-'}, {"fin", 'f'},      {"rst", 'r'},      {"timeout", 't'},
                                   {"alert", 'a'},  {"corrupt", 'C'},    {"injected", 'I'}, {"handshake", 'h'}};
  return kLetters;
}

struct Row {
  json peer;
  double lost = 0;
  double sessions = 0;
  double rate = 0;         // the share of transactions that were lost; with --since, of sessions
  double probability = 1;
};

WallTime wall_now() { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

/// The relay's answer, else what stands on the disk.
Result<std::string> ask(const config::Config& config) {
  auto answer = daemon::ask_relay(config.control_socket, R"({"command":"closures"})");
  if (answer || answer.error().kind == ErrorKind::permission) return answer;
  const auto store = rocksdb::LedgerStore::open_to_read(config.spool.directory);
  if (!store) {
    return failure(store.error().kind, answer.error().message + " (is the relay running with this policy file?), and " + store.error().message);
  }
  observe::Ledger ledger(config.limits.ledger_peers);
  if (auto loaded = (*store)->load(ledger); !loaded) return tl::unexpected<Error>(std::move(loaded.error()));
  return daemon::closures_report(ledger, wall_now());
}

double total(const json& span) {
  double sum = 0;
  for (const auto& [name, letter] : letters()) sum += span.value(name, 0.0);
  return sum;
}

/// Leaves those of the object's spans that ended after `since`.
void leave_since(json& object, const char* spans, const std::string& since, std::size_t length) {
  json left = json::array();
  for (const json& span : object.value(spans, json::array())) {
    if (span.value("from", "") >= since.substr(0, length)) left.push_back(span);
  }
  object[spans] = std::move(left);
}

/// With `since`: the peer's sessions in the days from then on, for the counts that decay have no dates.
Row row_of(json peer, const std::string& since) {
  Row row;
  row.lost = peer.value("lost", 0.0);
  row.sessions = peer.value("sessions", 0.0);
  const double transactions = peer.value("transactions", 0.0);
  row.probability = peer.value("probability", 1.0);
  row.rate = transactions > 0 ? std::min(row.lost / transactions, 1.0) : 0;
  if (!since.empty()) {
    leave_since(peer, "days", since, kDate);
    row.lost = row.sessions = 0;
    for (const json& day : peer["days"]) {
      row.lost += day.value("costly", 0);
      row.sessions += total(day);
    }
    row.rate = row.sessions > 0 ? row.lost / row.sessions : 0;
    peer["lost"] = row.lost;
    peer["sessions"] = row.sessions;
  }
  row.peer = std::move(peer);
  return row;
}

void sort(std::vector<Row>& rows, const std::string& by) {
  std::stable_sort(rows.begin(), rows.end(), [&](const Row& left, const Row& right) {
    if (by == "rate") return left.rate > right.rate;
    if (by == "unusual") return left.probability < right.probability;
    return left.lost > right.lost;
  });
}

std::string percent(double part) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%.2f%%", part * 100);
  return text.data();
}

void print_peers(const std::vector<Row>& rows, bool all, bool of_days) {
  std::printf("%8s %8s %8s %9s %10s %6s  %s\n", "lost", of_days ? "share" : "rate", "sessions", "last 100", "probable", "alarms", "peer");
  const std::size_t shown = all ? rows.size() : std::min(rows.size(), kShown);
  for (std::size_t i = 0; i < shown; ++i) {
    const Row& row = rows[i];
    const std::string window = std::to_string(row.peer.value("truncated", 0)) + "/" + std::to_string(row.peer.value("window", 0));
    std::printf("%8.0f %8s %8.0f %9s %10.2g %6d  %s\n", row.lost, percent(row.rate).c_str(), row.sessions, window.c_str(), row.probability,
                row.peer.value("alarms", 0), row.peer.value("peer", "").c_str());
  }
  if (shown < rows.size()) std::printf("%zu more; --all shows them\n", rows.size() - shown);
}

/// A bar a span, of a letter for each ending; behind it, where the spans know, how many of the sessions were cut at a cost.
void print_histogram(const json& spans, std::size_t from_length) {
  double most = 1;
  for (const json& span : spans) most = std::max(most, total(span));
  for (const json& span : spans) {
    std::string bar;
    for (const auto& [name, letter] : letters()) {
      const double count = span.value(name, 0.0);
      // What happened once has a letter too, however short its part of the bar.
      if (count > 0) bar.append(std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(count / most * kBar))), letter);
    }
    std::string from = span.value("from", "").substr(0, from_length);
    std::replace(from.begin(), from.end(), 'T', ' ');
    if (const int lost = span.value("costly", 0); lost != 0) bar += "  " + std::to_string(lost) + " lost";
    std::printf("%s %8.0f %s\n", from.c_str(), total(span), bar.c_str());
  }
  std::string legend;
  for (const auto& [name, letter] : letters()) legend += std::string(1, letter) + " " + name + "  ";
  std::printf("%s\n", legend.c_str());
}

void print_endings(const json& totals) {
  for (const auto& [name, length] : {std::pair("hours", kHour), std::pair("days", kDate)}) {
    const json shown = totals.value(name, json::array());
    if (shown.empty()) continue;
    std::printf("\nendings of all peers, by %s (UTC)\n", std::string(name, std::strlen(name) - 1).c_str());
    print_histogram(shown, length);
  }
}

void print_one(const json& peer) {
  std::printf("\n%s\n  first %s, last %s, last that cost something %s\n", peer.value("peer", "").c_str(), peer.value("first", "").c_str(),
              peer.value("last", "").c_str(), peer["last-costly"].is_string() ? peer["last-costly"].get<std::string>().c_str() : "never");
  const json layers = peer.value("layers", json::object());
  for (const auto& [name, count] : layers.items()) std::printf("  %10.1f  %s\n", count.get<double>(), name.c_str());
  print_histogram(peer.value("days", json::array()), kDate);
}

}  // namespace

int closures(const std::string& policy_file, const ClosuresCommand& command) {
  const config::Loaded loaded = load_and_tell(policy_file);
  if (!loaded.config) return kConfiguration;
  std::string since;
  if (!command.since.empty()) {
    const auto ago = config::parse_duration(command.since);
    if (!ago) {
      std::cerr << "adieu closures: --since: expected a duration such as 12h or 7d, found " << command.since << '\n';
      return kUsage;
    }
    since = rfc3339(wall_now() - *ago);
    constexpr auto kKept = std::chrono::hours(24) * (observe::PeerLedger::Days::kBuckets - 1);
    if (!command.json && *ago > kKept) {
      std::printf("The ledger keeps days from %s on.\n", rfc3339(wall_now() - kKept).substr(0, kDate).c_str());
    }
  }
  const auto answer = ask(*loaded.config);
  if (!answer) {
    std::cerr << "adieu closures: " << answer.error().message << '\n';
    return answer.error().kind == ErrorKind::permission ? kFailed : kTemporary;
  }
  std::istringstream lines(*answer);
  std::string line;
  std::getline(lines, line);
  json totals = json::parse(line, nullptr, false);
  if (answer->empty()) {
    std::cerr << "adieu closures: the relay ended before it answered\n";
    return kTemporary;
  }
  if (!totals.is_object() || totals.contains("error")) {
    std::cerr << "adieu closures: the relay that runs does not know this command\n";
    return kFailed;
  }
  if (!since.empty()) {
    leave_since(totals, "hours", since, kHour);
    leave_since(totals, "days", since, kDate);
  }
  std::vector<Row> rows;
  const std::string wanted = to_ascii_lower(command.peer);
  while (std::getline(lines, line)) {
    json peer = json::parse(line, nullptr, false);
    if (!peer.is_object()) {
      std::cerr << "adieu closures: not an answer: " << printable(line) << '\n';
      return kFailed;
    }
    if (!since.empty() && peer.value("last", "") < since) continue;
    if (to_ascii_lower(peer.value("peer", "")).find(wanted) == std::string::npos) continue;
    rows.push_back(row_of(std::move(peer), since));
  }
  sort(rows, command.sort);
  if (command.json) {
    std::cout << totals.dump() << '\n';
    for (const Row& row : rows) std::cout << row.peer.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
    return kOk;
  }
  if (rows.empty()) {
    std::printf("no peer\n");
  } else {
    print_peers(rows, command.all, !since.empty());
  }
  if (command.peer.empty()) {
    print_endings(totals);
  } else {
    for (std::size_t i = 0; i < std::min(rows.size(), kShown); ++i) print_one(rows[i].peer);
  }
  std::fflush(stdout);
  return kOk;
}

}  // namespace adieu::cli
