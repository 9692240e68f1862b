// `adieu serve`, `adieu check`, `adieu settings`, `adieu sink`. See commands.h.
#include <functional>
#include <iostream>

#include "adieu/relay/config/settings.h"
#include "cli/commands.h"
#include "daemon/logger.h"
#include "daemon/relay.h"
#include "daemon/sink.h"
#include "daemon/tls_setup.h"

namespace adieu::cli {
namespace {

int status_of(const Error& error) {
  switch (error.kind) {
    case ErrorKind::invalid:
    case ErrorKind::not_found:
    case ErrorKind::unsupported: return kConfiguration;
    case ErrorKind::unavailable:
    case ErrorKind::timeout:
    case ErrorKind::no_space: return kTemporary;
    case ErrorKind::permission:
    case ErrorKind::refused:
    case ErrorKind::io: return kFailed;
  }
  return kFailed;
}

int tell(Log& log, const Error& error) {
  log.write(LogLevel::error, LogLine("failed").field("error", error.message));
  return status_of(error);
}

/// What a log would say, on standard error.
class PrintingLog final : public Log {
 public:
  bool enabled(LogLevel) const override { return true; }
  void write(LogLevel level, std::string_view line) override { std::cerr << "level=" << name(level) << ' ' << line << '\n'; }
};

}  // namespace

int serve(const std::string& policy_file, bool accept_loss) {
  config::Loaded loaded = load_and_tell(policy_file);
  if (!loaded.config) return kConfiguration;
  loaded.config->spool.accept_loss = accept_loss;
  const bool to_file = !loaded.config->log_file.empty();
  const bool elsewhere = to_file || loaded.config->log_to != config::LogTo::standard_error;
  auto opened = daemon::make_log(*loaded.config);
  if (!opened) {
    std::cerr << "adieu serve: " << opened.error().message << '\n';
    return status_of(opened.error());
  }
  daemon::Logger& log = **opened;
  auto relay = daemon::Relay::open(std::move(*loaded.config), log);
  if (!relay) {
    // Whoever starts it by hand, and the journal of a service, should have the reason too where the log goes elsewhere.
    if (elsewhere) std::cerr << "adieu serve: " << relay.error().message << '\n';
    return tell(log, relay.error());
  }
  return (*relay)->run(to_file ? [&log] { log.reopen(); } : std::function<void()>());
}

int check(const std::string& policy_file) {
  const config::Loaded loaded = load_and_tell(policy_file);
  if (!loaded.config) return kConfiguration;
  PrintingLog log;
  bool well = true;
  const auto complain = [&](const config::Position& position, const Error& error) {
    std::cerr << position.file << ':' << position.line << ':' << position.column << ": error: " << error.message << '\n';
    well = false;
  };
  for (const config::Listener& listener : loaded.config->listeners) {
    const auto channels = daemon::make_server_channels(*loaded.config, listener, log);
    if (!channels) complain(listener.position, channels.error());
  }
  for (const config::NextHop& next_hop : loaded.config->next_hops) {
    const auto channels = daemon::make_client_channels(*loaded.config, next_hop);
    if (!channels) complain(next_hop.position, channels.error());
  }
  if (!loaded.config->postmaster) {
    std::cerr << policy_file << ":1:1: warning: there is no `postmaster`: mail to <postmaster> and to postmaster@" << loaded.config->hostname
              << " is refused where no rule takes it, but everybody may expect to reach somebody there (RFC 5321 section 4.5.1)\n";
  }
  if (well) std::cout << policy_file << ": ok\n";
  return well ? kOk : kConfiguration;
}

int settings(bool json) {
  std::cout << (json ? config::settings_json() : config::settings_text());
  return kOk;
}

int sink(const SinkCommand& command) {
  const auto endpoint = Endpoint::parse(command.endpoint);
  if (!endpoint) {
    std::cerr << "adieu sink: expected ADDR:PORT, such as 127.0.0.1:3901 or [::1]:3901, found " << command.endpoint << '\n';
    return kUsage;
  }
  const auto log = daemon::make_stderr_log(LogLevel::debug);
  const auto done = daemon::run_sink(*endpoint, command.directory, *log);
  if (done) return kOk;
  // There is no policy file that could be wrong.
  return tell(*log, done.error()) == kTemporary ? kTemporary : kFailed;
}

}  // namespace adieu::cli
