// See policy_check.h.
#include "daemon/policy_check.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "adieu/base/log.h"
#include "daemon/dns.h"
#include "daemon/privileges.h"
#include "daemon/tls_setup.h"
#include "io/gnutls/certificate_files.h"
#include "relay/config/values.h"

namespace adieu::daemon {
namespace {

using config::Severity;

constexpr Duration kLookupTimeout = std::chrono::seconds(5);

class NoLog final : public Log {
 public:
  bool enabled(LogLevel) const override { return false; }
  void write(LogLevel, std::string_view) override {}
};

class PolicyCheck {
 public:
  PolicyCheck(config::Loaded& loaded, std::time_t now, const Lookup& lookup) : loaded_(loaded), config_(loaded.readable()), now_(now), lookup_(lookup) {}

  void run() {
    for (const config::Certificate& certificate : config_.certificates) look_at(certificate);
    look_at_priority();
    for (const config::Listener& listener : config_.listeners) look_at(listener);
    for (const config::NextHop& next_hop : config_.next_hops) {
      if (!priority_is_good_) break;
      if (const auto channels = make_client_channels(config_, next_hop); !channels) find(Severity::error, next_hop.position, channels.error().message);
    }
    const bool user_exists = look_at_user();
    if (user_exists) look_at_spool();
    look_at_hostname();
    look_at_postmaster();
    // Said at the end, since the first error takes away the policy that is being looked at.
    for (Finding& each : findings_) loaded_.say(each.severity, each.position, std::move(each.message));
    loaded_.tidy();
  }

 private:
  struct Finding {
    Severity severity;
    config::Position position;
    std::string message;
  };

  void find(Severity severity, const config::Position& position, std::string message) { findings_.push_back({severity, position, std::move(message)}); }

  void look_at(const config::Certificate& certificate) {
    // That a path is not given has been reported already.
    if (certificate.chain_file.empty() || certificate.key_file.empty()) {
      bad_.insert(certificate.name);
      for (const auto& [path, position] : {std::pair(certificate.chain_file, certificate.chain_position), std::pair(certificate.key_file, certificate.key_position)}) {
        if (!path.empty() && ::access(path.c_str(), R_OK) != 0) find(Severity::error, position, path + " cannot be read: " + std::strerror(errno));
      }
      return;
    }
    const gnutls::CertificateFiles files{certificate.chain_file, certificate.key_file, certificate.server_names};
    for (gnutls::CertificateFinding& finding : gnutls::inspect_certificate(files, now_)) {
      if (finding.wrong) bad_.insert(certificate.name);
      find(finding.wrong ? Severity::error : Severity::warning,
           finding.about == gnutls::CertificateFinding::About::key ? certificate.key_position : certificate.chain_position, std::move(finding.message));
    }
  }

  void look_at_priority() {
    gnutls::Credentials credentials;
    const auto set = credentials.set_priority(config_.tls.priority);
    priority_is_good_ = set.has_value();
    if (!set) find(Severity::error, config_.tls.priority_position, set.error().message);
  }

  void look_at(const config::Listener& listener) {
    const auto good = [&](const std::string& name) {
      const auto certificate = find_certificate(name);
      return certificate != nullptr && !bad_.contains(name);
    };
    if (listener.tls == config::ListenerTls::off || listener.certificates.empty()) return;
    if (!std::all_of(listener.certificates.begin(), listener.certificates.end(), good) || !priority_is_good_) return;
    NoLog log;
    if (const auto channels = make_server_channels(config_, listener, log); !channels) {
      find(Severity::error, listener.position, channels.error().message);
    }
    const bool named = std::any_of(listener.certificates.begin(), listener.certificates.end(), [&](const std::string& name) {
      return gnutls::certificate_names(find_certificate(name)->chain_file, config_.hostname);
    });
    if (named || !config::is_host_name(config_.hostname)) return;
    const config::Certificate& first = *find_certificate(listener.certificates.front());
    find(Severity::warning, first.chain_position,
         "certificate " + first.chain_file + " does not name " + config_.hostname + ", the `hostname`, nor does another of listener " +
             listener.endpoint.text() + ": clients that verify refuse it");
  }

  const config::Certificate* find_certificate(const std::string& name) const {
    const auto found = std::find_if(config_.certificates.begin(), config_.certificates.end(), [&](const auto& each) { return each.name == name; });
    return found == config_.certificates.end() ? nullptr : &*found;
  }

  bool look_at_user() {
    const auto found = check_user(config_.user);
    if (!found) find(Severity::error, config_.user_position, found.error().message);
    return found.has_value();
  }

  void look_at_spool() {
    const std::string& directory = config_.spool.directory;
    if (directory.empty()) return;
    const auto complain = [&](const std::string& message) { find(Severity::error, config_.spool.position, message); };
    struct stat status {};
    if (::stat(directory.c_str(), &status) == 0) {
      if (!S_ISDIR(status.st_mode)) return complain(directory + " is no directory");
      if (const auto owned = check_owner(directory, config_.user); !owned) complain(owned.error().message);
      // Made by an administrator, or by an earlier version, which left it to the umask.
      if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        find(Severity::warning, config_.spool.position,
             directory + " is open to others than its owner, and mail is in it: `chmod -R go= " + directory + "` mends that");
      }
      return;
    }
    if (errno != ENOENT) return complain(directory + " cannot be opened: " + std::strerror(errno));
    // The relay makes the directory, and nothing above it.
    const std::size_t end = directory.find_last_not_of('/');
    const std::size_t slash = directory.rfind('/', end);
    const std::string above = slash == std::string::npos ? "." : slash == 0 ? "/" : directory.substr(0, slash);
    if (::stat(above.c_str(), &status) != 0) {
      complain(directory + " cannot be made: " + above + ": " + std::strerror(errno));
    } else if (!S_ISDIR(status.st_mode)) {
      complain(directory + " cannot be made: " + above + " is no directory");
    }
  }

  void look_at_postmaster() {
    if (config_.postmaster || config_.hostname.empty()) return;
    find(Severity::warning, config_.hostname_position,
         "there is no `postmaster`: mail to <postmaster> and to postmaster@" + config_.hostname +
             " is refused where no rule takes it, but everybody may expect to reach somebody there (RFC 5321 section 4.5.1)");
  }

  void look_at_hostname() {
    const std::string& host = config_.hostname;
    if (!config::is_host_name(host) || host.find('.') == std::string::npos) return;  // reported already
    const dns::Addresses found = lookup_(host);
    switch (found.status) {
      case dns::Status::found: return;
      case dns::Status::no_data:
      case dns::Status::no_domain:
        return find(Severity::warning, config_.hostname_position, host + " does not resolve: peers look for its address, and some refuse mail without");
      case dns::Status::temporary:
      case dns::Status::bogus:
        return find(Severity::warning, config_.hostname_position,
                    host + " could not be looked up" + (found.why.empty() ? "" : ": " + found.why));
    }
  }

  config::Loaded& loaded_;
  const config::Config& config_;
  const std::time_t now_;
  const Lookup& lookup_;
  std::vector<Finding> findings_;
  std::set<std::string> bad_;      // certificates that nothing can be served with
  bool priority_is_good_ = true;
};

}  // namespace

void check_policy(config::Loaded& loaded, std::time_t now, const Lookup& lookup) { PolicyCheck(loaded, now, lookup).run(); }

dns::Addresses look_up(const config::Config& config, const std::string& host) {
  uv::Loop loop;
  dns::Addresses found;
  auto resolver = make_resolver(loop, config.resolver);
  if (!resolver) {
    found.why = resolver.error().message;
    return found;
  }
  found.why = "no answer within " + to_text(kLookupTimeout);
  uv::Timer timeout(loop, [&loop] { loop.stop(); });
  timeout.set(loop.now() + kLookupTimeout);
  (*resolver)->addresses(host, [&](dns::Addresses answer) {
    found = std::move(answer);
    loop.stop();
  });
  loop.run();
  return found;
}

}  // namespace adieu::daemon
