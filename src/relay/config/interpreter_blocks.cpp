// See interpreter.h: certificates, the spool, listeners and next hops.
#include <charconv>
#include <optional>
#include <utility>

#include "adieu/base/bytes.h"
#include "relay/config/interpreter.h"

namespace adieu::config {
namespace {
constexpr std::size_t kShown = 64;  // octets of a word that an error quotes

/// Whether a socket on `at` takes all connections that one on `other` would, so that there can be only one of them.
bool takes_in(const Endpoint& at, const Endpoint& other) {
  if (at.port != other.port) return false;
  const bool every_address = at.address == IpAddress::v6({}) || (at.address == IpAddress::v4({}) && !other.address.is_v6());
  return every_address || at.address == other.address;
}

/// What is said of `at`, or behind it.
std::string every_address(const Endpoint& at) { return at.address.is_v6() ? "every address, of IPv4 too" : "every IPv4 address"; }
}  // namespace

void Interpreter::certificate(const Placed& placed) {
  Certificate certificate;
  const bool kept = named(placed, certificates_, certificate.name);
  certificate.position = position_of(placed);
  if (placed.statement->words.size() > 2) report(placed, 2, "expected `{`");
  Target target{.certificate = &certificate, .directory = placed.source->directory};
  settings_of("certificate", placed, target);
  if (kept) config_.certificates.push_back(std::move(certificate));
}

void Interpreter::spool(const Placed& placed) {
  const std::string directory = placed.source->directory;
  Target target{.config = &config_, .directory = directory};
  settings_of("spool", placed, target);
  if (word(placed, 1) != "rocksdb" || word(placed, 2).empty() || placed.statement->words.size() > 3) {
    const bool kind = word(placed, 1) == "rocksdb";
    report(placed, kind ? (word(placed, 2).empty() ? 2 : 3) : 1, "expected spool rocksdb DIRECTORY", kind ? "" : nearest(word(placed, 1), {"rocksdb"}));
    return;
  }
  const std::string path = word(placed, 2);
  config_.spool.directory = path.starts_with('/') || directory.empty() ? path : directory + "/" + path;
  config_.spool.position = position_of(placed, 2);
}

void Interpreter::listener(const Placed& placed) {
  Listener listener;
  listener.closure = config_.closure;
  listener.position = position_of(placed);
  const auto endpoint = Endpoint::parse(word(placed, 1));
  if (!endpoint) {
    report(placed, 1, "expected address:port, such as 127.0.0.1:25 or [::1]:25, found `" + printable(word(placed, 1), kShown) + "`");
  } else if (endpoint->port == 0) {
    report(placed, 1, "expected a port, 1 to 65535, found `" + word(placed, 1) + "`");
  }
  listener.endpoint = endpoint.value_or(Endpoint{});
  if (placed.statement->words.size() > 2) report(placed, 2, "expected `{`");
  Target target{.closure = &listener.closure, .listener = &listener};
  set_defaults("listen", target);
  settings_of("listen", placed, target);
  for (const Listener& other : config_.listeners) {
    if (!endpoint || endpoint->port == 0) break;
    const std::string there = "there is a listener on " + other.endpoint.text() + " already, in " + place(other.position, placed.source->name);
    if (other.endpoint == *endpoint) {
      report(placed, 1, there);
    } else if (takes_in(other.endpoint, *endpoint)) {
      report(placed, 1, there + ": it has " + every_address(other.endpoint));
    } else if (takes_in(*endpoint, other.endpoint)) {
      report(placed, 1, there + ", and this one would have " + every_address(*endpoint));
    }
  }
  if (endpoint && config_.metrics && (takes_in(*config_.metrics, *endpoint) || takes_in(*endpoint, *config_.metrics))) {
    report(placed, 1, "`metrics` stands on this port: one of them needs another");
  }
  if (listener.certificates.empty() && listener.tls != ListenerTls::off) {
    for (const Certificate& certificate : config_.certificates) listener.certificates.push_back(certificate.name);
    if (certificates_.empty()) report(placed, 0, "this listener's tls needs a `certificate`");
  }
  for (std::size_t i = 0; i < listener.certificates.size(); ++i) {
    const std::string& name = listener.certificates[i];
    if (!certificates_.contains(name)) {
      report(placed, 0, "there is no certificate `" + printable(name, kShown) + "`", nearest(name, keys(certificates_)));
    }
  }
  if (endpoint) config_.listeners.push_back(std::move(listener));
}

void Interpreter::next_hop(const Placed& placed) {
  NextHop next_hop;
  const bool kept = named(placed, next_hops_, next_hop.name);
  next_hop.closure = config_.closure;
  next_hop.position = position_of(placed);
  if (placed.statement->words.size() > 2) report(placed, 2, "expected `{`");
  Target target{.closure = &next_hop.closure, .next_hop = &next_hop};
  set_defaults("next-hop", target);
  settings_of("next-hop", placed, target);
  target_of(placed, next_hop);
  judge(placed, next_hop);
  if (kept) config_.next_hops.push_back(std::move(next_hop));
}

/// `host`, or `mx` and perhaps `port`.
void Interpreter::target_of(const Placed& placed, NextHop& next_hop) {
  std::optional<Placed> host, mx, port_given;
  std::uint16_t port = MxTarget{}.port;
  for (const Statement& each : own(placed)) {
    const Placed inner{placed.source, &each};
    const std::string name = word(inner, 0);
    if (name == "port") {
      // That it is a port was checked with its type.
      const std::string text = word(inner, 1);
      std::from_chars(text.data(), text.data() + text.size(), port);
      port_given = inner;
    }
    if (name != "host" && name != "mx") continue;
    if (host || mx) {
      if (name != word(host ? *host : *mx, 0)) report(inner, 0, "a next hop has one `host` or `mx`");
      continue;
    }
    (name == "host" ? host : mx) = inner;
  }
  if (mx) {
    if (mx->statement->words.size() > 1) report(*mx, 1, "expected the end of the statement");
    next_hop.target = MxTarget{port};
    return;
  }
  if (!host) {
    report(placed, 0, "next-hop `" + printable(next_hop.name, kShown) + "` needs a `host` or `mx`");
    return;
  }
  const std::string text = word(*host, 1);
  if (auto target = parse_host(text, MxTarget{}.port)) {
    next_hop.target = std::move(*target);
  } else if (!text.empty()) {
    report(*host, 1, "expected a host's name or address and perhaps a port, such as mail.example.org:25 or [::1]:25, found `" +
                         printable(text, kShown) + "`");
  }
  if (port_given) report(*port_given, 0, "`port` is for `mx`; the port of a host stands behind its name, such as host mail.example.org:" + std::to_string(port));
}

/// Settings that are each allowed, but contradict one another or have no effect together.
void Interpreter::judge(const Placed& placed, const NextHop& next_hop) {
  for (const Statement& each : own(placed)) {
    const Placed inner{placed.source, &each};
    const std::string name = word(inner, 0);
    const bool lmtp = next_hop.protocol == smtp::ClientProtocol::lmtp;
    if (name == "mx" && lmtp) {
      report(inner, 0, "`mx` is for `protocol smtp`: LMTP goes to a host that is named (RFC 2033 section 5), such as host mail.internal:24");
    }
    const auto* host = std::get_if<HostTarget>(&next_hop.target);
    if (name == "host" && lmtp && host != nullptr && host->port == MxTarget{}.port) {
      report(inner, 1, "LMTP is not spoken on port 25 (RFC 2033 section 5): name the port that the host takes LMTP on, such as :24", {}, Severity::warning);
    }
    if (name != "renew-tls-after") continue;
    if (next_hop.tls == NextHopTls::off) report(inner, 0, "`renew-tls-after` has no effect with `tls off`", {}, Severity::warning);
    if (next_hop.renew_after_messages >= next_hop.messages_per_connection) {
      report(inner, 1, "this never happens: a connection ends after " + std::to_string(next_hop.messages_per_connection) +
                           " messages; give `messages-per-connection` more than " + std::to_string(next_hop.renew_after_messages),
             {}, Severity::warning);
    }
  }
}

}  // namespace adieu::config
