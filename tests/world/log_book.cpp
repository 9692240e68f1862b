// See log_book.h.
#include "log_book.h"

#include <algorithm>
#include <array>

#include "adieu/base/result.h"
#include "adieu/relay/deliver/settling.h"

namespace adieu::world {

void LogBook::write(LogLevel level, std::string_view text) {
  if (traces_) trace.push_back(rfc3339(clock_.wall()) + " " + std::string(text));
  auto parsed = LoggedLine::parse("level=" + std::string(name(level)) + " " + std::string(text));
  check(parsed.has_value(), "a line of the log can be read back");
  LoggedLine& line = *parsed;
  told.add(line);
  const std::string& event = line.event;
  ++events_[event];
  for (auto& [field, value] : line.fields) {
    if (field == "connection") value.insert(0, std::to_string(run_) + "/");
  }
  const std::string connection(line.value("connection"));
  if (!line.value("note").empty()) {  // "the next hop may have it …"
    const std::string_view to = line.value("to");
    ++stories_[std::string(to.substr(1, to.find('@') - 1))].relay_unsure;
  }
  if (event == "closure" || event == "disconnect") recorded.insert(connection);
  if (event == "closure") {
    const std::string client(line.value("client"));
    layers[client.empty() ? connection : client].push_back(line);
  }
  if (event == "reject" && line.value("command") == "CONNECT") {
    ++turned_away;
    if (line.value("limit") == "connections") turned_away_for_all.emplace_back(clock_.now(), line.value("client"));
  }
  if (event == "spool-commit") not_committed.insert(std::string(line.value("queue-id")));
  if (event == "delivered" && not_committed.contains(std::string(line.value("queue-id")))) {
    const std::string_view to = line.value("to");
    delivered_uncommitted.emplace(to.substr(1, to.find('@') - 1));
  }
  if (event == "reject") {
    const std::string client(line.value("client"));
    const auto says = [&](std::string_view words) { return line.value("reply").find(words) != std::string_view::npos; };
    if (says("A NUL stands in")) erring_.insert(client);
    if (says("Too many errors") && !erring_.contains(client)) refused_for_errors.push_back(client);
  }
  if (event == "duplicate") recognised.insert(std::string(line.value("queue-id")));
  note_failures(line);
  const bool judges = event == "deferred" || event == "failed" || event == "back-off" || event == "tried";
  if (judges && text.find(kTooManyOpenFiles) != text.npos) blamed.emplace_back(text);
  constexpr std::array<std::string_view, 6> kOfMessages = {"queued", "revoked", "delivered", "deferred", "failed", "removed"};
  if (std::find(kOfMessages.begin(), kOfMessages.end(), event) == kOfMessages.end()) return;
  messages[std::string(line.value("queue-id"))].push_back(std::move(line));
}

void LogBook::note_failures(const LoggedLine& line) {
  if (line.event == "failed") untold_.emplace(line.value("queue-id"), clock_.now());
  const std::string parent(line.value("parent"));
  const auto first = untold_.find(parent);
  if (line.event != "queued" || first == untold_.end()) return;
  std::set<std::string_view> ended;
  std::string_view recipients;
  for (const LoggedLine& before : messages[parent]) {
    if (before.event == "queued") {  // once more where a clock stepped back and a process was killed: ids come again
      recipients = before.value("nrcpt");
      ended.clear();
    } else if (before.event == "delivered" || before.event == "failed") {
      ended.insert(before.value("to"));
    }
  }
  const bool all_ended = recipients.empty() || std::to_string(ended.size()) == recipients;
  if (!all_ended && clock_.now() - first->second < deliver::Settling::kCollect) told_apart.push_back(parent);
  untold_.erase(first);
}

std::uint64_t LogBook::count(const std::string& event) const {
  const auto found = events_.find(event);
  return found == events_.end() ? 0 : found->second;
}

}  // namespace adieu::world
