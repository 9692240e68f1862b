// See listener_profile.h.
#include "adieu/relay/receive/listener_profile.h"

#include <utility>

namespace adieu::receive {
namespace {

smtp::ServerTls to_session(config::ListenerTls tls) {
  switch (tls) {
    case config::ListenerTls::off: return smtp::ServerTls::off;
    case config::ListenerTls::optional: return smtp::ServerTls::optional;
    case config::ListenerTls::required: return smtp::ServerTls::required;
    case config::ListenerTls::implicit: return smtp::ServerTls::implicit;
  }
  return smtp::ServerTls::off;
}

}  // namespace

std::unique_ptr<ListenerProfile> listener_profile(const config::Config& config, const config::Listener& listener,
                                                  std::unique_ptr<tls::ChannelFactory> channels) {
  auto made = std::make_unique<ListenerProfile>();
  ListenerProfile& profile = *made;
  profile.name = listener.endpoint.text();
  profile.channels = std::move(channels);
  profile.duplicate_window = listener.closure.duplicate_window;
  profile.alarm = listener.closure.alarm;
  smtp::ServerConnectionProfile& connection = profile.connection;
  connection.session.hostname = config.hostname;
  connection.session.limits = config.limits.session;
  connection.session.bare_newlines = config.bare_newlines;
  connection.session.lenient_commands = config.lenient_commands;
  connection.tls = to_session(listener.tls);
  connection.channels = profile.channels.get();
  connection.returns_to_plaintext = listener.closure.after_close_notify == config::AfterCloseNotify::plaintext;
  connection.close_notify_timeout = listener.closure.close_notify_timeout;
  connection.handshake_timeout = config.tls.handshake_timeout;
  return made;
}

}  // namespace adieu::receive
