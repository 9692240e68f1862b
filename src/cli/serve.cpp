// `adieu serve`, `adieu settings`, `adieu sink`. See commands.h.
#include <functional>
#include <iostream>

#include "adieu/relay/config/settings.h"
#include "cli/commands.h"
#include "daemon/logger.h"
#include "daemon/relay.h"
#include "tools/sink.h"

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
  const auto done = tools::run_sink(*endpoint, command.directory, *log);
  if (done) return kOk;
  const int status = tell(*log, done.error());
  return status == kConfiguration ? kFailed : status;  // there is no policy file that could be wrong
}

}  // namespace adieu::cli
