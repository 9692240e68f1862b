// `adieu queue list|show|retry`: asks the running relay by its control socket. See commands.h.
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "adieu/base/bytes.h"
#include "cli/commands.h"
#include "daemon/control.h"

namespace adieu::cli {
namespace {

using nlohmann::json;

/// For a terminal, which obeys control characters: names in DNS and what next hops say may hold any.
std::string shown(const std::string& text) { return printable(text, 2048); }

void print_message(const json& message, bool whole) {
  const auto text = [&](const char* field) { return shown(message.value(field, std::string())); };
  std::cout << text("queue-id") << "  " << text("arrived") << "  " << message.value("size", 0) << "  <" << text("from") << ">\n";
  for (const json& recipient : message.value("recipients", json::array())) {
    std::cout << "    <" << shown(recipient.get<std::string>()) << ">\n";
  }
  std::cout << "    to " << text("destination") << ", " << message.value("attempts", 0) << " attempts, next " << text("next-attempt") << '\n';
  if (!text("reason").empty()) std::cout << "    " << text("reason") << '\n';
  if (whole) std::cout << "    from client " << text("client") << '\n';
}

}  // namespace

int queue(const std::string& policy_file, const QueueCommand& command) {
  const config::Loaded loaded = load_and_tell(policy_file);
  if (!loaded.config) return kConfiguration;
  json request = {{"command", command.verb == "retry" ? "retry" : "list"}};
  if (!command.queue_id.empty()) request["queue-id"] = command.queue_id;
  const auto answer = daemon::ask_relay(loaded.config->control_socket, request.dump());
  if (!answer) {
    std::cerr << "adieu queue: " << answer.error().message << " (is the relay running with this policy file?)\n";
    return answer.error().kind == ErrorKind::permission ? kFailed : kTemporary;
  }
  std::istringstream lines(*answer);
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const json message = json::parse(line, nullptr, false);
    if (!message.is_object()) {
      std::cerr << "adieu queue: not an answer: " << printable(line) << '\n';
      return kFailed;
    }
    if (message.contains("error")) {
      std::cerr << "adieu queue: " << message.value("error", "") << '\n';
      return kFailed;
    }
    if (command.json) {
      std::cout << line << '\n';
    } else if (command.verb == "retry") {
      std::cout << message.value("retried", 0) << " deliveries are tried now\n";
    } else {
      print_message(message, command.verb == "show");
    }
  }
  if (command.verb == "show" && count == 0) {
    std::cerr << "adieu queue: no message " << command.queue_id << " waits (one that is being delivered this moment is not listed)\n";
    return kFailed;
  }
  if (command.verb == "list" && !command.json) std::cout << (count == 0 ? "the queue is empty\n" : "");
  return kOk;
}

}  // namespace adieu::cli
