// The program; its commands are in src/cli.
#include <csignal>

#include "cli/commands.h"

int main(int argc, char** argv) {
  // SIGHUP may come while the relay starts, and a reader of any command's output may go away: neither may end the process without a word.
  const auto hangup = std::signal(SIGHUP, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  return adieu::cli::run(argc, argv, hangup);
}
