// See settings.h. The one table.
#include "adieu/relay/config/settings.h"

#include <algorithm>
#include <array>

namespace adieu::config {
namespace {

using enum Type;

// clang-format off
constexpr std::array kSettings = {
    // block, name, type, default, choices or form, meaning, supported, required, repeats
    Setting{"", "hostname", word, "", "hostname NAME", "the relay's own name: in its greeting, its EHLO, its trace fields and its notifications", true, true},
    Setting{"", "postmaster", mailbox, "", "postmaster MAILBOX", "who reads mail to `<postmaster>` and to postmaster at the `hostname`"},
    Setting{"", "user", word, "", "user NAME", "the user to become once the ports are bound; none: stay"},
    Setting{"", "loops", number, "", "loops NUMBER", "event loops, each a thread; none: one a core"},
    Setting{"", "control-socket", path, "/run/adieu/control", "control-socket PATH", "where `adieu queue` finds the running relay"},
    Setting{"", "resolver", endpoints, "system", "resolver system | ADDRESS:PORT …", "the name servers to ask"},
    Setting{"", "bare-newlines", choice, "reject", "reject | normalize", "what is done about a CR or LF that stands alone in mail data, and about a NUL"},
    Setting{"", "lenient-commands", boolean, "yes", "yes | no", "take commands as some devices write them, where it is clear what they mean"},
    Setting{"", "shutdown-timeout", duration, "30s", "shutdown-timeout TIME", "how long what is under way may take to finish after SIGTERM"},
    Setting{"", "metrics", endpoint, "", "metrics ADDRESS:PORT", "where counts are told, at http://ADDRESS:PORT/metrics; none: nowhere"},
    Setting{"", "log", block, "", "log { … }", "what is logged"},
    Setting{"", "spool", block, "", "spool rocksdb DIRECTORY { … }", "where mail is kept between its 250 and its delivery", true, true},
    Setting{"", "certificate", block, "", "certificate NAME { … }", "a certificate chain and its key", true, false, true},
    Setting{"", "tls", block, "", "tls { … }", "TLS for all listeners and next hops"},
    Setting{"", "closure", block, "", "closure { … }", "what follows from the end of a TLS layer"},
    Setting{"", "listen", block, "", "listen ADDRESS:PORT { … }", "a port to take mail on", true, true, true},
    Setting{"", "network", statement, "", "network NAME CIDR …", "a named set of client networks", true, false, true},
    Setting{"", "domains", statement, "", "domains NAME DOMAIN … | domains NAME file PATH", "a named set of recipient domains", true, false, true},
    Setting{"", "next-hop", block, "", "next-hop NAME { … }", "a place mail is delivered to", true, false, true},
    Setting{"", "relay", statement, "", "relay from any | network NAME to any | domains NAME via NEXT-HOP", "a rule: such mail is taken and goes that way", true, false, true},
    Setting{"", "reject", statement, "", "reject from any | network NAME to any | domains NAME with \"REPLY\"", "a rule: such mail is refused", true, false, true},
    Setting{"", "retry", block, "", "retry { … }", "when deferred mail is tried again"},
    Setting{"", "limits", block, "", "limits { … }", "bounds on what peers may ask for"},
    Setting{"", "include", statement, "", "include \"GLOB\"", "reads other files in its place", true, false, true},

    Setting{"log", "level", choice, "info", "debug | info | warning | error", "the least severe lines to write"},
    Setting{"log", "to", choice, "stderr", "stderr | syslog | journal", "where lines go when no `file` is given"},
    Setting{"log", "file", path, "", "", "a file that lines are appended to; SIGHUP opens it anew"},
    Setting{"log", "syntax-errors", choice, "debug", "debug | info", "the level of `reject` lines about commands that make no sense, or come out of order"},

    Setting{"spool", "sync", boolean, "yes", "", "sync before each 250; `no` is for trying things out: a crash of the machine may lose mail"},
    Setting{"spool", "cache", size, "64MiB", "", "memory for reading stored mail"},
    Setting{"spool", "large-message", size, "128KiB", "", "mail data beyond this streams into a file of its own while it arrives"},
    Setting{"spool", "free-space", size, "256MiB", "", "must stay free on the spool's disk; below it, mail gets 452 4.3.1"},
    Setting{"spool", "reserve", size, "64MiB", "", "set aside on the spool's disk for what must be written when it is full; 0 sets nothing aside"},
    Setting{"spool", "disk-timeout", duration, "5s", "", "how long a disk that takes nothing may delay the reply to the end of data; then 451 or 452"},

    Setting{"certificate", "chain", path, "", "", "PEM file, the certificate first, then its issuers", true, true},
    Setting{"certificate", "name", names, "", "", "server names (SNI) that it is sent for, beside those that stand in it"},
    Setting{"certificate", "key", path, "", "", "PEM file with the certificate's private key", true, true},

    Setting{"tls", "priority", word, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-DHE-RSA:-AES-256-CBC:-AES-128-CBC:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-SECP521R1:+GROUP-X448:%SERVER_PRECEDENCE", "", "a GnuTLS priority string: versions, ciphers, groups"},
    Setting{"tls", "session-tickets", boolean, "yes", "", "let clients resume sessions"},
    Setting{"tls", "handshake-timeout", duration, "60s", "", "for a whole handshake"},

    Setting{"closure", "after-close-notify", choice, "plaintext", "plaintext | quit", "once both close_notify have passed: go on in plaintext, or end the connection"},
    Setting{"closure", "close-notify-timeout", duration, "5s", "", "how long to wait for the peer's close_notify after ours"},
    Setting{"closure", "duplicate-window", duration, "4h", "", "for how long a message whose 250 was lost is recognised when it comes again; 0s: never"},
    Setting{"closure", "alarm", choice, "unusual", "unusual | always | never", "when truncation that cost something raises an alarm"},
    Setting{"closure", "resume-after-truncation", boolean, "yes", "", "whether a TLS session that was cut may be resumed; no: none is"},

    Setting{"listen", "tls", choice, "off", "off | optional | required | implicit", "STARTTLS not offered, offered, demanded; or TLS from the first octet"},
    Setting{"listen", "certificate", names, "", "", "the certificates to offer, the first where SNI matches none; none given: all of the file"},
    Setting{"listen", "reserved-connections", number, "", "", "of `limits { connections }`, set aside for this listener; none: a tenth, divided by the number of listeners"},
    Setting{"listen", "closure", block, "", "", "this listener's own, else the file's"},
    Setting{"listen", "auth", choice, "", "off | optional | required", "SMTP AUTH", false},

    Setting{"next-hop", "host", word, "", "", "the host's name or address, and its port (25 where none is given)"},
    Setting{"next-hop", "mx", statement, "", "", "the mail exchangers of each recipient's domain"},
    Setting{"next-hop", "port", number, "25", "", "the port, for `mx`"},
    Setting{"next-hop", "local-addresses", choice, "private", "no | private | yes", "for `mx`: whether exchangers of private networks are dialled; yes: of this machine too"},
    Setting{"next-hop", "address-literals", boolean, "yes", "", "for `mx`: whether a recipient's domain may be an address in brackets"},
    Setting{"next-hop", "protocol", choice, "smtp", "smtp | lmtp", "what is spoken there"},
    Setting{"next-hop", "tls", choice, "opportunistic", "off | opportunistic | required | verify | dane", "STARTTLS never; where offered; always; always, with a certificate that is verified"},
    Setting{"next-hop", "connections", number, "20", "", "at once, to one destination"},
    Setting{"next-hop", "messages-per-connection", number, "100", "", "then QUIT"},
    Setting{"next-hop", "recipients", number, "100", "", "in one transaction; the rest of a message's recipients follow in the next"},
    Setting{"next-hop", "eight-bit", choice, "convert", "convert | fail | pass", "8-bit mail where 8BITMIME is not offered: made 7-bit, failed with 5.6.3, or sent as it is"},
    Setting{"next-hop", "idle-timeout", duration, "5s", "", "how long a connection waits for another message"},
    Setting{"next-hop", "connect-timeout", duration, "30s", "", "for one address"},
    Setting{"next-hop", "command-timeout", duration, "5m", "", "for the reply to a command"},
    Setting{"next-hop", "data-timeout", duration, "3m", "", "for the next hop to take a part of the mail data"},
    Setting{"next-hop", "end-of-data-timeout", duration, "10m", "", "for the reply to the end of mail data"},
    Setting{"next-hop", "renew-tls-after", age, "", "", "new keys and certificates on the same connection, where the next hop offers XTLSRETURN; none: never"},
    Setting{"next-hop", "closure", block, "", "", "this next hop's own, else the file's"},
    Setting{"next-hop", "auth", statement, "", "", "SMTP AUTH as a client", false},

    Setting{"retry", "after", durations, "1m 5m 15m 30m 1h", "", "the intervals after the first attempts"},
    Setting{"retry", "then-every", duration, "2h", "", "the interval after those"},
    Setting{"retry", "delay-notice", duration, "4h", "", "when the reverse-path is told of a delay", false},
    Setting{"retry", "give-up", duration, "5d", "", "after this time a deferral is a failure, and the reverse-path is told"},

    Setting{"limits", "message-size", size, "50MiB", "", "of mail data: 552 5.3.4, and the SIZE of EHLO"},
    Setting{"limits", "recipients", number, "1000", "", "in a transaction, 100 or more: 452 4.5.3"},
    Setting{"limits", "errors", number, "10", "", "replies of 5xx on one connection, then 421 4.7.0"},
    Setting{"limits", "transactions", number, "1000", "", "messages in a session, then 421 4.7.0"},
    Setting{"limits", "layers", number, "100", "", "of TLS on one connection, one after another: 421 4.7.0"},
    Setting{"limits", "hops", number, "100", "", "Received fields in a message: 554 5.4.6"},
    Setting{"limits", "command-line", size, "2KiB", "", "a command with its CRLF, 512B or more: 500 5.5.2"},
    Setting{"limits", "text-line", size, "1MiB", "", "a line of mail data, 1000B or more: 554 5.6.0"},
    Setting{"limits", "command-timeout", duration, "5m", "", "for a client's next command to begin, and again for the whole of it: 421 4.4.2"},
    Setting{"limits", "data-timeout", duration, "3m", "", "for a client's next octets of mail data, and for it to take all of the replies that wait for it: 421 4.4.2"},
    Setting{"limits", "connections", number, "2000", "", "of clients, in all: 421 4.7.0"},
    Setting{"limits", "connections-per-address", number, "50", "", "of one client, an IPv4 address or an IPv6 /64: 421 4.7.0"},
    Setting{"limits", "connections-per-site", number, "100", "", "of one IPv6 /48, clients of trusted networks not counted: 421 4.7.0"},
    Setting{"limits", "trusted-connections", number, "", "", "of `connections`, set aside for the networks that `relay` rules name; none: a tenth"},
    Setting{"limits", "outbound-connections", number, "1000", "", "to next hops, in all; mail beyond waits for a connection that ends"},
    Setting{"limits", "queue-memory", size, "256MiB", "", "mail data kept in memory for delivery; the rest is read from the spool again"},
    Setting{"limits", "active-messages", number, "20000", "", "messages on their way, in memory; all others wait in the spool"},
    Setting{"limits", "notifications-per-address", number, "500", "", "failure notifications to one reverse-path in an hour; beyond: logged, nobody is told"},
    Setting{"limits", "ledger-peers", number, "10000", "", "peers in the closure ledger; those with the fewest transactions give way"},
    Setting{"limits", "transaction-memory", size, "256MiB", "", "mail data not yet in the spool, of all sessions: 452 4.3.1"},
};
// clang-format on

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

std::string_view name(Type type) {
  switch (type) {
    case word: return "word";
    case path: return "path";
    case number: return "number";
    case size: return "size";
    case duration: return "duration";
    case durations: return "durations";
    case boolean: return "yes | no";
    case choice: return "choice";
    case endpoint: return "address:port";
    case endpoints: return "address:port …";
    case names: return "names";
    case mailbox: return "mailbox";
    case age: return "N messages, or duration";
    case block: return "block";
    case statement: return "statement";
  }
  return "unknown";
}

std::span<const Setting> settings() { return kSettings; }

const Setting* find_setting(std::string_view block, std::string_view name) {
  const auto found = std::find_if(kSettings.begin(), kSettings.end(),
                                  [&](const Setting& setting) { return setting.block == block && setting.name == name; });
  return found == kSettings.end() ? nullptr : &*found;
}

std::string settings_text() {
  std::string out;
  for (const Setting& setting : kSettings) {
    std::string line(setting.block);
    if (!line.empty()) line += ' ';
    line += setting.name;
    line.resize(std::max<std::size_t>(line.size() + 1, 34), ' ');
    line += setting.type == choice ? setting.choices : name(setting.type);
    line.resize(std::max<std::size_t>(line.size() + 1, 74), ' ');
    line += setting.value.empty() ? "-" : setting.value;
    line.resize(std::max<std::size_t>(line.size() + 1, 94), ' ');
    line += setting.meaning;
    if (!setting.supported) line += " (not supported yet)";
    out += line + "\n";
  }
  return out;
}

std::string settings_json() {
  std::string out;
  for (const Setting& setting : kSettings) {
    out += "{\"block\":" + quoted(setting.block) + ",\"name\":" + quoted(setting.name) + ",\"type\":" + quoted(name(setting.type)) +
           ",\"default\":" + (setting.value.empty() ? "null" : quoted(setting.value)) + ",\"choices\":" + quoted(setting.choices) +
           ",\"meaning\":" + quoted(setting.meaning) + ",\"supported\":" + (setting.supported ? "true" : "false") + "}\n";
  }
  return out;
}

}  // namespace adieu::config
