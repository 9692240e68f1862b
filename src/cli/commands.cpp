// See commands.h: words on the command line, by CLI11.
#include "cli/commands.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>

namespace adieu::cli {

std::string default_policy_file() { return ::access("./adieu.conf", F_OK) == 0 ? "./adieu.conf" : "/etc/adieu/adieu.conf"; }

config::Loaded load_and_tell(const std::string& path) {
  config::Loaded loaded = config::load_file(path);
  std::cerr << loaded.text();
  return loaded;
}

namespace {

/// Hands over what the command printed: where the reader has gone or a disk is full, the command has failed.
int finish(const std::string& command, int status) {
  std::cout.flush();
  if (std::cout && std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  std::cerr << "adieu " << command << ": the output could not be written: " << std::strerror(errno) << '\n';
  return kFailed;
}

}  // namespace

int run(int argc, char** argv, void (*hangup)(int)) {
  CLI::App app("adieu: an SMTP relay that does not trust a TLS session that ends without a goodbye", "adieu");
  app.set_version_flag("--version", "adieu " ADIEU_VERSION);
  app.require_subcommand(1);

  std::string policy_file = default_policy_file();
  const auto with_policy_file = [&](CLI::App* command) {
    command->add_option("-c", policy_file, "the policy file, adieu.conf(5)")->capture_default_str()->option_text("FILE");
    return command;
  };

  CLI::App* serve_command = with_policy_file(app.add_subcommand("serve", "run the relay in the foreground"));
  bool accept_loss = false;
  serve_command->add_flag("--accept-loss", accept_loss, "start on a spool that is damaged, without what is lost");
  CLI::App* check_command = with_policy_file(app.add_subcommand("check", "check a policy file and what it names"));

  bool json = false;
  CLI::App* settings_command = app.add_subcommand("settings", "list every setting: type, default, meaning");
  settings_command->add_flag("--json", json, "one JSON object a line");

  QueueCommand queue_command;
  CLI::App* queue_app = with_policy_file(app.add_subcommand("queue", "look at and move the queue of a running relay"));
  queue_app->require_subcommand(1);
  CLI::App* list_command = queue_app->add_subcommand("list", "every message that waits");
  list_command->add_flag("--json", queue_command.json, "one JSON object a line");
  CLI::App* show_command = queue_app->add_subcommand("show", "one message and its recipients");
  show_command->add_option("QUEUE-ID", queue_command.queue_id)->required();
  show_command->add_flag("--json", queue_command.json, "one JSON object a line");
  CLI::App* retry_command = queue_app->add_subcommand("retry", "try now what waits for its time");
  retry_command->add_option("QUEUE-ID", queue_command.queue_id, "this message alone; all where none is given");
  retry_command->add_flag("--dry-run", queue_command.dry_run, "only say how many");
  CLI::App* summary_command = queue_app->add_subcommand("summary", "how old the queue is, by destination");
  summary_command->add_flag("--all", queue_command.all, "all destinations, not the first 20");
  summary_command->add_flag("--json", queue_command.json, "one JSON object a destination");
  CLI::App* destinations_command = queue_app->add_subcommand("destinations", "connections of each destination, and why it is not tried");
  destinations_command->add_flag("--json", queue_command.json, "one JSON object a destination");
  list_command->add_option("--sort", queue_command.sort, "by this")->check(CLI::IsMember({"age", "arrived", "attempts", "destination", "from", "next-attempt", "size"}));
  list_command->add_option("--limit", queue_command.limit, "at most so many")->option_text("N");
  const std::vector<CLI::App*> queue_verbs = {list_command, show_command, retry_command, summary_command, destinations_command};
  for (CLI::App* command : {list_command, retry_command, summary_command}) {
    command->add_option("--next-hop", queue_command.next_hop, "what goes there")->option_text("NAME");
    command->add_option("--domain", queue_command.domain, "what has a recipient there")->option_text("DOMAIN");
    command->add_option("--from", queue_command.from, "what has this reverse-path; <>: notifications")->option_text("ADDRESS");
    command->add_option("--to", queue_command.to, "what has this recipient")->option_text("ADDRESS");
    command->add_option("--older-than", queue_command.older_than, "what came longer ago: 12h, 7d")->option_text("TIME");
    command->add_option("--state", queue_command.state, "waiting, due or delivering")->check(CLI::IsMember({"waiting", "due", "delivering"}));
    command->add_option("--reason", queue_command.reason, "what waits for a reason that holds this text")->option_text("TEXT");
  }

  ClosuresCommand closures_command;
  CLI::App* closures_app = with_policy_file(app.add_subcommand("closures", "how the TLS sessions of peers end, and what that costs"));
  closures_app->add_option("--sort", closures_command.sort, "lost, rate or unusual")->check(CLI::IsMember({"lost", "rate", "unusual"}))->capture_default_str();
  closures_app->add_option("--peer", closures_command.peer, "peers whose name or network holds this text, in detail")->option_text("TEXT");
  closures_app->add_option("--since", closures_command.since, "peers seen, and endings, since so long ago: 12h, 7d")->option_text("TIME");
  closures_app->add_flag("--all", closures_command.all, "all peers, not the first 20");
  closures_app->add_flag("--json", closures_command.json, "one JSON object a line");

  MessageCommand message_command;
  CLI::App* message_app = with_policy_file(app.add_subcommand("message", "the way of a message, told from the log"));
  message_app->add_option("WHAT", message_command.about, "a queue-id, a Message-ID, or an address that sent or received");
  message_app->add_option("--from", message_command.from, "its reverse-path")->option_text("ADDRESS");
  message_app->add_option("--to", message_command.to, "one of its recipients")->option_text("ADDRESS");
  message_app->add_option("--log", message_command.logs, "read this log, in the order given; -: standard input")->option_text("FILE")->allow_extra_args(false);
  message_app->add_option("--since", message_command.since, "from then on (UTC): 2h, 12:00, 2026-11-28, 2026-11-28T12:00")->option_text("TIME");
  message_app->add_option("--until", message_command.until, "until then (UTC)")->option_text("TIME");
  message_app->add_flag("--json", message_command.json, "one JSON object a message");

  SinkCommand sink_command;
  CLI::App* sink_app = app.add_subcommand("sink", "an SMTP sink: stores each message as a file");
  sink_app->add_option("ADDR:PORT", sink_command.endpoint)->required();
  sink_app->add_option("DIR", sink_command.directory)->required();

  ProbeCommand probe_command;
  CLI::App* probe_app = app.add_subcommand("probe", "test how another server ends TLS; sends no message unless told to");
  probe_app->add_option("HOST:PORT", probe_command.server)->required();
  probe_app->add_flag("--implicit-tls", probe_command.implicit_tls, "TLS from the first octet, as on port 465");
  probe_app->add_option("--timeout", probe_command.timeout, "the longest wait for each answer")->capture_default_str()->option_text("TIME");
  probe_app->add_option("--hostname", probe_command.hostname, "the name to say in EHLO (the machine's)")->option_text("NAME");
  probe_app->add_option("--trust", probe_command.trust, "trust anchors instead of the system's")->option_text("FILE");
  probe_app->add_option("--rcpt", probe_command.rcpt, "send two messages there: one cut, one whole")->option_text("ADDRESS");
  probe_app->add_option("--from", probe_command.from, "their reverse-path (the null one)")->option_text("ADDRESS");
  probe_app->add_flag("--json", probe_command.json, "one JSON object a line");

  for (CLI::App* command : queue_verbs) command->fallthrough();  // -c may stand behind the verb

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return finish("", status == 0 ? kOk : kUsage);
  }
  if (serve_command->parsed()) return serve(policy_file, accept_loss);
  std::signal(SIGHUP, hangup);
  if (check_command->parsed()) return finish("check", check(policy_file));
  if (settings_command->parsed()) return finish("settings", settings(json));
  if (sink_app->parsed()) return sink(sink_command);
  if (closures_app->parsed()) return finish("closures", closures(policy_file, closures_command));
  if (message_app->parsed()) return finish("message", message(policy_file, message_command));
  if (probe_app->parsed()) return finish("probe", probe(probe_command));
  for (const CLI::App* command : queue_verbs) {
    if (command->parsed()) queue_command.verb = command->get_name();
  }
  return finish("queue", queue(policy_file, queue_command));
}

}  // namespace adieu::cli
