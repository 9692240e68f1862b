// The policy as the relay uses it: what a policy file means once it has been parsed and every default filled in. Immutable
// while it is in force. Defaults, types and units come from the table of settings (settings.h), not from here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "adieu/base/clock.h"
#include "adieu/base/ip.h"
#include "adieu/base/log.h"
#include "adieu/protocol/mail/address.h"
#include "adieu/protocol/smtp/client_session.h"
#include "adieu/protocol/smtp/reply.h"
#include "adieu/protocol/smtp/server_session.h"

namespace adieu::config {

/// Where in which file something was said, for errors that are found later than the parse.
struct Position {
  std::string file;
  std::size_t line = 0;    // from 1
  std::size_t column = 0;  // from 1, octets
};

enum class AfterCloseNotify : std::uint8_t { plaintext, quit };
enum class Alarm : std::uint8_t { unusual, always, never };

struct Closure {
  AfterCloseNotify after_close_notify{};
  Duration close_notify_timeout{};
  Duration duplicate_window{};
  Alarm alarm{};
  bool resume_after_truncation{};
};

struct Certificate {
  std::string name;
  std::string chain_file;  // PEM, the leaf first
  std::string key_file;    // PEM
  std::vector<std::string> server_names;  // for which it is sent, beside those that it contains
  Position position;
  Position chain_position;
  Position key_position;
};

struct Tls {
  std::string priority;        // a GnuTLS priority string
  Position priority_position;  // line 0 where it is not given
  bool session_tickets{};
  Duration handshake_timeout{};
};

enum class ListenerTls : std::uint8_t { off, optional, required, implicit };

struct Listener {
  Endpoint endpoint;
  ListenerTls tls{};
  std::vector<std::string> certificates;  // by name; the first is sent where SNI matches none
  std::optional<std::size_t> reserved_connections;  // of all connections; none: see access::shares_of
  Closure closure;                        // the listener's own, else the file's
  Position position;
};

enum class NextHopTls : std::uint8_t { off, opportunistic, required, verify };

/// `host NAME:PORT` or `host ADDRESS:PORT`.
struct HostTarget {
  std::string host;  // a name, or an address without brackets
  std::uint16_t port = 25;
};
/// `mx`: the exchangers of each recipient's domain.
struct MxTarget {
  std::uint16_t port = 25;
};

/// Which exchangers' addresses `mx` dials: none of this machine or of a private network; private ones too; all.
enum class LocalAddresses : std::uint8_t { no, private_too, yes };

struct NextHop {
  std::string name;
  std::variant<HostTarget, MxTarget> target;
  smtp::ClientProtocol protocol{};
  NextHopTls tls{};
  LocalAddresses local_addresses{};       // for `mx`
  bool address_literals{};                // for `mx`: whether a recipient's domain may be an address
  std::size_t connections{};              // at once, to one destination
  std::size_t messages_per_connection{};
  std::size_t recipients{};               // in one transaction
  smtp::EightBit eight_bit{};
  Duration idle_timeout{};                // how long a connection waits for the next message
  Duration connect_timeout{};
  smtp::ClientTimeouts timeouts;
  std::uint64_t renew_after_messages{};   // 0: any number
  Duration renew_after{};                 // 0: any time
  Closure closure;
  Position position;
};

/// A name pattern of `domains`: "example.org", or "*.example.org" for all below it, not itself. Lower case.
struct DomainSet {
  std::string name;
  std::vector<std::string> patterns;
};
struct NetworkSet {
  std::string name;
  std::vector<Network> networks;
};

struct FromAny {};
struct FromNetwork { std::string network; };
using RuleFrom = std::variant<FromAny, FromNetwork>;

struct ToAny {};
struct ToDomains { std::string domains; };
using RuleTo = std::variant<ToAny, ToDomains>;

struct RelayVia { std::string next_hop; };
struct RejectWith { smtp::Reply reply; };
struct Rule {
  RuleFrom from;
  RuleTo to;
  std::variant<RelayVia, RejectWith> action;
  Position position;
};

struct Spool {
  std::string directory;
  Position position;
  bool sync{};                  // off only for trying out: an acknowledged message may then be lost by a crash of the machine
  std::uint64_t cache{};        // octets of RocksDB's block cache
  std::uint64_t large{};        // mail data beyond this streams into a file of its own
  std::uint64_t free_space{};   // octets that must stay free on the disk; below, MAIL gets 452 4.3.1
  std::uint64_t reserve{};      // octets set aside for what must be written when the disk is full
  Duration disk_timeout{};      // how long a disk that takes nothing may delay the reply to the end of data
  bool accept_loss{};           // start although acknowledged mail is lost; said on the command line alone
};

struct Retry {
  std::vector<Duration> after;
  Duration then_every{};
  Duration give_up{};
};

struct Limits {
  smtp::ServerLimits session;                   // message-size, recipients, errors, …
  std::size_t connections{};                    // all of them; beyond it 421 4.7.0
  std::size_t connections_per_address{};
  std::size_t connections_per_site{};           // of an IPv6 /48
  std::optional<std::size_t> trusted_connections;  // of all; none: see access::shares_of
  std::size_t outbound_connections{};           // to all next hops
  std::uint64_t queue_memory{};                 // octets of mail data kept in memory for delivery
  std::uint64_t active_messages{};              // on their way, in memory
  std::size_t notifications_per_address{};      // in an hour
  std::size_t ledger_peers{};                   // in the closure ledger
  std::uint64_t transaction_memory{};           // octets of mail data not yet in the spool, all sessions
};

/// Where the log goes when no file is given.
enum class LogTo : std::uint8_t { standard_error, syslog, journal };

struct Config {
  std::string hostname;
  std::optional<mail::Mailbox> postmaster;  // who reads mail to postmaster at the relay itself
  std::string user;                     // to become after the ports are bound; empty: stay
  std::size_t loops{};                  // shards; 0: one a core
  std::string control_socket;           // path
  std::vector<Endpoint> resolver;       // empty: the system's
  std::optional<Endpoint> metrics;      // where they are served, in plain HTTP
  LogLevel log_level{};
  LogTo log_to{};
  std::string log_file;                 // path; empty: `log_to`
  LogLevel log_syntax_errors{};         // of the lines about commands that were malformed or out of order
  smtp::BareNewlines bare_newlines{};
  bool lenient_commands{};
  Duration shutdown_timeout{};
  Spool spool;
  Tls tls;
  Closure closure;
  Retry retry;
  Limits limits;
  std::vector<Certificate> certificates;
  std::vector<Listener> listeners;
  std::vector<NetworkSet> networks;
  std::vector<DomainSet> domains;
  std::vector<NextHop> next_hops;
  std::vector<Rule> rules;
  Position hostname_position;           // of its value; line 0 where it is not given
  Position user_position;
};

}  // namespace adieu::config
