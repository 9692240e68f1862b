// See relay.h: what the control socket is asked. A request is one JSON object, an answer is JSON lines; an error is {"error": "…"}.
#include <algorithm>
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
          {"stored", site.stored ? json(rfc3339(*site.stored)) : json()},
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

constexpr std::size_t kMessages = 500;  // looked at in one part of a list

}  // namespace

/// How far a walk through the spool has come.
struct Relay::Listing {
  deliver::ListFilter filter;
  spool::MessageId after{};
  bool at_end = false;
  std::size_t count = 0;
};

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
  const auto listing = std::make_shared<Listing>();
  listing->filter = *filter;
  if (filter->id) listing->after = {filter->id->value - 1};
  if (command == "retry") {
    return [this, listing](const std::function<void(Control::Part)>& give) {
      retry_on(listing, [give](std::string lines) { give({std::move(lines), true}); });
    };
  }
  return [this, listing](const std::function<void(Control::Part)>& give) {
    list_on(listing, [listing, give](Result<std::vector<deliver::Listed>> found) {
      if (!found) {
        give({line_of({{"error", found.error().message}}), true});
        return;
      }
      std::string lines;
      for (const deliver::Listed& each : *found) lines += line_of(describe(each));
      give({std::move(lines), listing->at_end});
    });
  };
}

/// The next messages of the spool, as far as they are asked for. A worker reads them; each shard says what it knows of those that are its own.
void Relay::list_on(const std::shared_ptr<Listing>& listing, std::function<void(Result<std::vector<deliver::Listed>>)> then) {
  spool_->list(listing->after, listing->filter.id ? 1 : kMessages, loop_, [this, listing, then = std::move(then)](Result<std::vector<spool::Listed>> stored) {
    if (!stored) {
      then(tl::unexpected<Error>(std::move(stored.error())));
      return;
    }
    listing->at_end = stored->empty() || listing->filter.id;
    if (!stored->empty()) listing->after = stored->back().head->id;
    struct Parts {
      std::vector<std::vector<deliver::Listed>> of_shards;
      std::size_t left = 0;
    };
    const auto parts = std::make_shared<Parts>();
    parts->of_shards.resize(shards_.size());
    parts->left = shards_.size();
    for (const spool::Listed& each : *stored) {
      deliver::Listed listed = deliver::listed(each);
      if (listing->filter.matches_stored(listed)) parts->of_shards[shard_number(listed.destination)].push_back(std::move(listed));
    }
    for (std::size_t number = 0; number < shards_.size(); ++number) {
      Shard& shard = *shards_[number];
      shard.executor().post([this, &shard, number, parts, listing, then] {
        shard.delivery().complete(parts->of_shards[number]);
        loop_.post([parts, listing, then] {
          if (--parts->left != 0) return;
          std::vector<deliver::Listed> all;
          for (auto& part : parts->of_shards) {
            for (deliver::Listed& each : part) {
              if (listing->filter.matches(each)) all.push_back(std::move(each));
            }
          }
          std::stable_sort(all.begin(), all.end(), [](const auto& left, const auto& right) { return left.head->id < right.head->id; });
          then(std::move(all));
        });
      });
    }
  });
}

/// What waits of the messages from here on is tried now.
void Relay::retry_on(const std::shared_ptr<Listing>& listing, std::function<void(std::string)> reply) {
  list_on(listing, [this, listing, reply = std::move(reply)](Result<std::vector<deliver::Listed>> found) {
    if (!found) {
      reply(line_of({{"error", found.error().message}}));
      return;
    }
    std::vector<std::vector<deliver::Listed>> waiting(shards_.size());
    for (deliver::Listed& each : *found) {
      if (each.state == deliver::Listed::State::waiting) waiting[shard_number(each.destination)].push_back(std::move(each));
    }
    const auto left = std::make_shared<std::size_t>(shards_.size());
    for (std::size_t number = 0; number < shards_.size(); ++number) {
      Shard& shard = *shards_[number];
      shard.executor().post([this, &shard, listing, reply, left, jobs = std::move(waiting[number])]() mutable {
        shard.delivery().retry(std::move(jobs), [this, listing, reply, left](std::size_t count) {
          loop_.post([this, listing, reply, left, count] {
            listing->count += count;
            if (--*left != 0) return;
            if (listing->at_end) {
              reply(line_of({{"retried", listing->count}}));
            } else {
              retry_on(listing, reply);
            }
          });
        });
      });
    }
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

}  // namespace adieu::daemon
