// `adieu queue`: asks the running relay by its control socket. See commands.h.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "adieu/base/bytes.h"
#include "adieu/relay/config/settings.h"
#include "cli/commands.h"
#include "cli/queue_summary.h"
#include "daemon/control.h"

namespace adieu::cli {
namespace {

using nlohmann::json;

/// For a terminal, which obeys control characters: names in DNS and what next hops say may hold any.
std::string shown(const std::string& text) { return printable(text, 2048); }

void print_message(const json& message, bool whole) {
  const auto text = [&](const char* field) {
    const auto found = message.find(field);
    return found != message.end() && found->is_string() ? shown(found->get<std::string>()) : std::string();
  };
  std::cout << text("queue-id") << "  " << text("arrived") << "  " << message.value("size", 0) << "  <" << text("from") << ">\n";
  for (const json& recipient : message.value("recipients", json::array())) {
    std::cout << "    <" << shown(recipient.get<std::string>()) << ">\n";
  }
  std::cout << "    to " << text("destination") << ", " << text("state") << ", " << message.value("attempts", 0) << " attempts";
  if (!text("next-attempt").empty()) std::cout << ", next " << text("next-attempt");
  std::cout << '\n';
  if (!text("reason").empty()) std::cout << "    " << text("reason") << '\n';
  if (whole) std::cout << "    from client " << text("client") << '\n';
}

constexpr std::size_t kDestinations = 20;  // in a summary

void print_destination(const json& site) {
  std::array<char, 160> numbers{};
  std::snprintf(numbers.data(), numbers.size(), "%6d on their way %4d of %d connections (%d opening, %d idle)", site.value("due", 0),
                site.value("opening", 0) + site.value("idle", 0) + site.value("sending", 0), site.value("connections", 0), site.value("opening", 0),
                site.value("idle", 0));
  std::cout << shown(site.value("destination", "")) << "  " << site.value("state", "") << '\n' << numbers.data() << '\n';
  if (site["stored"].is_string()) std::cout << "       others are in the spool, the first due " << site["stored"].get<std::string>() << '\n';
  if (!site["until"].is_string()) return;
  std::cout << "       not tried until " << site["until"].get<std::string>() << ", after " << site.value("failures", 0)
            << " failures in a row: " << shown(site.value("reason", "")) << '\n';
}

/// The first of them by a member, at most `limit` (0: all); in the memory of twice as many.
class Sorted {
 public:
  Sorted(std::string by, std::size_t limit) : by_(std::move(by)), limit_(limit) {}
  void add(json entry) {
    entries_.push_back(std::move(entry));
    if (limit_ != 0 && entries_.size() > 2 * limit_) sort();
  }
  const std::vector<json>& sort() {
    std::stable_sort(entries_.begin(), entries_.end(), [this](const json& left, const json& right) { return left.value(by_, json()) < right.value(by_, json()); });
    if (limit_ != 0 && entries_.size() > limit_) entries_.resize(limit_);
    return entries_;
  }

 private:
  const std::string by_;
  const std::size_t limit_;
  std::vector<json> entries_;
};

/// What the relay is asked. Errors: what cannot be asked.
Result<json> request_of(const QueueCommand& command) {
  json request = {{"command", command.verb}};
  if (command.verb == "show" || command.verb == "summary" || command.dry_run) request["command"] = "list";
  for (const auto& [member, value] : {std::pair("queue-id", &command.queue_id), std::pair("next-hop", &command.next_hop), std::pair("domain", &command.domain),
                                      std::pair("from", &command.from), std::pair("to", &command.to), std::pair("state", &command.state),
                                      std::pair("reason", &command.reason)}) {
    if (!value->empty()) request[member] = *value;
  }
  if (command.older_than.empty()) return request;
  const auto age = config::parse_duration(command.older_than);
  if (!age) return failure(ErrorKind::invalid, "--older-than: expected a duration such as 12h or 7d, found " + command.older_than);
  const auto now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  request["arrived-before"] = (now - *age).time_since_epoch().count();
  return request;
}

}  // namespace

int queue(const std::string& policy_file, const QueueCommand& command) {
  const config::Loaded loaded = load_and_tell(policy_file);
  if (!loaded.config) return kConfiguration;
  const auto request = request_of(command);
  if (!request) {
    std::cerr << "adieu queue: " << request.error().message << '\n';
    return kUsage;
  }
  std::size_t count = 0;
  std::string wrong;
  QueueSummary summary;
  Sorted sorted(command.sort, command.limit);
  const auto print = [&](const json& entry) {
    if (command.json) {
      std::cout << entry.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
    } else if (command.verb == "destinations") {
      print_destination(entry);
    } else {
      print_message(entry, command.verb == "show");
    }
  };
  const auto take = [&](json entry) {
    if (command.verb != "retry") ++count;
    if (command.verb == "summary") {
      summary.add(entry.value("destination", ""), std::chrono::seconds(entry.value("age", 0)), entry.value("recipients", json::array()).size());
    } else if (command.verb == "retry") {
      count += command.dry_run ? static_cast<std::size_t>(entry.value("state", "") == "waiting") : entry.value("retried", std::size_t{0});
    } else if (!command.sort.empty()) {
      sorted.add(std::move(entry));
    } else {
      print(entry);
    }
  };
  const auto on_line = [&](std::string_view line) {
    json answer = json::parse(line, nullptr, false);
    if (!answer.is_object()) {
      wrong = "not an answer: " + printable(line);
    } else if (answer.contains("error")) {
      wrong = answer.value("error", "");
    } else {
      take(std::move(answer));
    }
    const bool enough = command.limit != 0 && command.sort.empty() && count == command.limit;
    return wrong.empty() && !enough && std::cout.good();  // where nobody reads on, main says so
  };
  const auto asked = daemon::ask_relay(loaded.config->control_socket, request->dump(), on_line);
  if (!asked) {
    std::cerr << "adieu queue: " << asked.error().message << " (is the relay running with this policy file?)\n";
    return asked.error().kind == ErrorKind::permission ? kFailed : kTemporary;
  }
  if (!wrong.empty()) {
    std::cerr << "adieu queue: " << wrong << '\n';
    return kFailed;
  }
  if (command.verb == "show" && count == 0) {
    std::cerr << "adieu queue: no message " << command.queue_id << " is in the queue\n";
    return kFailed;
  }
  if (command.verb == "summary") {
    std::cout << (command.json ? summary.json_lines() : summary.table(command.all ? std::size_t(-1) : kDestinations));
  } else if (command.verb == "retry") {
    std::cout << count << " deliveries " << (command.dry_run ? "would be" : "are") << " tried now\n";
  } else if (!command.sort.empty()) {
    for (const json& entry : sorted.sort()) print(entry);
  }
  const bool nothing = count == 0 && !command.json;
  if (nothing && command.verb == "list") std::cout << (request->size() == 1 ? "the queue is empty\n" : "nothing in the queue is like that\n");
  if (nothing && command.verb == "destinations") std::cout << "no destination has anything due, a connection or a failure to remember\n";
  return kOk;
}

}  // namespace adieu::cli
