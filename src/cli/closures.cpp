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

struct Row {
  json peer;
  double lost = 0;
  double sessions = 0;
  double rate = 0;         // lost, of all transactions
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

/// With `since`: the peer's sessions in the days from then on, for the counts that decay have no dates.
Row row_of(json peer, const std::string& since) {
  Row row;
  row.lost = peer.value("lost", 0.0);
  row.sessions = peer.value("sessions", 0.0);
  const double transactions = peer.value("transactions", 0.0);
  row.probability = peer.value("probability", 1.0);
  row.rate = transactions > 0 ? std::min(row.lost / transactions, 1.0) : 0;
  if (!since.empty()) {
    row.lost = row.sessions = 0;
    for (const json& day : peer.value("days", json::array())) {
      if (day.value("from", "") < since.substr(0, 10)) continue;
      row.lost += day.value("costly", 0);
      row.sessions += day.value("costly", 0) + day.value("harmless", 0) + day.value("mutual", 0);
    }
    row.rate = row.sessions > 0 ? row.lost / row.sessions : 0;
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

void print_peers(const std::vector<Row>& rows, bool all) {
  std::printf("%8s %8s %8s %9s %10s %6s  %s\n", "lost", "rate", "sessions", "last 100", "probable", "alarms", "peer");
  const std::size_t shown = all ? rows.size() : std::min(rows.size(), kShown);
  for (std::size_t i = 0; i < shown; ++i) {
    const Row& row = rows[i];
    const std::string window = std::to_string(row.peer.value("truncated", 0)) + "/" + std::to_string(row.peer.value("window", 0));
    std::printf("%8.0f %8s %8.0f %9s %10.2g %6d  %s\n", row.lost, percent(row.rate).c_str(), row.sessions, window.c_str(), row.probability,
                row.peer.value("alarms", 0), row.peer.value("peer", "").c_str());
  }
  if (shown < rows.size()) std::printf("%zu more; --all shows them\n", rows.size() - shown);
}

/// A bar a span: `letters` are what its parts are drawn with.
void print_histogram(const json& spans, const std::vector<std::pair<std::string, char>>& letters, std::size_t from_length) {
  double most = 1;
  const auto total = [&](const json& span) {
    double sum = 0;
    for (const auto& [name, letter] : letters) sum += span.value(name, 0.0);
    return sum;
  };
  for (const json& span : spans) most = std::max(most, total(span));
  for (const json& span : spans) {
    std::string bar;
    for (const auto& [name, letter] : letters) {
      const double count = span.value(name, 0.0);
      // Whatever happened at all is seen.
      if (count > 0) bar.append(std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(count / most * kBar))), letter);
    }
    std::string from = span.value("from", "").substr(0, from_length);
    std::replace(from.begin(), from.end(), 'T', ' ');
    std::printf("%s %8.0f %s\n", from.c_str(), total(span), bar.c_str());
  }
  std::string legend;
  for (const auto& [name, letter] : letters) legend += std::string(1, letter) + " " + name + "  ";
  std::printf("%s\n", legend.c_str());
}

void print_endings(const json& totals, const std::string& since) {
  const std::vector<std::pair<std::string, char>> kLetters = {{"mutual", '='}, {"unanswered", '-'}, {"fin", 'f'},      {"rst", 'r'},      {"timeout", 't'},
                                                              {"alert", 'a'},  {"corrupt", 'C'},    {"injected", 'I'}, {"handshake", 'h'}};
  for (const auto& [name, length] : {std::pair("hours", 13), std::pair("days", 10)}) {
    json shown = json::array();
    for (const json& span : totals.value(name, json::array())) {
      if (since.empty() || span.value("from", "") >= since.substr(0, static_cast<std::size_t>(length))) shown.push_back(span);
    }
    if (shown.empty()) continue;
    std::printf("\nendings of all peers, by %s (UTC)\n", std::string(name, std::strlen(name) - 1).c_str());
    print_histogram(shown, kLetters, static_cast<std::size_t>(length));
  }
}

void print_one(const json& peer) {
  std::printf("\n%s\n  first %s, last %s, last that cost something %s\n", peer.value("peer", "").c_str(), peer.value("first", "").c_str(),
              peer.value("last", "").c_str(), peer["last-costly"].is_string() ? peer["last-costly"].get<std::string>().c_str() : "never");
  const json layers = peer.value("layers", json::object());
  for (const auto& [name, count] : layers.items()) std::printf("  %10.1f  %s\n", count.get<double>(), name.c_str());
  print_histogram(peer.value("days", json::array()), {{"mutual", '='}, {"harmless", '-'}, {"costly", '#'}}, 10);
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
  }
  const auto answer = ask(*loaded.config);
  if (!answer) {
    std::cerr << "adieu closures: " << answer.error().message << '\n';
    return answer.error().kind == ErrorKind::permission ? kFailed : kTemporary;
  }
  std::istringstream lines(*answer);
  std::string line;
  std::getline(lines, line);
  const json totals = json::parse(line, nullptr, false);
  if (totals.is_discarded() || totals.contains("error")) {
    std::cerr << "adieu closures: the relay that runs does not know this command\n";
    return kFailed;
  }
  std::vector<Row> rows;
  const std::string wanted = to_ascii_lower(command.peer);
  while (std::getline(lines, line)) {
    json peer = json::parse(line, nullptr, false);
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
    std::cout << "no peer\n";
    return kOk;
  }
  print_peers(rows, command.all);
  if (command.peer.empty()) {
    print_endings(totals, since);
  } else {
    for (std::size_t i = 0; i < std::min(rows.size(), kShown); ++i) print_one(rows[i].peer);
  }
  std::fflush(stdout);
  return kOk;
}

}  // namespace adieu::cli
