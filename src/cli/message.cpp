// `adieu message`: the way of a message, told from the log. See commands.h.
#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "adieu/base/bytes.h"
#include "adieu/relay/config/settings.h"
#include "adieu/relay/observe/story.h"
#include "cli/commands.h"

namespace adieu::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kLine = 65'536;     // longer ones are none of the relay's
constexpr std::size_t kDate = 10;         // octets of "2026-11-28"

/// A log that is open, and what it is called when something is wrong with it.
struct Log {
  std::string name;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file;
};

/// What the journal holds of the relay, times as the relay writes them but for their fractions.
constexpr const char* kJournal = "journalctl --quiet --no-pager --utc --output=short-iso _COMM=adieu";
constexpr const char* kSyslogFile = "/var/log/mail.log";

/// Where the policy file has the log go. Errors: not_found, io.
Result<Log> open_default(const config::Config& config) {
  const auto opened = [](std::string name) -> Result<Log> {
    std::FILE* file = std::fopen(name.c_str(), "re");
    if (file == nullptr) return tl::unexpected<Error>(error_of_errno(name, errno));
    return Log{std::move(name), {file, std::fclose}};
  };
  if (!config.log_file.empty()) return opened(config.log_file);
  if (config.log_to == config::LogTo::syslog) return opened(kSyslogFile);
  std::FILE* journal = ::popen(kJournal, "re");
  if (journal == nullptr) return tl::unexpected<Error>(error_of_errno("journalctl", errno));
  return Log{"the journal", {journal, ::pclose}};
}

Result<Log> open(const std::string& path) {
  if (path == "-") return Log{"standard input", {stdin, [](std::FILE*) { return 0; }}};
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return tl::unexpected<Error>(error_of_errno(path, errno));
  return Log{path, {file, std::fclose}};
}

/// Hands over each whole line. Errors: invalid where it is no text, io.
Result<> read(Log& log, const std::function<void(std::string_view)>& on_line) {
  std::string line(kLine, '\0');
  bool skips = false;  // the rest of a line that is too long
  bool first = true;
  while (std::fgets(line.data(), static_cast<int>(line.size()), log.file.get()) != nullptr) {
    if (std::exchange(first, false) && line[0] == '\x1f' && line[1] == '\x8b') {
      return failure(ErrorKind::invalid, log.name + " is compressed: `zcat " + log.name + " | adieu message --log - …` reads it");
    }
    const std::string_view part(line.data(), std::strlen(line.data()));
    const bool whole = part.ends_with('\n') || std::feof(log.file.get()) != 0;
    if (!skips && whole) on_line(part);
    skips = !whole;
  }
  if (std::ferror(log.file.get()) != 0) return tl::unexpected<Error>(error_of_errno(log.name, errno));
  return {};
}

/// A moment as the log's times begin: "2h" ago, "12:00" of today, "2026-11-28", "2026-11-28T12:00". UTC, as the log.
std::optional<std::string> moment(const std::string& text) {
  const WallTime now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  if (const auto ago = config::parse_duration(text)) return rfc3339(now - *ago);
  const auto digit = [&](std::size_t at) { return at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) != 0; };
  if (digit(0) && digit(1) && text.size() >= 5 && text[2] == ':' && digit(3) && digit(4)) return rfc3339(now).substr(0, kDate + 1) + text;
  if (text.size() < kDate || text[4] != '-' || text[7] != '-' || !digit(0) || !digit(9)) return std::nullopt;
  std::string with_t = text;
  std::replace(with_t.begin(), with_t.end(), ' ', 'T');
  return with_t;
}

/// For a terminal, which obeys control characters: a log is a file that others may write to.
std::string shown(const std::string& text) { return printable(text, kLine); }

void print(const observe::Story& story) {
  std::cout << (story.queue_id.empty() ? "refused" : shown(story.queue_id));
  if (!story.message_id.empty()) std::cout << "  message-id " << shown(story.message_id);
  std::cout << '\n';
  if (!story.from.empty()) std::cout << "    from " << shown(story.from) << '\n';
  for (const observe::Story::Recipient& each : story.recipients) {
    std::cout << "    to   " << shown(each.address) << (story.queue_id.empty() ? "" : ": " + each.state) << (each.state == "deferred" ? ", " + shown(each.reply) : "") << '\n';
  }
  if (story.recipients_in_all > story.recipients.size()) std::cout << "    and " << story.recipients_in_all - story.recipients.size() << " more\n";
  for (const observe::Story::Step& step : story.steps) std::cout << "  " << shown(step.time) << "  " << shown(step.words) << '\n';
  std::cout << "  " << story.ending() << "\n\n";
}

void print_json(const observe::Story& story) {
  json recipients = json::array();
  for (const observe::Story::Recipient& each : story.recipients) {
    recipients.push_back({{"to", each.address}, {"state", each.state}, {"reply", each.reply}});
  }
  json steps = json::array();
  for (const observe::Story::Step& step : story.steps) steps.push_back({{"time", step.time}, {"words", step.words}});
  const json object = {{"queue-id", story.queue_id}, {"message-id", story.message_id}, {"parent", story.parent}, {"from", story.from},
                       {"nrcpt", std::max(story.recipients_in_all, story.recipients.size())}, {"recipients", std::move(recipients)},
                       {"steps", std::move(steps)}, {"left", story.left}, {"revoked", story.revoked}, {"ending", story.ending()}};
  std::cout << object.dump(-1, ' ', false, json::error_handler_t::replace) << '\n';
}

int complain(const std::string& what, int status) {
  std::cerr << "adieu message: " << what << '\n';
  return status;
}

}  // namespace

int message(const std::string& policy_file, const MessageCommand& command) {
  if (command.about.empty() && command.from.empty() && command.to.empty()) {
    return complain("expected a queue-id, a Message-ID or an address, or --from or --to", kUsage);
  }
  std::string since;
  std::string until;
  for (const auto& [given, to] : {std::pair(&command.since, &since), std::pair(&command.until, &until)}) {
    if (given->empty()) continue;
    const auto when = moment(*given);
    if (!when) return complain("expected a time such as 2h, 12:00 or 2026-11-28T12:00, found " + *given, kUsage);
    *to = *when;
  }
  std::vector<Log> logs;
  const auto take = [&](Result<Log> log) {
    if (log) logs.push_back(std::move(*log));
    return log ? std::string() : log.error().message;
  };
  for (const std::string& path : command.logs) {
    if (const std::string wrong = take(open(path)); !wrong.empty()) return complain(wrong, kFailed);
  }
  if (logs.empty()) {
    const config::Loaded loaded = load_and_tell(policy_file);
    if (!loaded.config) return kConfiguration;
    if (const std::string wrong = take(open_default(*loaded.config)); !wrong.empty()) return complain(wrong + "; --log FILE names another log", kFailed);
  }
  observe::Stories stories({command.about, command.from, command.to});
  std::size_t lines = 0;
  for (Log& log : logs) {
    const Result<> done = read(log, [&](std::string_view line) {
      const auto read = LoggedLine::parse(line);
      if (!read) return;
      ++lines;
      if (!since.empty() && read->time < since) return;
      // Whatever begins with the moment that was given is still within it.
      if (!until.empty() && read->time.substr(0, until.size()) > until) return;
      stories.add(*read);
    });
    if (!done) return complain(done.error().message, kFailed);
  }
  for (const observe::Story& story : stories.stories()) {
    if (command.json) {
      print_json(story);
    } else {
      print(story);
    }
  }
  if (stories.more() != 0) std::cerr << "adieu message: " << stories.more() << " more; --since, --until, --from and --to narrow it\n";
  if (!stories.stories().empty()) return kOk;
  std::string where = logs.front().name + (logs.size() > 1 ? " and the other logs" : "");
  return complain(lines == 0 ? "no line of the relay is in " + where : "nothing in " + where + " is about that", kFailed);
}

}  // namespace adieu::cli
