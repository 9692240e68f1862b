// See next_hop_profile.h.
#include "adieu/relay/deliver/next_hop_profile.h"

namespace adieu::deliver {
namespace {

smtp::ClientStartTls to_session(config::NextHopTls tls) {
  switch (tls) {
    case config::NextHopTls::off: return smtp::ClientStartTls::never;
    case config::NextHopTls::opportunistic: return smtp::ClientStartTls::when_offered;
    case config::NextHopTls::required:
    case config::NextHopTls::verify: return smtp::ClientStartTls::required;
  }
  return smtp::ClientStartTls::never;
}

}  // namespace

NextHopProfile next_hop_profile(const config::Config& config, const config::NextHop& policy) {
  NextHopProfile profile;
  profile.policy = policy;
  OutboundProfile& outbound = profile.outbound;
  outbound.next_hop = policy.name;
  outbound.connect_timeout = policy.connect_timeout;
  outbound.alarm = policy.closure.alarm;
  outbound.configured_host = std::holds_alternative<config::HostTarget>(policy.target);
  for (const config::Listener& listener : config.listeners) outbound.own.push_back(listener.endpoint);
  outbound.plaintext_after_tls_failure = policy.tls == config::NextHopTls::opportunistic;
  smtp::ClientConnectionProfile& connection = outbound.connection;
  connection.session.hostname = config.hostname;
  connection.session.protocol = policy.protocol;
  connection.session.timeouts = policy.timeouts;
  connection.session.recipients = policy.recipients;
  connection.session.eight_bit = policy.eight_bit;
  connection.starttls = to_session(policy.tls);
  connection.close_notify_timeout = policy.closure.close_notify_timeout;
  connection.handshake_timeout = config.tls.handshake_timeout;
  connection.renew_after_messages = policy.renew_after_messages;
  connection.renew_after = policy.renew_after;
  connection.returns_to_plaintext = policy.closure.after_close_notify == config::AfterCloseNotify::plaintext;
  return profile;
}

}  // namespace adieu::deliver
