// `adieu check`. See commands.h.
#include <algorithm>
#include <ctime>
#include <iostream>

#include "cli/commands.h"
#include "daemon/policy_check.h"

namespace adieu::cli {

int check(const std::string& policy_file) {
  config::Loaded loaded = config::load_file(policy_file);
  daemon::check_policy(loaded, std::time(nullptr), [&](const std::string& host) { return daemon::look_up(loaded.readable(), host); });
  std::cerr << loaded.text();
  if (!loaded.config) return kConfiguration;
  std::cout << policy_file << ": ok";
  if (const std::size_t warnings = loaded.diagnostics.size(); warnings > 0) std::cout << ", with " << warnings << (warnings == 1 ? " warning" : " warnings");
  std::cout << '\n';
  return kOk;
}

}  // namespace adieu::cli
