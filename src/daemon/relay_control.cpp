// See relay.h: what the control socket is asked. A request is one JSON object, an answer is JSON lines; an error is {"error": "…"}.
#include <nlohmann/json.hpp>

#include "daemon/closures_report.h"
#include "daemon/relay.h"

namespace adieu::daemon {
namespace {

using nlohmann::json;

/// Text that may hold octets beyond UTF-8 stays printable.
std::string line_of(const json& object) { return object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"; }

WallTime wall_now() { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

json describe(const deliver::Listed& listed) {
  const spool::MessageHead& head = *listed.head;
  json recipients = json::array();
  for (const std::uint32_t index : listed.recipients) recipients.push_back(head.recipients[index].forward_path.text());
  return {{"queue-id", head.id.text()},
          {"arrived", rfc3339(head.arrived)},
          {"age", std::chrono::duration_cast<std::chrono::seconds>(wall_now() - head.arrived).count()},
          {"size", head.size},
          {"from", head.reverse_path.text()},
          {"recipients", std::move(recipients)},
          {"client", head.client},
          {"destination", listed.destination.text()},
          {"state", deliver::name(listed.state)},
          {"attempts", listed.attempts},
          {"next-attempt", listed.state == deliver::Listed::State::waiting ? json(rfc3339(listed.next_attempt)) : json()},
          {"reason", listed.reason}};
}

/// The member's text; empty where it is none, for anything may be asked, and value() throws at what is of another type.
std::string text_of(const json& object, const char* member) {
  if (!object.is_object()) return {};
  const auto found = object.find(member);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

json describe(const queue::ListedSite& site) {
  const auto doing = [&](queue::Doing what) { return site.connections[static_cast<std::size_t>(what)]; };
  const std::string_view state = site.until ? "backed off" : site.reached ? "reached" : "not reached";
  return {{"destination", site.destination.text()},
          {"next-hop", site.destination.next_hop},
          {"state", state},
          {"due", site.due},
          {"opening", doing(queue::Doing::opening)},
          {"idle", doing(queue::Doing::idling)},
          {"sending", doing(queue::Doing::sending)},
          {"connections", site.limit},
          {"failures", site.failures},
          {"until", site.until ? json(rfc3339(*site.until)) : json()},
          {"reason", site.reason}};
}

/// Errors: what the request holds that nobody can look for.
Result<deliver::ListFilter> filter_of(const json& asked) {
  deliver::ListFilter filter;
  if (asked.contains("queue-id")) {
    filter.id = spool::MessageId::parse(text_of(asked, "queue-id"));
    if (!filter.id) return failure(ErrorKind::invalid, "not a queue-id");
  }
  filter.next_hop = text_of(asked, "next-hop");
  filter.domain = text_of(asked, "domain");
  filter.from = text_of(asked, "from");
  filter.to = text_of(asked, "to");
  filter.reason = text_of(asked, "reason");
  if (asked.contains("state")) {
    using State = deliver::Listed::State;
    for (const State state : {State::waiting, State::due, State::delivering}) {
      if (deliver::name(state) == text_of(asked, "state")) filter.state = state;
    }
    if (!filter.state) return failure(ErrorKind::invalid, "no state of a delivery");
  }
  const auto before = asked.find("arrived-before");
  if (before != asked.end() && before->is_number_integer()) filter.arrived_before = WallTime(Duration(before->get<std::int64_t>()));
  return filter;
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
  if (command == "closures") {
    return whole_answer(closures_report(closures_.ledger(), wall_now()));
  }
  if (command == "destinations") {
    return by_shards<queue::ListedSite, route::Destination>([](deliver::Delivery& delivery, route::Destination& place) {
      auto sites = delivery.destinations(place);
      const bool last = sites.empty();
      if (!last) place = sites.back().destination;
      return std::pair(std::move(sites), last);
    });
  }
  if (command != "list" && command != "retry") return whole_answer(line_of({{"error", "unknown command"}}));
  const auto filter = filter_of(asked);
  if (!filter) return whole_answer(line_of({{"error", filter.error().message}}));
  if (command == "retry") {
    return [this, filter = *filter](const std::function<void(Control::Part)>& give) {
      retry(filter, [give](std::string lines) { give({std::move(lines), true}); });
    };
  }
  using Place = deliver::Delivery::ListPlace;
  return by_shards<deliver::Listed, Place>([filter = *filter](deliver::Delivery& delivery, Place& place) {
    auto entries = delivery.list(place, filter);
    return std::pair(std::move(entries), place.at_end);
  });
}

/// One shard after another, a part at a time: no loop does more in one turn, and the memory of a part is all that is needed. `part`, in the shard's loop:
/// entries, and whether they are its last. What is made of them is made in this loop, which no mail waits for.
template <class Entry, class Place>
Control::Answer Relay::by_shards(std::function<std::pair<std::vector<Entry>, bool>(deliver::Delivery&, Place&)> part) {
  struct Progress {
    std::size_t shard = 0;
    Place place;
  };
  return [this, part = std::move(part), progress = std::make_shared<Progress>()](const std::function<void(Control::Part)>& give) {
    if (progress->shard == shards_.size()) {
      give({{}, true});
      return;
    }
    Shard& shard = *shards_[progress->shard];
    shard.executor().post([this, &shard, part, progress, give] {
      loop_.post([progress, give, made = part(shard.delivery(), progress->place)] {
        const auto& [entries, last] = made;
        if (last) {
          ++progress->shard;
          progress->place = {};
        }
        std::string lines;
        for (const Entry& entry : entries) lines += line_of(describe(entry));
        give({std::move(lines), false});
      });
    });
  };
}

void Relay::retry(const deliver::ListFilter& filter, std::function<void(std::string)> reply) {
  auto gathering = std::make_shared<Gathering>();
  gathering->left = shards_.size();
  gathering->reply = std::move(reply);
  for (const auto& shard : shards_) {
    shard->executor().post([this, &shard = *shard, filter, gathering] {
      const std::size_t count = shard.delivery().retry(filter);
      loop_.post([gathering, count] {
        gathering->count += count;
        if (--gathering->left == 0) gathering->reply(line_of({{"retried", gathering->count}}));
      });
    });
  }
}

}  // namespace adieu::daemon
