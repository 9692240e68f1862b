// See judge.h.
#include "judge.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "adieu/relay/observe/events.h"

namespace adieu::world {
namespace {

using Faults = std::vector<std::string>;

/// For good is for good: nobody waits for such a failure until the relay gives up, which is twenty days in the world's policy.
constexpr Duration kSoon = std::chrono::hours(24 * 10);
/// The policy's `command-timeout`, for a command to begin and again for the whole of it, and a little.
constexpr Duration kLongestHeld = std::chrono::minutes(11);

/// `notification_unsure`: attempts to deliver notifications about the message that may have arrived.
void judge_story(const std::string& recipient, const Story& story, std::uint64_t notification_unsure, const Facts& facts, Faults& faults) {
  const bool nothing_lost = facts.lost == 0 && facts.crashes == 0;
  const auto fault = [&](const std::string& what) { faults.push_back(what + ": " + recipient); };
  const std::uint64_t arrived = story.stored + story.notified;
  if (story.acknowledged != 0 && arrived == 0) fault("acknowledged and lost");
  // Only what carries a Message-ID may be (R12).
  if ((nothing_lost || !story.has_id) && arrived < story.acknowledged) fault("taken for one that came before");
  if (story.acknowledged != 0 && story.stored == 0 && !story.refused) fault("a failure was told of what nobody refused");
  if (story.altered) fault("altered on its way");
  if (story.has_nul && (story.acknowledged != 0 || arrived != 0)) fault("taken with a NUL in it");
  if (story.undeclared) fault("8-bit octets that the next hop was not told of");
  if (story.refused && story.stored != 0) fault("stored where it is refused");
  if (story.refused && story.acknowledged_at && story.notified_at && *story.notified_at - *story.acknowledged_at > kSoon) fault("a failure was told late");
  const bool was_found = facts.crashes != 0 && facts.log.delivered_uncommitted.contains(recipient);
  if (story.acknowledged == 0 && arrived != 0 && story.client_unsure == 0 && !was_found) fault("delivered, and never acknowledged");
  // A crash may undo what is known of each of those that it meant to send.
  const std::uint64_t meant = std::max<std::uint64_t>(story.acknowledged, 1);
  const std::uint64_t most = meant * (1 + facts.crashes) + story.client_unsure + story.relay_unsure + notification_unsure;
  if (arrived > most) {
    fault("more copies than can be explained");
    faults.back() += ", " + std::to_string(arrived) + " and not " + std::to_string(most);
  }
}

std::string words(const std::vector<std::string_view>& each) {
  std::string text;
  for (const std::string_view word : each) text.append(text.empty() ? "" : " ").append(word);
  return text;
}
std::string words(const std::vector<std::string>& each) { return "(" + words(std::vector<std::string_view>(each.begin(), each.end())) + ")"; }

std::vector<std::string> endings_of(const std::vector<LoggedLine>& records) {
  std::vector<std::string> endings;
  for (const LoggedLine& record : records) endings.emplace_back(record.value("ending"));
  return endings;
}

std::vector<std::string> endings_of(const Sight& sight) {
  std::vector<std::string> endings;
  for (const tls::Ending ending : sight.endings) endings.emplace_back(tls::name(ending));
  return endings;
}

bool is_end(const LoggedLine& line) { return line.event == "delivered" || line.event == "failed"; }

/// A message, by the lines that have its queue-id.
class MessageLines {
 public:
  explicit MessageLines(const std::vector<LoggedLine>& lines) : lines_(lines) {}

  std::size_t count(const char* event) const {
    return static_cast<std::size_t>(
        std::count_if(lines_.begin(), lines_.end(), [event](const LoggedLine& line) { return line.event == event; }));
  }
  std::size_t ends(const std::string& to) const {
    return static_cast<std::size_t>(
        std::count_if(lines_.begin(), lines_.end(), [&](const LoggedLine& line) { return is_end(line) && line.value("to") == to; }));
  }
  /// What is wrong with it as a story of a relay that nobody killed; empty: nothing.
  std::string fault() const {
    if (lines_.front().event != "queued" || count("queued") != 1) return "a message does not begin with the line that queues it";
    if (count("revoked") != 0) return lines_.size() == 2 ? "" : "a revoked message goes on";
    if (count("removed") != 1 || lines_.back().event != "removed") return "a message does not end with the line that removes it";
    std::set<std::string> ended;
    for (const LoggedLine& line : lines_) {
      const std::string& event = line.event;
      if ((event == "deferred" && !line.value("dsn").starts_with('4')) || (event == "failed" && !line.value("dsn").starts_with('5'))) {
        return "an attempt's outcome is not of its status' class";
      }
      const std::string to(line.value("to"));
      if (ended.contains(to)) return "a recipient is tried again behind its end";
      if (is_end(line)) ended.insert(to);
    }
    if (std::to_string(ended.size()) != lines_.front().value("nrcpt")) return "not each recipient has an end";
    return "";
  }

 private:
  const std::vector<LoggedLine>& lines_;
};

}  // namespace

void judge_stories(const Facts& facts, Faults& faults) {
  for (const auto& [recipient, story] : facts.stories) {
    const std::size_t dot = recipient.find('.');
    if (dot == recipient.npos) continue;  // whom notifications go to
    const auto told = facts.stories.find(recipient.substr(0, dot));
    const bool nothing_hindered = facts.lost == 0 && facts.crashes == 0 && !facts.spool_was_in_trouble;
    if (story.acknowledged == 0 && nothing_hindered && !story.has_nul) faults.push_back("given up, and no connection was lost: " + recipient);
    judge_story(recipient, story, told == facts.stories.end() ? 0 : told->second.relay_unsure, facts, faults);
  }
}

void judge_layers(const Facts& facts, Faults& faults) {
  faults.insert(faults.end(), facts.witness.faults.begin(), facts.witness.faults.end());
  // Servers name the client's endpoint, which no two connections share; of a next hop's connections only the port there is known.
  std::map<std::string, std::vector<std::string>> by_client;
  std::map<std::string, std::multiset<std::vector<std::string>>> told;
  std::map<std::string, std::multiset<std::vector<std::string>>> seen;
  for (const LogBook* book : {&facts.log, &facts.hops}) {
    for (const auto& [connection, records] : book->layers) {
      const std::string relay(records.front().value("relay"));
      if (relay.empty()) {
        by_client[connection] = endings_of(records);
      } else {
        told[relay.substr(relay.find('['))].insert(endings_of(records));
      }
    }
  }
  // A record is written when S has gone: a process that was killed in between leaves none of octets that came behind R.
  const auto without_last = [](std::vector<std::string> endings) {
    endings.pop_back();
    return endings;
  };
  std::vector<const Sight*> unsure;
  for (const auto& sight : facts.witness.all()) {
    const std::vector<std::string> endings = endings_of(*sight);
    const bool is_unsure = sight->killed && !sight->endings.empty() && sight->endings.back() == tls::Ending::injected;
    if (sight->accepted) {
      const std::string client = observe::client_text(sight->remote);
      if (by_client[client] != endings && !(is_unsure && by_client[client] == without_last(endings))) {
        faults.push_back("closure records do not tell what was seen: of " + client + " " + words(by_client[client]) + ", seen " + words(endings));
      }
    } else if (sight->local.address == facts.relay && is_unsure) {
      unsure.push_back(sight.get());
    } else if (sight->local.address == facts.relay && !endings.empty()) {
      seen[observe::client_text(sight->remote)].insert(endings);
    }
  }
  for (const Sight* sight : unsure) {
    const std::string hop = observe::client_text(sight->remote);
    std::vector<std::string> endings = endings_of(*sight);
    if (told[hop].count(endings) == seen[hop].count(endings)) endings.pop_back();
    if (!endings.empty()) seen[hop].insert(endings);
  }
  for (const auto& [hop, endings] : seen) {
    const auto& of_hop = told[hop];
    for (const auto& each : std::set(endings.begin(), endings.end())) {
      if (of_hop.count(each) == endings.count(each)) continue;
      faults.push_back("closure records do not tell what was seen: of connections to " + hop + ", " + words(each) + " told " + std::to_string(of_hop.count(each)) +
                       " times, seen " + std::to_string(endings.count(each)));
    }
  }
  if (told != seen) faults.push_back("closure records do not tell what was seen: of connections to next hops");
}

void judge_clients(const Facts& facts, Faults& faults) {
  std::vector<const Sight*> trusted;
  for (const auto& sight : facts.witness.all()) {
    if (!sight->accepted || sight->local.address != facts.relay) continue;
    if (facts.trusted.contains(sight->remote.address)) {
      trusted.push_back(sight.get());
    } else if (const Duration held = *sight->ended - sight->began; held > kLongestHeld) {
      faults.push_back("it held a connection for longer than it may: " + sight->remote.text() + " for " + to_text(held));
    }
  }
  for (const auto& [when, client] : facts.log.turned_away_for_all) {
    const auto is_it = [&client = client](const Sight* sight) { return observe::client_text(sight->remote) == client; };
    const bool is_trusted = std::any_of(trusted.begin(), trusted.end(), is_it);
    const bool another_is_there = std::any_of(trusted.begin(), trusted.end(), [&, when = when](const Sight* sight) {
      return !is_it(sight) && sight->began <= when && *sight->ended >= when;
    });
    if (is_trusted && !another_is_there) faults.push_back("a trusted client was turned away, and none was there: " + client);
  }
}

void judge_log(const Facts& facts, Faults& faults) {
  for (const std::string& line : facts.log.blamed) faults.push_back("in the log, others pay for the descriptors that the relay lacked: " + line);
  for (const std::string& id : facts.log.told_apart) faults.push_back("in the log, failures that come together are told apart: " + id);
  for (const std::string& client : facts.log.refused_for_errors) {
    const bool made_them = facts.witness.tls_required || client.find(facts.rude.text()) != client.npos;
    if (!made_them) faults.push_back("a client that made no errors was told of too many: " + client);
  }
  std::set<std::string> killed;  // clients of connections that ended with their process
  for (const auto& sight : facts.witness.all()) {
    if (sight->killed) killed.insert(observe::client_text(sight->remote));
  }
  std::set<std::string> failed;  // queue-ids
  for (const auto& [id, lines] : facts.log.messages) {
    const MessageLines message(lines);
    if (message.count("failed") != 0) failed.insert(id);
    if (facts.crashes == 0) {
      if (const std::string fault = message.fault(); !fault.empty()) faults.push_back("in the log, " + fault + ": " + id);
    }
    const LoggedLine& first = lines.front();
    if (first.event != "queued") continue;
    const std::string connection(first.value("connection"));
    if (!connection.empty() && !killed.contains(std::string(first.value("client"))) && !facts.log.recorded.contains(connection)) {
      faults.push_back("in the log, no record of the connection that brought a message: " + id + " by " + connection);
    }
    if (connection.empty() && !facts.log.messages.contains(std::string(first.value("parent")))) {
      faults.push_back("in the log, a notification has no message that it is about: " + id);
    }
  }
  for (const auto& [id, lines] : facts.log.messages) {
    const std::string parent(lines.front().value("parent"));
    if (!parent.empty() && !failed.contains(parent)) faults.push_back("in the log, a notification tells of no failure: " + id);
  }
  for (const observe::Story& story : facts.log.told.stories()) {
    const bool ended = story.revoked || (story.left && story.recipients.size() == story.recipients_in_all &&
                                         std::all_of(story.recipients.begin(), story.recipients.end(), [](const auto& recipient) {
                                           return recipient.state == "delivered" || recipient.state == "failed";
                                         }));
    const bool was_queued = story.recipients_in_all != 0 && !story.queue_id.empty();
    if (facts.crashes == 0 && was_queued && !ended) {
      faults.push_back("in the log, `adieu message` finds no end: " + story.queue_id + " " + story.ending());
    }
  }
  // Whatever happened to the relay: what a client was given an id for has its story.
  for (const auto& [recipient, story] : facts.stories) {
    for (const auto& [id, to] : story.queue_ids) {
      const auto found = facts.log.messages.find(id);
      // A crash came between its commit and the line that tells of it, or its commit had failed, and the client's second try was recognised (R12).
      const bool was_found = facts.crashes != 0 && facts.log.recognised.contains(id);
      if (found == facts.log.messages.end() || (found->second.front().event != "queued" && !was_found)) {
        faults.push_back("in the log, an acknowledged message was not queued: " + id);
      } else if (MessageLines(found->second).ends(to) == 0) {
        faults.push_back("in the log, an acknowledged recipient has no end: " + id + " " + to);
      }
    }
  }
}

void judge_waits(const Facts& facts, std::string_view domain, Duration longest, Faults& faults) {
  for (const auto& [recipient, story] : facts.stories) {
    if (!story.acknowledged_at || !story.stored_at || *story.stored_at - *story.acknowledged_at <= longest) continue;
    const bool is_there = std::any_of(story.queue_ids.begin(), story.queue_ids.end(),
                                      [&](const auto& id) { return id.second.ends_with("@" + std::string(domain) + ">"); });
    if (is_there) faults.push_back("it waited for others: " + recipient + " for " + to_text(*story.stored_at - *story.acknowledged_at));
  }
}

void judge_counts(const Facts& facts, const observe::Metrics& metrics, const observe::Ledger& ledger, Faults& faults) {
  const auto equal = [&](const char* what, std::uint64_t counted, std::uint64_t happened) {
    if (counted == happened) return;
    faults.push_back(std::string("the relay miscounts ") + what + ": " + std::to_string(counted) + ", and there were " + std::to_string(happened));
  };
  const auto within = [&](const char* what, std::uint64_t counted, std::uint64_t least, std::uint64_t most) {
    equal(what, counted, std::clamp(counted, least, std::max(least, most)));
  };
  using Layers = std::map<std::string, std::uint64_t>;
  Layers counted;
  Layers told;
  Layers counted_by_ending;
  Layers seen;
  const observe::Ledger::Totals totals = ledger.totals();
  for (std::size_t role = 0; role < totals.layers.size(); ++role) {
    const std::string_view role_name = role == 0 ? "server" : "client";
    for (std::size_t ending = 0; ending < observe::kEndings; ++ending) {
      for (std::size_t effect = 0; effect < observe::kEffects; ++effect) {
        const std::uint64_t count = totals.layers[role][ending][effect];
        if (count == 0) continue;
        const std::string_view name = tls::name(static_cast<tls::Ending>(ending));
        counted[words({role_name, name, tls::name(static_cast<tls::Effect>(effect))})] += count;
        counted_by_ending[words({role_name, name})] += count;
      }
    }
  }
  for (const auto& [connection, records] : facts.log.layers) {
    for (const LoggedLine& record : records) ++told[words({record.value("role"), record.value("ending"), record.value("effect")})];
  }
  for (const auto& sight : facts.witness.all()) {
    if (sight->local.address != facts.relay) continue;
    for (const tls::Ending ending : sight->endings) ++seen[words({sight->accepted ? "server" : "client", tls::name(ending)})];
  }
  if (counted != told) faults.push_back("the relay miscounts layers: the ledger's are not those of the log");
  if (counted_by_ending != seen) faults.push_back("the relay miscounts layers: the ledger's are not those that were seen");

  std::uint64_t heard = 0, unheard = 0, stored = 0, unsure = 0;
  for (const auto& [name, story] : facts.stories) {
    stored += story.stored;
    unsure += story.relay_unsure;
    if (name.find('.') != name.npos) continue;
    heard += story.heard;
    unheard += story.client_unsure;
  }
  std::uint64_t first_deferred = 0;
  for (const auto& [id, lines] : facts.log.messages) {
    std::set<std::string> tried;
    for (const LoggedLine& line : lines) {
      const std::string& event = line.event;
      if (event != "delivered" && event != "deferred" && event != "failed") continue;
      if (tried.emplace(line.value("to")).second && event == "deferred") ++first_deferred;
    }
  }
  const LogBook& log = facts.log;
  std::uint64_t queued = 0;
  std::uint64_t recipients = 0;
  for (const auto& [id, lines] : log.messages) {
    if (lines.front().value("connection").empty() || MessageLines(lines).count("revoked") != 0) continue;
    ++queued;
    recipients += std::stoul(std::string(lines.front().value("nrcpt")));
  }
  equal("messages queued", metrics.queued, queued);
  equal("recipients queued", metrics.queued_recipients, recipients);
  within("acknowledgements", metrics.queued + metrics.duplicates, heard, heard + unheard);
  within("duplicates", metrics.duplicates, 0, log.count("duplicate"));
  equal("deliveries", metrics.delivered, log.count("delivered"));
  within("deliveries that arrived", stored, metrics.delivered, metrics.delivered + unsure);
  equal("failures", metrics.failed, log.count("failed"));
  equal("recipients deferred", metrics.deferred, first_deferred);
  const std::array attempts = {log.count("delivered"), log.count("deferred"), log.count("failed")};
  for (std::size_t fate = 0; fate < attempts.size(); ++fate) equal("attempts", metrics.attempts[fate], attempts[fate]);
  equal("connections turned away", metrics.refused_connections, log.turned_away);
  equal("refusals", metrics.refused_messages + metrics.refused_recipients + metrics.refused_commands, log.count("reject") - log.turned_away);
}

}  // namespace adieu::world
