// See interpreter.h: sets of networks and domains, and the rules that use them.
#include <charconv>
#include <set>
#include <sstream>

#include "adieu/base/bytes.h"
#include "adieu/protocol/mail/address.h"
#include "relay/config/interpreter.h"

namespace adieu::config {
namespace {

constexpr std::size_t kShown = 64;              // octets of a word that an error quotes
constexpr std::size_t kMaxReply = 510;          // without its CRLF
constexpr std::size_t kMistakesInList = 20;     // of a list of domains, that are told one by one

/// "550 5.7.1 text": a refusal with an enhanced code of its own class, or why it is none.
std::variant<smtp::Reply, std::string> parse_refusal(const std::string& text) {
  if (text.find('\n') != std::string::npos) return "expected a reply of one line, found a line feed in it";
  std::istringstream words(text);
  std::string code, status, rest;
  words >> code >> status;
  std::getline(words >> std::ws, rest);
  smtp::Reply reply;
  if (code.size() != 3 || std::from_chars(code.data(), code.data() + 3, reply.code).ptr != code.data() + 3 || reply.code < 400 ||
      reply.code > 599) {
    return "expected a reply such as \"550 5.7.1 relaying denied\": its code is 4xx or 5xx";
  }
  if (reply.code == 421) {
    // RFC 5321 section 3.8: the server closes the channel behind it.
    return "421 would end the connection, and with it the recipients that were accepted: expected another code, such as 450 or 451";
  }
  char dot = 0;
  char second_dot = 0;
  std::istringstream parts(status);
  if (!(parts >> reply.status.class_ >> dot >> reply.status.subject >> second_dot >> reply.status.detail) || dot != '.' ||
      second_dot != '.' || parts.peek() != EOF || reply.status.class_ != reply.code / 100) {
    return "expected an enhanced status code of the reply's class behind the code, such as 5.7.1 behind 550";
  }
  if (rest.empty() || printable(rest, rest.size()) != rest) return std::string("expected a text behind the codes, printable and in ASCII");
  if (text.size() > kMaxReply) return "expected a reply of " + std::to_string(kMaxReply) + " octets at most (RFC 5321 section 4.5.3.1.5)";
  reply.text = rest;
  return reply;
}

}  // namespace

std::optional<std::string> domain_pattern(std::string_view text) {
  const std::string lower = to_ascii_lower(text);
  const std::string_view name = lower.starts_with("*.") ? std::string_view(lower).substr(2) : std::string_view(lower);
  if (!is_host_name(name)) return std::nullopt;
  return lower;
}

std::vector<std::string> domains_in(std::string_view text, const std::function<void(std::size_t, std::size_t, std::string)>& complain) {
  static constexpr std::string_view kSpace = " \t\r";
  std::vector<std::string> all;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view whole = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), whole.size() + 1));
    const std::string_view line = whole.substr(0, whole.find('#'));
    for (std::size_t start = line.find_first_not_of(kSpace); start != std::string_view::npos;) {
      const std::size_t end = std::min(line.find_first_of(kSpace, start), line.size());
      const std::string_view each = line.substr(start, end - start);
      if (auto pattern = domain_pattern(each)) {
        all.push_back(std::move(*pattern));
      } else {
        complain(number, start + 1, "expected a domain such as example.org or *.example.org, found `" + printable(each, kShown) + "`");
      }
      start = line.find_first_not_of(kSpace, end);
    }
  }
  return all;
}

void Interpreter::network(const Placed& placed) {
  NetworkSet set;
  const bool kept = named(placed, networks_, set.name);
  if (placed.statement->words.size() < 3) report(placed, 2, "expected one or more networks, such as 10.0.0.0/8");
  std::set<Network> seen;
  for (std::size_t i = 2; i < placed.statement->words.size(); ++i) {
    const auto network = Network::parse(word(placed, i));
    if (!network) {
      report(placed, i, "expected a network such as 10.0.0.0/8 or an address, with no bits behind its length, found `" +
                            printable(word(placed, i), kShown) + "`");
      mistaken_.insert("network " + set.name);
    } else if (!seen.insert(*network).second) {
      report(placed, i, "`" + word(placed, i) + "` stands in this list twice", {}, Severity::warning);
    } else {
      set.networks.push_back(*network);
    }
  }
  if (kept) config_.networks.push_back(std::move(set));
}

void Interpreter::domains(const Placed& placed) {
  DomainSet set;
  const bool kept = named(placed, domains_, set.name);
  if (word(placed, 2) == "file" && placed.statement->words.size() == 4) {
    domains_from_file(placed, set);
  } else {
    if (placed.statement->words.size() < 3) report(placed, 2, "expected one or more domains, or `file` and a path");
    std::set<std::string> seen;
    for (std::size_t i = 2; i < placed.statement->words.size(); ++i) {
      auto pattern = domain_pattern(word(placed, i));
      if (!pattern) {
        report(placed, i, "expected a domain such as example.org or *.example.org, found `" + printable(word(placed, i), kShown) + "`");
        mistaken_.insert("domains " + set.name);
      } else if (!seen.insert(*pattern).second) {
        report(placed, i, "`" + word(placed, i) + "` stands in this list twice", {}, Severity::warning);
      } else {
        set.patterns.push_back(std::move(*pattern));
      }
    }
  }
  if (kept) config_.domains.push_back(std::move(set));
}

void Interpreter::domains_from_file(const Placed& placed, DomainSet& set) {
  const std::string named_path = word(placed, 3);
  const std::string path = named_path.starts_with('/') ? named_path : placed.source->directory + "/" + named_path;
  const TextFile file = files_.read(path);
  if (file.problem.starts_with("cannot be read")) {
    report(placed, 3, path + " " + file.problem);
  } else if (!file.problem.empty()) {
    report_at({path, file.line, file.column}, "the file " + file.problem);
  }
  if (!file.problem.empty()) {
    mistaken_.insert("domains " + set.name);
    return;
  }
  std::size_t mistakes = 0;
  std::size_t last = 1;
  set.patterns = domains_in(file.text, [&](std::size_t line, std::size_t column, std::string message) {
    last = line;
    if (++mistakes <= kMistakesInList) report_at({path, line, column}, std::move(message));
  });
  if (mistakes > 0) mistaken_.insert("domains " + set.name);
  if (mistakes > kMistakesInList) report_at({path, last, 1}, "and " + std::to_string(mistakes - kMistakesInList) + " more mistakes in this file, this the last");
}

/// relay from FROM to TO via NEXT-HOP ; reject from FROM to TO with REPLY
void Interpreter::rule(const Placed& placed) {
  Rule rule;
  rule.position = position_of(placed);
  std::size_t at = 1;
  const std::size_t before = diagnostics_.size();
  // A keyword that is misspelt or missing is told, and the reading goes on as if it stood there; false where nothing can be made of it.
  const auto expect = [&](std::string_view keyword) {
    if (word(placed, at) == keyword) {
      ++at;
      return true;
    }
    const std::string meant = nearest(word(placed, at), {keyword});
    report(placed, at, "expected `" + std::string(keyword) + "`", meant);
    if (!meant.empty()) ++at;
    return !meant.empty();
  };
  const auto name_in = [&](const Seen& names, std::string_view kind) {
    std::string name = word(placed, at);
    if (name.empty()) {
      report(placed, at, "expected the name of a " + std::string(kind));
    } else if (!names.contains(name)) {
      report(placed, at, "there is no " + std::string(kind) + " `" + printable(name, kShown) + "`", nearest(name, keys(names)));
    }
    ++at;
    return name;
  };
  if (!placed.statement->open.empty() && placed.statement->closed) report(placed, 0, "`" + word(placed, 0) + "` takes no block");
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
  if (at < placed.statement->words.size()) {
    const bool split = word(placed, 0) == "reject" && placed.statement->words[at - 1].text.front() != '"';
    report(placed, at, split ? "expected the end of the statement; a reply stands in double quotes" : "expected the end of the statement");
  }
  if (diagnostics_.size() == before) config_.rules.push_back(std::move(rule));
}

}  // namespace adieu::config
