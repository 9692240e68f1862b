// See relay.h: what the control socket is asked. A request is one JSON object, an answer is JSON lines; an error is {"error": "…"}.
#include <nlohmann/json.hpp>

#include "daemon/closures_report.h"
#include "daemon/relay.h"

namespace adieu::daemon {
namespace {

using nlohmann::json;

/// Text that may hold octets beyond UTF-8 stays printable.
std::string line_of(const json& object) { return object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"; }

json describe(const queue::Listed& listed) {
  const spool::MessageHead& head = *listed.job.message->head();
  json recipients = json::array();
  for (const std::uint32_t index : listed.job.recipients) recipients.push_back(head.recipients[index].forward_path.text());
  return {{"queue-id", head.id.text()},
          {"arrived", rfc3339(head.arrived)},
          {"size", head.size},
          {"from", head.reverse_path.text()},
          {"recipients", std::move(recipients)},
          {"client", head.client},
          {"destination", listed.destination.text()},
          {"attempts", listed.job.attempts},
          {"next-attempt", rfc3339(listed.next_attempt)},
          {"reason", listed.reason.empty() ? listed.job.last_reply : listed.reason}};
}

/// The member's text; empty where it is none, for anything may be asked, and value() throws at what is of another type.
std::string text_of(const json& object, const char* member) {
  if (!object.is_object()) return {};
  const auto found = object.find(member);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Collects what every shard has to say; the last one gives the whole.
struct Gathering {
  std::size_t left = 0;
  std::string lines;
  std::size_t count = 0;
  std::function<void(std::string)> reply;
};

}  // namespace

void Relay::answer(const std::string& request, std::function<void(std::string)> reply) {
  const json asked = json::parse(request, nullptr, false);
  const std::string command = text_of(asked, "command");
  std::optional<spool::MessageId> id;
  if (asked.is_object() && asked.contains("queue-id")) {
    id = spool::MessageId::parse(text_of(asked, "queue-id"));
    if (!id) {
      reply(line_of({{"error", "not a queue-id"}}));
      return;
    }
  }
  if (command == "list") {
    list(id, std::move(reply));
  } else if (command == "closures") {
    reply(closures_report(closures_.ledger(), std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now())));
  } else if (command == "retry") {
    retry(id, std::move(reply));
  } else {
    reply(line_of({{"error", "unknown command"}}));
  }
}

void Relay::list(std::optional<spool::MessageId> id, std::function<void(std::string)> reply) {
  auto gathering = std::make_shared<Gathering>();
  gathering->left = shards_.size();
  gathering->reply = std::move(reply);
  for (const auto& shard : shards_) {
    shard->executor().post([this, &shard = *shard, id, gathering] {
      std::string lines;
      shard.delivery().queue().for_each([&](const queue::Listed& listed) {
        if (!id || listed.job.message->head()->id == *id) lines += line_of(describe(listed));
      });
      loop_.post([gathering, lines = std::move(lines)] {
        gathering->lines += lines;
        if (--gathering->left == 0) gathering->reply(std::move(gathering->lines));
      });
    });
  }
}

void Relay::retry(std::optional<spool::MessageId> id, std::function<void(std::string)> reply) {
  auto gathering = std::make_shared<Gathering>();
  gathering->left = shards_.size();
  gathering->reply = std::move(reply);
  for (const auto& shard : shards_) {
    shard->executor().post([this, &shard = *shard, id, gathering] {
      const std::size_t count = shard.delivery().retry(id);
      loop_.post([gathering, count] {
        gathering->count += count;
        if (--gathering->left == 0) gathering->reply(line_of({{"retried", gathering->count}}));
      });
    });
  }
}

}  // namespace adieu::daemon
