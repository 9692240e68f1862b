// `adieu queue list|show|retry`: asks the running relay by its control socket. See commands.h.
#include <iostream>
#include <nlohmann/json.hpp>

#include "adieu/base/bytes.h"
#include "cli/commands.h"
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

}  // namespace

int queue(const std::string& policy_file, const QueueCommand& command) {
  const config::Loaded loaded = load_and_tell(policy_file);
  if (!loaded.config) return kConfiguration;
  json request = {{"command", command.verb == "retry" ? "retry" : "list"}};
  if (!command.queue_id.empty()) request["queue-id"] = command.queue_id;
  std::size_t count = 0;
  std::string wrong;
  const auto on_line = [&](std::string_view line) {
    const json message = json::parse(line, nullptr, false);
    if (!message.is_object()) {
      wrong = "not an answer: " + printable(line);
    } else if (message.contains("error")) {
      wrong = message.value("error", "");
    } else if (command.json) {
      std::cout << line << '\n';
    } else if (command.verb == "retry") {
      std::cout << message.value("retried", 0) << " deliveries are tried now\n";
    } else {
      print_message(message, command.verb == "show");
    }
    ++count;
    return wrong.empty() && std::cout.good();  // nobody reads on: main says so
  };
  const auto asked = daemon::ask_relay(loaded.config->control_socket, request.dump(), on_line);
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
  if (command.verb == "list" && !command.json && count == 0) std::cout << "the queue is empty\n";
  return kOk;
}

}  // namespace adieu::cli
