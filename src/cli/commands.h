// The command line: adieu(8). Each command returns an exit status of sysexits(3).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adieu/base/result.h"
#include "adieu/relay/config/load.h"

namespace adieu::cli {

inline constexpr int kOk = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 64;
inline constexpr int kTemporary = 75;
inline constexpr int kConfiguration = 78;

/// `hangup`: what SIGHUP did before the program ignored it; every command but `serve` gives it back.
int run(int argc, char** argv, void (*hangup)(int));

/// "./adieu.conf" where there is one, else "/etc/adieu/adieu.conf".
std::string default_policy_file();
/// Loads `path` and prints what there is to say about it on stderr.
config::Loaded load_and_tell(const std::string& path);

int serve(const std::string& policy_file, bool accept_loss);
int check(const std::string& policy_file);
int settings(bool json);

struct QueueCommand {
  std::string verb;          // list, show, retry, summary, destinations
  std::string queue_id;      // of show and retry; empty: all
  std::string next_hop;      // this and the following: those that it holds for; empty: all
  std::string domain;
  std::string from;
  std::string to;
  std::string older_than;    // a duration
  std::string state;         // waiting, due, delivering
  std::string reason;        // a part of it
  std::string sort;          // of list: a member of its entries
  std::size_t limit = 0;     // of list: entries; 0: all
  bool all = false;          // of summary: destinations
  bool dry_run = false;      // of retry
  bool json = false;
};
int queue(const std::string& policy_file, const QueueCommand& command);

struct ClosuresCommand {
  std::string sort = "lost"; // lost, rate, unusual
  std::string peer;          // a part of its text; empty: all
  std::string since;         // a duration; empty: ever
  bool all = false;
  bool json = false;
};
int closures(const std::string& policy_file, const ClosuresCommand& command);

struct MessageCommand {
  std::string about;         // a queue-id, a Message-ID or an address; empty: any
  std::string from;
  std::string to;
  std::vector<std::string> logs;  // "-": standard input; none: where the policy file has the log go
  std::string since;
  std::string until;
  bool json = false;
};
int message(const std::string& policy_file, const MessageCommand& command);

struct SinkCommand {
  std::string endpoint;      // ADDR:PORT
  std::string directory;
};
int sink(const SinkCommand& command);

struct ProbeCommand {
  std::string server;        // HOST:PORT
  bool implicit_tls = false;
  std::string timeout = "10s";
  std::string hostname;      // of EHLO; empty: the machine's
  std::string trust;         // a file of trust anchors; empty: the system's
  std::string rcpt;          // empty: no message is sent
  std::string from;          // empty: the null reverse-path
  bool json = false;
};
/// kOk: all was answered well; kFailed: a weakness was found; kTemporary: none, but something could not be tested.
int probe(const ProbeCommand& command);

}  // namespace adieu::cli
