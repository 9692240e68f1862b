// See queue_summary.h.
#include "cli/queue_summary.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>
#include <vector>

namespace adieu::cli {
namespace {

constexpr std::int64_t kFirst = 5;        // minutes
constexpr std::size_t kBar = 20;
constexpr std::size_t kName = 40;         // octets of a destination in the table

std::size_t age_of(Duration age) {
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(age).count();
  std::size_t at = 0;
  for (std::int64_t end = kFirst; minutes >= end && at + 1 < QueueSummary::kAges; end *= 2) ++at;
  return at;
}

std::string heading(std::size_t age) {
  const std::int64_t last = kFirst << (QueueSummary::kAges - 2);
  return age + 1 == QueueSummary::kAges ? std::to_string(last) + "+" : std::to_string(kFirst << age);
}

std::uint64_t total(const QueueSummary::Ages& ages) { return std::accumulate(ages.begin(), ages.end(), std::uint64_t{0}); }

/// A bar as long as its part of the whole, at least one octet for what is there at all.
std::string bar(std::uint64_t part, std::uint64_t whole) {
  if (part == 0) return {};
  const auto length = static_cast<std::size_t>(std::lround(static_cast<double>(part) / static_cast<double>(whole) * kBar));
  return std::string(std::max<std::size_t>(1, length), '#');
}

std::string row(std::string name, const std::string& sum, const std::array<std::string, QueueSummary::kAges>& cells, const std::string& end) {
  if (name.size() > kName) name.replace(kName - 3, std::string::npos, "...");
  std::string out = name + std::string(kName - name.size(), ' ');
  const auto cell = [&](const std::string& text, std::size_t width) { out += std::string(width - std::min(width, text.size()), ' ') + text; };
  cell(sum, 9);
  for (const std::string& each : cells) cell(each, 7);
  return out + (end.empty() ? "" : "  " + end) + "\n";
}

std::string row(const std::string& name, const QueueSummary::Ages& ages, std::uint64_t whole) {
  std::array<std::string, QueueSummary::kAges> cells;
  for (std::size_t i = 0; i < ages.size(); ++i) cells[i] = std::to_string(ages[i]);
  return row(name, std::to_string(total(ages)), cells, bar(total(ages), whole));
}

}  // namespace

void QueueSummary::add(const std::string& destination, Duration age, std::uint64_t recipients) { by_destination_[destination][age_of(age)] += recipients; }

std::string QueueSummary::table(std::size_t most) const {
  if (by_destination_.empty()) return "the queue is empty\n";
  std::vector<std::pair<std::string, Ages>> sorted(by_destination_.begin(), by_destination_.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& left, const auto& right) { return total(left.second) > total(right.second); });
  Ages sum{};
  for (const auto& [destination, ages] : sorted) {
    for (std::size_t i = 0; i < ages.size(); ++i) sum[i] += ages[i];
  }
  std::array<std::string, kAges> headings;
  for (std::size_t i = 0; i < kAges; ++i) headings[i] = heading(i);
  std::string out = row("recipients by minutes since they came", "all", headings, {});
  out += row("TOTAL", sum, total(sum));
  for (std::size_t i = 0; i < std::min(most, sorted.size()); ++i) out += row(sorted[i].first, sorted[i].second, total(sum));
  if (sorted.size() > most) out += std::to_string(sorted.size() - most) + " more; --all shows them\n";
  return out;
}

std::string QueueSummary::json_lines() const {
  std::string out;
  for (const auto& [destination, ages] : by_destination_) {
    nlohmann::json minutes = nlohmann::json::object();
    for (std::size_t i = 0; i < ages.size(); ++i) minutes[heading(i)] = ages[i];
    out += nlohmann::json({{"destination", destination}, {"recipients", total(ages)}, {"minutes", std::move(minutes)}})
               .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
           "\n";
  }
  return out;
}

}  // namespace adieu::cli
