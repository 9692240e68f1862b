// See interpreter.h: sets of networks and domains, the rules that use them, and what only the whole file can tell.
#include <charconv>
#include <fstream>
#include <sstream>

#include "adieu/base/bytes.h"
#include "adieu/protocol/mail/address.h"
#include "relay/config/interpreter.h"

namespace adieu::config {
namespace {

/// "550 5.7.1 text": a refusal with an enhanced code of its own class, or why it is none.
std::variant<smtp::Reply, std::string> parse_refusal(const std::string& text) {
  std::istringstream words(text);
  std::string code, status, rest;
  words >> code >> status;
  std::getline(words >> std::ws, rest);
  smtp::Reply reply;
  if (code.size() != 3 || std::from_chars(code.data(), code.data() + 3, reply.code).ptr != code.data() + 3 || reply.code < 400 ||
      reply.code > 599 || reply.code == 421) {
    return "expected a reply such as \"550 5.7.1 relaying denied\": its code is 4xx or 5xx, not 421";
  }
  char dot = 0;
  char second_dot = 0;
  std::istringstream parts(status);
  if (!(parts >> reply.status.class_ >> dot >> reply.status.subject >> second_dot >> reply.status.detail) || dot != '.' ||
      second_dot != '.' || parts.peek() != EOF || reply.status.class_ != reply.code / 100) {
    return "expected an enhanced status code of the reply's class behind the code, such as 5.7.1 behind 550";
  }
  if (rest.empty() || printable(rest) != rest) return std::string("expected a text behind the codes, printable and in ASCII");
  reply.text = rest;
  return reply;
}

}  // namespace

std::optional<std::string> domain_pattern(std::string_view text) {
  const std::string lower = to_ascii_lower(text);
  const std::string_view name = lower.starts_with("*.") ? std::string_view(lower).substr(2) : std::string_view(lower);
  if (!mail::is_domain(name)) return std::nullopt;
  return lower;
}

std::vector<std::string> domains_in(std::string_view text, const std::function<void(std::size_t, std::string)>& complain) {
  std::vector<std::string> all;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    line.resize(std::min(line.size(), line.find('#')));
    std::istringstream words(line);
    for (std::string each; words >> each;) {
      if (auto pattern = domain_pattern(each)) {
        all.push_back(std::move(*pattern));
      } else {
        complain(number, "expected a domain such as example.org or *.example.org, found `" + printable(each, 64) + "`");
      }
    }
  }
  return all;
}

void Interpreter::network(const Placed& placed) {
  NetworkSet set;
  if (!named(placed, networks_, set.name)) return;
  if (placed.statement->words.size() < 3) report(placed, 2, "expected one or more networks, such as 10.0.0.0/8");
  for (std::size_t i = 2; i < placed.statement->words.size(); ++i) {
    if (const auto network = Network::parse(word(placed, i))) {
      set.networks.push_back(*network);
    } else {
      report(placed, i, "expected a network such as 10.0.0.0/8 or an address, with no bits behind its length, found `" + word(placed, i) + "`");
    }
  }
  config_.networks.push_back(std::move(set));
}

void Interpreter::domains(const Placed& placed) {
  DomainSet set;
  if (!named(placed, domains_, set.name)) return;
  if (word(placed, 2) == "file" && placed.statement->words.size() == 4) {
    const std::string named_path = word(placed, 3);
    const std::string path = named_path.starts_with('/') ? named_path : placed.source->directory + "/" + named_path;
    std::ifstream file(path);
    std::ostringstream text;
    if (!file || !(text << file.rdbuf())) {
      // An empty file leaves the stream failed, and is an empty list.
      if (!file) report(placed, 3, "cannot read " + path);
    }
    set.patterns = domains_in(text.str(), [&](std::size_t line, std::string message) { report_at({path, line, 1}, std::move(message)); });
  } else {
    if (placed.statement->words.size() < 3) report(placed, 2, "expected one or more domains, or `file` and a path");
    for (std::size_t i = 2; i < placed.statement->words.size(); ++i) {
      if (auto pattern = domain_pattern(word(placed, i))) {
        set.patterns.push_back(std::move(*pattern));
      } else {
        report(placed, i, "expected a domain such as example.org or *.example.org, found `" + word(placed, i) + "`");
      }
    }
  }
  config_.domains.push_back(std::move(set));
}

/// relay from FROM to TO via NEXT-HOP ; reject from FROM to TO with REPLY
void Interpreter::rule(const Placed& placed) {
  Rule rule;
  rule.position = placed.source->position(static_cast<std::size_t>(placed.statement->words[0].text.data() - placed.source->text.data()));
  std::size_t at = 1;
  const std::size_t before = diagnostics_.size();
  const auto expect = [&](std::string_view keyword) {
    if (word(placed, at) == keyword) {
      ++at;
      return true;
    }
    report(placed, at, "expected `" + std::string(keyword) + "`", nearest(word(placed, at), {keyword}));
    return false;
  };
  const auto name_in = [&](const std::set<std::string>& names, std::string_view kind) {
    const std::string name = word(placed, at);
    if (!names.contains(name)) {
      report(placed, at, "there is no " + std::string(kind) + " `" + name + "`", nearest(name, {names.begin(), names.end()}));
    }
    ++at;
    return name;
  };
  if (!expect("from")) return;
  if (word(placed, at) == "any") {
    ++at;
  } else if (word(placed, at) == "network") {
    ++at;
    rule.from = FromNetwork{name_in(networks_, "network")};
  } else if (word(placed, at) == "authenticated") {
    report(placed, at++, "`from authenticated` is not supported yet");
  } else {
    report(placed, at, "expected `any` or `network` and its name", nearest(word(placed, at), {"any", "network", "authenticated"}));
    return;
  }
  if (!expect("to")) return;
  if (word(placed, at) == "any") {
    ++at;
  } else if (word(placed, at) == "domains") {
    ++at;
    rule.to = ToDomains{name_in(domains_, "domains")};
  } else {
    report(placed, at, "expected `any` or `domains` and their name", nearest(word(placed, at), {"any", "domains"}));
    return;
  }
  if (word(placed, 0) == "relay") {
    if (!expect("via")) return;
    rule.action = RelayVia{name_in(next_hops_, "next-hop")};
  } else {
    if (!expect("with")) return;
    auto reply = parse_refusal(word(placed, at));
    if (auto* why = std::get_if<std::string>(&reply)) {
      report(placed, at, std::move(*why));
    } else {
      rule.action = RejectWith{std::move(std::get<smtp::Reply>(reply))};
    }
    ++at;
  }
  if (at < placed.statement->words.size()) report(placed, at, "expected the end of the statement");
  if (diagnostics_.size() != before) return;
  if (std::holds_alternative<FromAny>(rule.from) && std::holds_alternative<ToAny>(rule.to) && std::holds_alternative<RelayVia>(rule.action)) {
    report(placed, 0, "this relays mail from anybody to anybody: an open relay", {}, Severity::warning);
  }
  config_.rules.push_back(std::move(rule));
}

void Interpreter::check_whole() {
  check_postmaster();
  check_shares();
  const Position whole{sources_.front()->name, 1, 1};
  for (const Setting& row : settings()) {
    if (!row.block.empty() || !row.required) continue;
    bool found = false;
    for (const Placed& placed : statements_) found |= word(placed, 0) == row.name;
    if (!found) report_at(whole, "the file needs a `" + std::string(row.name) + "` statement");
  }
  struct Least {
    std::string_view name;
    std::size_t value;
    std::size_t least;
    std::string_view source;
  };
  const smtp::ServerLimits& limits = config_.limits.session;
  for (const Least& each : {Least{"recipients", limits.recipients, 100, "4.5.3.1.8"}, Least{"command-line", limits.command_line, 512, "4.5.3.1.4"},
                            Least{"text-line", limits.text_line, 1000, "4.5.3.1.6"}, Least{"message-size", limits.message_size, 65'536, "4.5.3.1.7"}}) {
    if (each.value >= each.least) continue;
    for (const Placed& placed : statements_) {
      if (word(placed, 0) != "limits") continue;
      for (const Statement& inner : placed.statement->block) {
        if (word({placed.source, &inner}, 0) == each.name) {
          report({placed.source, &inner}, 1, "expected " + std::to_string(each.least) + " or more (RFC 5321 section " + std::string(each.source) + ")");
        }
      }
    }
  }
  if (!config_.hostname.empty() && !mail::is_domain(config_.hostname)) {
    for (const Placed& placed : statements_) {
      if (word(placed, 0) == "hostname") report(placed, 1, "expected a host name such as relay.example.org");
    }
  }
}

}  // namespace adieu::config
