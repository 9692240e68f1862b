// The log of a simulated process, read as whoever runs it would: lines taken apart, and put together again by message and by connection.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "adieu/base/log.h"
#include "adieu/base/logged_line.h"
#include "adieu/relay/observe/story.h"
#include "clock.h"
#include "peers.h"

namespace adieu::world {

class LogBook final : public Log {
 public:
  LogBook(const Clock& clock, Stories& stories, bool traces) : clock_(clock), stories_(stories), traces_(traces) {}
  bool enabled(LogLevel) const override { return true; }
  void write(LogLevel level, std::string_view line) override;
  using Log::write;

  /// The process begins anew; the ids that it gives to connections may be those that it gave before.
  void begin_run() { ++run_; }

  /// How many lines of that event there were.
  std::uint64_t count(const std::string& event) const;
  /// Of each queue-id: the lines that say what became of the message, in order.
  std::map<std::string, std::vector<LoggedLine>> messages;
  /// Queue-ids of messages whose commit failed: their clients got 451, and after a crash what was written of them may be there all the same (R10).
  std::set<std::string> not_committed;
  /// Recipients that such a message was delivered to.
  std::set<std::string> delivered_uncommitted;
  /// Queue-ids that a client's second try was given (R12).
  std::set<std::string> recognised;
  /// What `adieu message` makes of all lines.
  observe::Stories told{{}};
  /// Of each connection, by its client's endpoint or its id: its closure records, in order.
  std::map<std::string, std::vector<LoggedLine>> layers;
  /// Ids of connections of which a record tells how they, or a layer of theirs, ended.
  std::set<std::string> recorded;
  std::uint64_t turned_away = 0;      // connections, of all `reject`
  std::vector<std::pair<Instant, std::string>> turned_away_for_all;  // of them: when there were as many as there may be of all clients, and who
  std::vector<std::string> refused_for_errors;  // by the relay, because of errors that these clients have not made
  /// Messages of which a failure was told before others that were still open could join it.
  std::vector<std::string> told_apart;
  std::vector<std::string> blamed;      // lines that hold what this machine lacked against a message or a next hop
  std::vector<std::string> trace;     // where it was asked for

 private:
  const Clock& clock_;
  Stories& stories_;
  const bool traces_;
  void note_failures(const LoggedLine& line);

  int run_ = 0;
  std::set<std::string> erring_;  // clients whose mail data nobody may take
  std::map<std::string, Instant> untold_;  // by queue-id: the first failure that no notification has told of yet
  std::map<std::string, std::uint64_t> events_;
};

}  // namespace adieu::world
