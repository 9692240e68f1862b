// See tls_setup.h.
#include "daemon/tls_setup.h"

#include <algorithm>
#include <ctime>

#include "io/gnutls/certificate_files.h"
#include "io/gnutls/channel.h"

namespace adieu::daemon {

Result<std::unique_ptr<tls::ChannelFactory>> make_server_channels(const config::Config& config, const config::Listener& listener,
                                                                  Log& log) {
  if (listener.tls == config::ListenerTls::off) return std::unique_ptr<tls::ChannelFactory>();
  std::vector<gnutls::CertificateFiles> files;
  for (const std::string& name : listener.certificates) {
    const auto certificate = std::find_if(config.certificates.begin(), config.certificates.end(),
                                          [&](const config::Certificate& each) { return each.name == name; });
    check(certificate != config.certificates.end(), "a listener names only certificates that there are");
    files.push_back({certificate->chain_file, certificate->key_file, certificate->server_names});
    for (const gnutls::CertificateFinding& finding : gnutls::inspect_certificate(files.back(), std::time(nullptr))) {
      if (finding.wrong) return failure(ErrorKind::invalid, "listener " + listener.endpoint.text() + ": " + finding.message);
      log.write(LogLevel::warning, LogLine("certificate").field("warning", finding.message));
    }
  }
  // A ticket cannot be taken back when its session breaks, so without `resume-after-truncation` none is given (R13).
  const bool tickets = config.tls.session_tickets && listener.closure.resume_after_truncation;
  auto credentials = gnutls::make_server_credentials(files, config.tls.priority, tickets);
  if (!credentials) return tl::unexpected<Error>(std::move(credentials.error()).within("listener " + listener.endpoint.text()));
  return std::make_unique<gnutls::ServerChannels>(std::move(*credentials));
}

Result<std::function<std::unique_ptr<tls::ChannelFactory>(const std::string& host)>> make_client_channels(const config::Config& config,
                                                                                                          const config::NextHop& next_hop) {
  const bool verify = next_hop.tls == config::NextHopTls::verify;
  auto credentials = gnutls::make_client_credentials(config.tls.priority, verify);
  if (!credentials) return tl::unexpected<Error>(std::move(credentials.error()).within("next-hop " + next_hop.name));
  // A renewed layer is to see the certificate again (R17), a resumed one would not.
  const bool renews = next_hop.renew_after_messages != 0 || next_hop.renew_after != Duration(0);
  auto tickets = config.tls.session_tickets && !renews ? std::make_shared<gnutls::Tickets>(!next_hop.closure.resume_after_truncation) : nullptr;
  return [credentials = std::move(*credentials), verify, tickets = std::move(tickets)](const std::string& host) {
    return std::make_unique<gnutls::ClientChannels>(credentials, host, verify, tickets);
  };
}

}  // namespace adieu::daemon
