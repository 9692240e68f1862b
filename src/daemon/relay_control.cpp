// See relay.h: what the control socket is asked. A request is one JSON object, an answer is JSON lines; an error is {"error": "…"}.
#include <nlohmann/json.hpp>

#include "daemon/closures_report.h"
#include "daemon/relay.h"

namespace adieu::daemon {
namespace {

using nlohmann::json;

/// Text that may hold octets beyond UTF-8 stays printable.
std::string line_of(const json& object) { return object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"; }

std::string_view name(deliver::Delivery::Listed::State state) {
  switch (state) {
    case deliver::Delivery::Listed::State::waiting: return "waiting";
    case deliver::Delivery::Listed::State::due: return "due";
    case deliver::Delivery::Listed::State::delivering: return "delivering";
  }
  return "unknown";
}

json describe(const deliver::Delivery::Listed& listed) {
  const spool::MessageHead& head = *listed.head;
  json recipients = json::array();
  for (const std::uint32_t index : listed.recipients) recipients.push_back(head.recipients[index].forward_path.text());
  return {{"queue-id", head.id.text()},
          {"arrived", rfc3339(head.arrived)},
          {"size", head.size},
          {"from", head.reverse_path.text()},
          {"recipients", std::move(recipients)},
          {"client", head.client},
          {"destination", listed.destination},
          {"state", name(listed.state)},
          {"attempts", listed.attempts},
          {"next-attempt", listed.state == deliver::Delivery::Listed::State::waiting ? json(rfc3339(listed.next_attempt)) : json()},
          {"reason", listed.reason}};
}

/// The member's text; empty where it is none, for anything may be asked, and value() throws at what is of another type.
std::string text_of(const json& object, const char* member) {
  if (!object.is_object()) return {};
  const auto found = object.find(member);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Adds up what every shard has to say; the last one gives the sum.
struct Gathering {
  std::size_t left = 0;
  std::size_t count = 0;
  std::function<void(std::string)> reply;
};

}  // namespace

Control::Answer Relay::answer(const std::string& request) {
  const json asked = json::parse(request, nullptr, false);
  const std::string command = text_of(asked, "command");
  std::optional<spool::MessageId> id;
  if (asked.is_object() && asked.contains("queue-id")) {
    id = spool::MessageId::parse(text_of(asked, "queue-id"));
    if (!id) return whole_answer(line_of({{"error", "not a queue-id"}}));
  }
  if (command == "list") {
    return list(id);
  }
  if (command == "retry") {
    return [this, id](const std::function<void(Control::Part)>& give) { retry(id, [give](std::string lines) { give({std::move(lines), true}); }); };
  }
  if (command == "closures") {
    return whole_answer(closures_report(closures_.ledger(), std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now())));
  }
  return whole_answer(line_of({{"error", "unknown command"}}));
}

/// One shard after another, a few entries at a time: no loop does more in one turn, and the memory of a part is all that is needed.
Control::Answer Relay::list(std::optional<spool::MessageId> id) {
  struct Progress {
    std::size_t shard = 0;
    deliver::Delivery::ListPlace place;
  };
  return [this, id, progress = std::make_shared<Progress>()](const std::function<void(Control::Part)>& give) {
    if (progress->shard == shards_.size()) {
      give({{}, true});
      return;
    }
    Shard& shard = *shards_[progress->shard];
    shard.executor().post([this, &shard, id, progress, give] {
      std::vector<deliver::Delivery::Listed> entries = shard.delivery().list(progress->place, id);
      loop_.post([progress, give, entries = std::move(entries)] {
        if (progress->place.at_end) {
          ++progress->shard;
          progress->place = {};
        }
        std::string lines;
        for (const deliver::Delivery::Listed& entry : entries) lines += line_of(describe(entry));
        give({std::move(lines), false});
      });
    });
  };
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
