// See story.h.
#include "adieu/relay/observe/story.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "adieu/base/bytes.h"
#include "adieu/protocol/mail/bare_path.h"

namespace adieu::observe {
namespace {

/// Domains do not differ by case, and nobody who looks for an address means to tell local-parts apart by it.
bool same(std::string_view asked, std::string_view logged) { return equal_ignoring_case(mail::bare_path(asked), mail::bare_path(logged)); }

/// Of "<a@b>,<c@d>" each, as the log lists them.
template <class Visit>
void each_of(std::string_view list, const Visit& visit) {
  for (std::size_t end = list.find(">,<"); end != std::string_view::npos; end = list.find(">,<")) {
    visit(list.substr(0, end + 1));
    list.remove_prefix(end + 2);
  }
  visit(list);
}

bool names(const LoggedLine& line, std::string_view field, std::string_view asked) {
  bool any = false;
  for (const auto& [name, value] : line.fields) {
    if (name == field) each_of(value, [&](std::string_view each) { any = any || same(asked, each); });
  }
  return any;
}

bool is_attempt(std::string_view event) { return event == "delivered" || event == "deferred" || event == "failed"; }

std::string client_of(const LoggedLine& line) {
  std::string text(line.value("client"));
  if (!line.value("helo").empty()) text += " (" + std::string(line.value("helo")) + ")";
  return text;
}

std::string in_tls(const LoggedLine& line) { return line.value("tls").empty() ? " in the clear" : " in " + std::string(line.value("tls")); }

std::string all_fields(const LoggedLine& line) {
  std::string text;
  for (const auto& [name, value] : line.fields) {
    if (name != "queue-id") text += (text.empty() ? "" : " ") + name + "=" + value;
  }
  return text;
}

std::string words_of(const LoggedLine& line) {
  const auto value = [&](std::string_view name) { return std::string(line.value(name)); };
  const std::string& event = line.event;
  if (event == "queued" && !value("parent").empty()) return "made, to tell " + value("to") + " what became of " + value("parent");
  if (event == "queued") return "taken from " + client_of(line) + " by " + value("listener") + in_tls(line) + ": " + value("size") + " octets";
  if (event == "duplicate") return "sent again by " + client_of(line) + ", who cannot have had the 250: answered once more, kept once";
  if (event == "reject") return "refused to " + client_of(line) + (value("command").empty() ? "" : " at " + value("command")) + ": " + value("reply");
  if (event == "delivered") return "delivered to " + value("to") + " by " + value("relay") + in_tls(line) + ", " + value("delay") + " s after it came: " + value("status");
  if (event == "deferred" || event == "failed") {
    const std::string note = value("note").empty() ? "" : " (" + value("note") + ")";
    return event + " for " + value("to") + " by " + value("relay") + ": " + value("status") + note;
  }
  if (event == "again-elsewhere") return "put off for " + value("to") + " by " + value("relay") + ", so the next exchanger is tried at once: " + value("status");
  if (event == "again-at-once") return value("relay") + " had closed the connection, so it is tried again at once";
  if (event == "next-transaction") return value("relay") + " took some of the recipients; " + value("nrcpt") + " more have the next transaction";
  if (event == "no-notification") return "nobody is told of the failure: " + value("hint");
  if (event == "removed") return "left the queue";
  if (event == "spool-commit") return "could not be stored: " + value("error");
  if (event == "revoked") return "withdrawn: " + value("reason");
  if (event == "closure" || event == "disconnect") {
    return std::string(event == "closure" ? "the TLS session" : "the connection") + " that it came by ended: " + value("ending") + ", effect " + value("effect") +
           (value("detail").empty() ? "" : " (" + value("detail") + ")");
  }
  return event + ": " + all_fields(line);
}

}  // namespace

std::string Story::ending() const {
  if (queue_id.empty()) return "It was refused, and never was in the queue.";
  if (revoked) return "It was withdrawn: the client did not get its 250, and keeps it.";
  if (not_stored) return "It could not be stored: the client got a 4xx, and keeps it.";
  const auto count = [&](std::string_view state) {
    return static_cast<std::size_t>(std::count_if(recipients.begin(), recipients.end(), [&](const Recipient& each) { return each.state == state; }));
  };
  const std::size_t all = std::max(recipients_in_all, recipients.size());
  const std::size_t delivered = count("delivered");
  const std::size_t failed = count("failed");
  const auto of_all = [&](std::size_t part) { return part == all ? std::string(all == 1 ? "its recipient" : "all " + std::to_string(all) + " recipients") : std::to_string(part) + " of " + std::to_string(all) + " recipients"; };
  std::string text;
  if (delivered != 0) text += "Delivered to " + of_all(delivered) + ". ";
  if (failed != 0) text += "Failed for " + of_all(failed) + ". ";
  if (left) return text.empty() ? "It has left the queue; this log does not tell how." : text.substr(0, text.size() - 1);
  const std::size_t waiting = all - std::min(all, delivered + failed);
  if (waiting == 0) return text.empty() ? "This log tells no more." : text.substr(0, text.size() - 1);
  return text + "At the end of this log it waits for " + of_all(waiting) + ".";
}

Stories::Stories(StoryQuestion question) : question_(std::move(question)) {}

bool Stories::is_asked_for(const LoggedLine& line) const {
  const auto& [about, from, to] = question_;
  if (!from.empty() && !names(line, "from", from)) return false;
  if (!to.empty() && !names(line, "to", to)) return false;
  return about.empty() || names(line, "queue-id", about) || names(line, "message-id", about) || names(line, "from", about) || names(line, "to", about);
}

/// Null where there are too many.
Story* Stories::begin(const LoggedLine& line) {
  if (stories_.size() == kMost) {
    ++more_;
    return nullptr;
  }
  Story& story = stories_.emplace_back();
  story.queue_id = line.value("queue-id");
  if (!story.queue_id.empty()) by_id_.emplace(story.queue_id, stories_.size() - 1);
  return &story;
}

void Stories::add(const LoggedLine& line) {
  if (line.event == "closure" || line.event == "disconnect") {
    const auto found = by_connection_.find(std::string(line.value("connection")));
    if (found != by_connection_.end()) tell(stories_[found->second], line);
    return;
  }
  const std::string id(line.value("queue-id"));
  if (id.empty()) {
    if (line.event != "reject" || !is_asked_for(line)) return;
    if (Story* story = begin(line)) tell(*story, line);
    return;
  }
  if (const auto known = by_id_.find(id); known != by_id_.end()) {
    tell(stories_[known->second], line);
    return;
  }
  // The line that says `queued` may stand in an older log: what names the message, or one of its recipients, will do.
  const bool tells_of_asked = line.event == "queued" && by_id_.contains(std::string(line.value("parent")));
  if (!tells_of_asked && !is_asked_for(line)) return;
  if (Story* story = begin(line)) tell(*story, line);
}

void Stories::tell(Story& story, const LoggedLine& line) {
  const auto recipient = [&](std::string_view address) -> Story::Recipient& {
    const auto found = std::find_if(story.recipients.begin(), story.recipients.end(), [&](const auto& each) { return each.address == address; });
    return found != story.recipients.end() ? *found : story.recipients.emplace_back(Story::Recipient{std::string(address), "waiting", {}});
  };
  if (line.event == "queued" || line.event == "reject") {
    story.message_id = line.value("message-id");
    story.parent = line.value("parent");
    story.from = line.value("from");
    story.connection = line.value("connection");
    for (const auto& [name, value] : line.fields) {
      if (name == "to") each_of(value, recipient);
      if (name == "nrcpt") story.recipients_in_all = static_cast<std::size_t>(std::strtoul(value.c_str(), nullptr, 10));
    }
    if (line.event == "queued" && !story.connection.empty()) by_connection_[story.connection] = by_id_.at(story.queue_id);
  } else if (is_attempt(line.event)) {
    Story::Recipient& tried = recipient(line.value("to"));
    tried.state = line.event;
    story.not_stored = false;  // it was, as a start after a crash has found
    tried.reply = line.value("status");
  } else if (line.event == "removed") {
    story.left = true;
  } else if (line.event == "revoked") {
    story.revoked = true;
  } else if (line.event == "spool-commit") {
    story.not_stored = true;
  }
  if (story.steps.size() < kMostSteps) {
    story.steps.push_back({line.time, words_of(line)});
  } else if (story.steps.size() == kMostSteps) {
    story.steps.push_back({line.time, "and more, which is left out here"});
  }
}

}  // namespace adieu::observe
