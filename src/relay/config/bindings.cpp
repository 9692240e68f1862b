// See bindings.h.
#include "relay/config/bindings.h"

#include <algorithm>
#include <array>

#include "adieu/base/bytes.h"
#include "adieu/base/result.h"

namespace adieu::config {
namespace {

std::string resolve(const Target& target, const std::string& path) {
  return path.starts_with('/') || target.directory.empty() ? path : target.directory + "/" + path;
}

/// The choice's place among `names`, as an enumeration's value.
template <class Enum, std::size_t Count>
Enum chosen(const Value& value, const std::array<std::string_view, Count>& names) {
  const auto found = std::find(names.begin(), names.end(), value.text);
  return static_cast<Enum>(found - names.begin());
}

struct Binding {
  std::string_view block;
  std::string_view name;
  Bind bind;
};

using T = Target;
using V = Value;

constexpr std::array kBindings = {
    Binding{"", "hostname",
            [](T& t, const V& v) {
              t.config->hostname = v.text;
              t.config->hostname_position = t.position;
            }},
    Binding{"", "postmaster", [](T& t, const V& v) { t.config->postmaster = v.mailbox; }},
    Binding{"", "user",
            [](T& t, const V& v) {
              t.config->user = v.text;
              t.config->user_position = t.position;
            }},
    Binding{"", "loops", [](T& t, const V& v) { t.config->loops = v.number; }},
    Binding{"", "control-socket", [](T& t, const V& v) { t.config->control_socket = resolve(t, v.text); }},
    Binding{"", "metrics", [](T& t, const V& v) { t.config->metrics = v.endpoints.front(); }},
    Binding{"", "resolver", [](T& t, const V& v) { t.config->resolver = v.endpoints; }},
    Binding{"", "bare-newlines",
            [](T& t, const V& v) {
              t.config->bare_newlines = chosen<smtp::BareNewlines>(v, std::array<std::string_view, 2>{"reject", "normalize"});
            }},
    Binding{"", "lenient-commands", [](T& t, const V& v) { t.config->lenient_commands = v.yes; }},
    Binding{"", "shutdown-timeout", [](T& t, const V& v) { t.config->shutdown_timeout = v.duration; }},
    Binding{"log", "level",
            [](T& t, const V& v) {
              t.config->log_level = chosen<LogLevel>(v, std::array<std::string_view, 4>{"debug", "info", "warning", "error"});
            }},
    Binding{"log", "to",
            [](T& t, const V& v) { t.config->log_to = chosen<LogTo>(v, std::array<std::string_view, 3>{"stderr", "syslog", "journal"}); }},
    Binding{"log", "file", [](T& t, const V& v) { t.config->log_file = resolve(t, v.text); }},
    Binding{"log", "syntax-errors",
            [](T& t, const V& v) {
              t.config->log_syntax_errors = chosen<LogLevel>(v, std::array<std::string_view, 2>{"debug", "info"});
            }},
    Binding{"spool", "sync", [](T& t, const V& v) { t.config->spool.sync = v.yes; }},
    Binding{"spool", "cache", [](T& t, const V& v) { t.config->spool.cache = v.number; }},
    Binding{"spool", "large-message", [](T& t, const V& v) { t.config->spool.large = v.number; }},
    Binding{"spool", "free-space", [](T& t, const V& v) { t.config->spool.free_space = v.number; }},
    Binding{"spool", "reserve", [](T& t, const V& v) { t.config->spool.reserve = v.number; }},
    Binding{"spool", "disk-timeout", [](T& t, const V& v) { t.config->spool.disk_timeout = v.duration; }},
    Binding{"certificate", "chain",
            [](T& t, const V& v) {
              t.certificate->chain_file = resolve(t, v.text);
              t.certificate->chain_position = t.position;
            }},
    Binding{"certificate", "key",
            [](T& t, const V& v) {
              t.certificate->key_file = resolve(t, v.text);
              t.certificate->key_position = t.position;
            }},
    Binding{"certificate", "name", [](T& t, const V& v) { t.certificate->server_names = v.texts; }},
    Binding{"tls", "priority",
            [](T& t, const V& v) {
              t.config->tls.priority = v.text;
              t.config->tls.priority_position = t.position;
            }},
    Binding{"tls", "session-tickets", [](T& t, const V& v) { t.config->tls.session_tickets = v.yes; }},
    Binding{"tls", "handshake-timeout", [](T& t, const V& v) { t.config->tls.handshake_timeout = v.duration; }},
    Binding{"closure", "after-close-notify",
            [](T& t, const V& v) {
              t.closure->after_close_notify = chosen<AfterCloseNotify>(v, std::array<std::string_view, 2>{"plaintext", "quit"});
            }},
    Binding{"closure", "close-notify-timeout", [](T& t, const V& v) { t.closure->close_notify_timeout = v.duration; }},
    Binding{"closure", "duplicate-window", [](T& t, const V& v) { t.closure->duplicate_window = v.duration; }},
    Binding{"closure", "alarm",
            [](T& t, const V& v) { t.closure->alarm = chosen<Alarm>(v, std::array<std::string_view, 3>{"unusual", "always", "never"}); }},
    Binding{"closure", "resume-after-truncation", [](T& t, const V& v) { t.closure->resume_after_truncation = v.yes; }},
    Binding{"listen", "tls",
            [](T& t, const V& v) {
              t.listener->tls = chosen<ListenerTls>(v, std::array<std::string_view, 4>{"off", "optional", "required", "implicit"});
            }},
    Binding{"listen", "reserved-connections", [](T& t, const V& v) { t.listener->reserved_connections = v.number; }},
    Binding{"listen", "certificate", [](T& t, const V& v) { t.listener->certificates = v.texts; }},
    Binding{"next-hop", "host", [](T&, const V&) {}},  // with its port: see the interpreter
    Binding{"next-hop", "port", [](T&, const V&) {}},
    Binding{"next-hop", "local-addresses",
            [](T& t, const V& v) {
              t.next_hop->local_addresses = chosen<LocalAddresses>(v, std::array<std::string_view, 3>{"no", "private", "yes"});
            }},
    Binding{"next-hop", "address-literals", [](T& t, const V& v) { t.next_hop->address_literals = v.yes; }},
    Binding{"next-hop", "protocol",
            [](T& t, const V& v) {
              t.next_hop->protocol = chosen<smtp::ClientProtocol>(v, std::array<std::string_view, 2>{"smtp", "lmtp"});
            }},
    Binding{"next-hop", "tls",
            [](T& t, const V& v) {
              t.next_hop->tls =
                  chosen<NextHopTls>(v, std::array<std::string_view, 4>{"off", "opportunistic", "required", "verify"});
            }},
    Binding{"next-hop", "connections", [](T& t, const V& v) { t.next_hop->connections = v.number; }},
    Binding{"next-hop", "messages-per-connection", [](T& t, const V& v) { t.next_hop->messages_per_connection = v.number; }},
    Binding{"next-hop", "recipients", [](T& t, const V& v) { t.next_hop->recipients = v.number; }},
    Binding{"next-hop", "eight-bit",
            [](T& t, const V& v) {
              t.next_hop->eight_bit = chosen<smtp::EightBit>(v, std::array<std::string_view, 3>{"convert", "fail", "pass"});
            }},
    Binding{"next-hop", "idle-timeout", [](T& t, const V& v) { t.next_hop->idle_timeout = v.duration; }},
    Binding{"next-hop", "connect-timeout", [](T& t, const V& v) { t.next_hop->connect_timeout = v.duration; }},
    Binding{"next-hop", "command-timeout",
            [](T& t, const V& v) { t.next_hop->timeouts.greeting = t.next_hop->timeouts.command = v.duration; }},
    Binding{"next-hop", "data-timeout",
            [](T& t, const V& v) { t.next_hop->timeouts.data_block = t.next_hop->timeouts.data_initiation = v.duration; }},
    Binding{"next-hop", "end-of-data-timeout", [](T& t, const V& v) { t.next_hop->timeouts.data_termination = v.duration; }},
    Binding{"next-hop", "renew-tls-after",
            [](T& t, const V& v) {
              t.next_hop->renew_after_messages = v.number;
              t.next_hop->renew_after = v.duration;
            }},
    Binding{"retry", "after", [](T& t, const V& v) { t.config->retry.after = v.durations; }},
    Binding{"retry", "then-every", [](T& t, const V& v) { t.config->retry.then_every = v.duration; }},
    Binding{"retry", "give-up", [](T& t, const V& v) { t.config->retry.give_up = v.duration; }},
    Binding{"limits", "message-size", [](T& t, const V& v) { t.config->limits.session.message_size = v.number; }},
    Binding{"limits", "recipients", [](T& t, const V& v) { t.config->limits.session.recipients = v.number; }},
    Binding{"limits", "errors", [](T& t, const V& v) { t.config->limits.session.errors = v.number; }},
    Binding{"limits", "transactions", [](T& t, const V& v) { t.config->limits.session.transactions = v.number; }},
    Binding{"limits", "layers", [](T& t, const V& v) { t.config->limits.session.layers = v.number; }},
    Binding{"limits", "hops", [](T& t, const V& v) { t.config->limits.session.hops = v.number; }},
    Binding{"limits", "command-line", [](T& t, const V& v) { t.config->limits.session.command_line = v.number; }},
    Binding{"limits", "text-line", [](T& t, const V& v) { t.config->limits.session.text_line = v.number; }},
    Binding{"limits", "command-timeout", [](T& t, const V& v) { t.config->limits.session.command_timeout = v.duration; }},
    Binding{"limits", "data-timeout", [](T& t, const V& v) { t.config->limits.session.data_timeout = v.duration; }},
    Binding{"limits", "connections", [](T& t, const V& v) { t.config->limits.connections = v.number; }},
    Binding{"limits", "connections-per-address", [](T& t, const V& v) { t.config->limits.connections_per_address = v.number; }},
    Binding{"limits", "connections-per-site", [](T& t, const V& v) { t.config->limits.connections_per_site = v.number; }},
    Binding{"limits", "trusted-connections", [](T& t, const V& v) { t.config->limits.trusted_connections = v.number; }},
    Binding{"limits", "outbound-connections", [](T& t, const V& v) { t.config->limits.outbound_connections = v.number; }},
    Binding{"limits", "queue-memory", [](T& t, const V& v) { t.config->limits.queue_memory = v.number; }},
    Binding{"limits", "active-messages", [](T& t, const V& v) { t.config->limits.active_messages = v.number; }},
    Binding{"limits", "notifications-per-address", [](T& t, const V& v) { t.config->limits.notifications_per_address = v.number; }},
    Binding{"limits", "ledger-peers", [](T& t, const V& v) { t.config->limits.ledger_peers = v.number; }},
    Binding{"limits", "transaction-memory", [](T& t, const V& v) { t.config->limits.transaction_memory = v.number; }},
};

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = text.find(' ');
    words.emplace_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return words;
}

}  // namespace

Bind binding(std::string_view block, std::string_view name) {
  const auto found = std::find_if(kBindings.begin(), kBindings.end(),
                                  [&](const Binding& binding) { return binding.block == block && binding.name == name; });
  return found == kBindings.end() ? nullptr : found->bind;
}

void set_defaults(std::string_view block, Target& target) {
  for (const Setting& setting : settings()) {
    if (setting.block != block || setting.value.empty() || !setting.supported) continue;
    const auto value = parse_value(setting, words_of(setting.value));
    const Bind bind = binding(block, setting.name);
    check(std::holds_alternative<Value>(value) && bind != nullptr, "every default in the table has its type and a place");
    bind(target, std::get<Value>(value));
  }
}

}  // namespace adieu::config
