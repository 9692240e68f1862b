// See interpreter.h: the statements of the file. Rules, sets and the checks of the whole are in interpreter_rules.cpp.
#include "relay/config/interpreter.h"

#include <algorithm>
#include <charconv>


namespace adieu::config {
namespace {
constexpr std::size_t kMaxIncludeDepth = 10;
constexpr std::string_view kNotYet = "is not supported yet";
}  // namespace

Position Source::position(std::size_t offset) const {
  offset = std::min(offset, text.size());
  const std::string_view before = std::string_view(text).substr(0, offset);
  const auto line = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
  const std::size_t start = before.rfind('\n');
  return {name, line, start == std::string_view::npos ? offset + 1 : offset - start};
}

std::string Source::line(std::size_t number) const {
  std::string_view rest = text;
  for (; number > 1; --number) rest.remove_prefix(std::min(rest.size(), rest.find('\n') == std::string_view::npos ? rest.size() : rest.find('\n') + 1));
  return std::string(rest.substr(0, rest.find('\n')));
}

std::string Interpreter::word(const Placed& placed, std::size_t index) const {
  const auto& words = placed.statement->words;
  return index < words.size() ? syntax::value_of(words[index].text) : std::string();
}

void Interpreter::report(const Placed& placed, std::size_t index, std::string message, std::string suggestion, Severity severity) {
  const auto& words = placed.statement->words;
  const std::string_view at = index < words.size() ? words[index].text : words.back().text.substr(words.back().text.size());
  Diagnostic diagnostic;
  diagnostic.severity = severity;
  diagnostic.position = placed.source->position(static_cast<std::size_t>(at.data() - placed.source->text.data()));
  diagnostic.message = std::move(message);
  if (!suggestion.empty()) diagnostic.suggestion = "did you mean `" + suggestion + "`?";
  diagnostic.source_line = placed.source->line(diagnostic.position.line);
  diagnostics_.push_back(std::move(diagnostic));
}

void Interpreter::report_at(const Position& position, std::string message, Severity severity) {
  Diagnostic diagnostic;
  diagnostic.severity = severity;
  diagnostic.position = position;
  diagnostic.message = std::move(message);
  for (const auto& source : sources_) {
    if (source->name == position.file) diagnostic.source_line = source->line(position.line);
  }
  diagnostics_.push_back(std::move(diagnostic));
}

std::vector<std::string_view> Interpreter::known(std::string_view block) const {
  std::vector<std::string_view> names;
  for (const Setting& setting : settings()) {
    if (setting.block == block) names.push_back(setting.name);
  }
  return names;
}

Config Interpreter::read(const std::shared_ptr<const Source>& source) {
  Target target{.config = &config_, .closure = &config_.closure};
  for (const std::string_view block : {"", "log", "spool", "tls", "closure", "retry", "limits"}) set_defaults(block, target);
  gather(source, 0);
  // What listeners and next hops inherit has to be known before them, wherever it stands.
  const auto inherits = [this](const Placed& placed) { return word(placed, 0) == "listen" || word(placed, 0) == "next-hop"; };
  for (const Placed& placed : statements_) {
    if (!inherits(placed)) statement(placed);
  }
  for (const Placed& placed : statements_) {
    if (inherits(placed)) statement(placed);
  }
  for (const Placed& placed : statements_) {
    if (word(placed, 0) == "relay" || word(placed, 0) == "reject") rule(placed);
  }
  check_whole();
  return std::move(config_);
}

void Interpreter::gather(const std::shared_ptr<const Source>& source, std::size_t depth) {
  sources_.push_back(source);
  for (const syntax::Mistake& mistake : source->parsed.mistakes) report_at(source->position(mistake.offset), mistake.message);
  for (const Statement& each : source->parsed.statements) {
    const Placed placed{source, &each};
    if (word(placed, 0) != "include") {
      statements_.push_back(placed);
    } else if (each.words.size() != 2 || !each.block.empty()) {
      report(placed, 0, "expected include \"GLOB\"");
    } else if (depth >= kMaxIncludeDepth) {
      report(placed, 0, "files include each other more than " + std::to_string(kMaxIncludeDepth) + " deep");
    } else if (include_) {
      const auto files = include_(*source, word(placed, 1));
      if (files.empty()) report(placed, 1, "no file matches this", {}, Severity::warning);
      for (const auto& file : files) gather(file, depth + 1);
    }
  }
}

void Interpreter::statement(const Placed& placed) {
  const std::string name = word(placed, 0);
  const Setting* row = find_setting("", name);
  if (row == nullptr) {
    std::string suggestion = nearest(name, known(""));
    report(placed, 0, "expected a statement, found `" + name + "`", std::move(suggestion));
    return;
  }
  if (!row->repeats && !seen_.insert(name).second) {
    report(placed, 0, "`" + name + "` may stand once");
    return;
  }
  Target target{.config = &config_, .closure = &config_.closure, .directory = placed.source->directory};
  if (name == "certificate") return certificate(placed);
  if (name == "listen") return listener(placed);
  if (name == "next-hop") return next_hop(placed);
  if (name == "network") return network(placed);
  if (name == "domains") return domains(placed);
  if (name == "spool") return spool(placed);
  if (name == "relay" || name == "reject") return;  // once all the names they may use are known
  if (row->type == Type::block) {
    if (placed.statement->words.size() > 1) report(placed, 1, "expected `{`");
    settings_of(name, placed, target);
    return;
  }
  std::set<std::string> seen;
  setting("", placed, target, seen);
}

void Interpreter::settings_of(std::string_view block, const Placed& placed, Target& target) {
  std::set<std::string> seen;
  for (const Statement& each : placed.statement->block) setting(block, {placed.source, &each}, target, seen);
  for (const Setting& row : settings()) {
    if (row.block == block && row.required && !seen.contains(std::string(row.name))) {
      report(placed, 0, "`" + std::string(block) + "` needs a `" + std::string(row.name) + "`");
    }
  }
}

void Interpreter::setting(std::string_view block, const Placed& placed, Target& target, std::set<std::string>& seen) {
  const std::string name = word(placed, 0);
  const Setting* row = find_setting(block, name);
  if (row == nullptr) {
    report(placed, 0, "expected a setting of `" + std::string(block) + "`, found `" + name + "`", nearest(name, known(block)));
    return;
  }
  if (!seen.insert(name).second) {
    report(placed, 0, "`" + name + "` is given twice");
    return;
  }
  if (!row->supported) {
    report(placed, 0, "`" + name + "` " + std::string(kNotYet));
    return;
  }
  if (row->type == Type::block) {
    if (placed.statement->words.size() > 1) report(placed, 1, "expected `{`");
    settings_of("closure", placed, target);
    return;
  }
  if (!placed.statement->block.empty()) {
    report(placed, 0, "`" + name + "` takes no block");
    return;
  }
  std::vector<std::string> words;
  for (std::size_t i = 1; i < placed.statement->words.size(); ++i) words.push_back(word(placed, i));
  if (row->type == Type::statement) return;  // a form of its own, read by whoever reads the block
  auto value = parse_value(*row, words);
  if (auto* error = std::get_if<ValueError>(&value)) {
    report(placed, error->word + 1, std::move(error->message), std::move(error->suggestion));
    return;
  }
  if (row->type == Type::choice && words.front() == "dane") {
    report(placed, 1, "`dane` " + std::string(kNotYet));
    return;
  }
  binding(block, name)(target, std::get<Value>(value));
}

bool Interpreter::named(const Placed& placed, std::set<std::string>& names, std::string& name) {
  name = word(placed, 1);
  if (name.empty()) {
    report(placed, 1, "expected a name");
    return false;
  }
  if (names.insert(name).second) return true;
  report(placed, 1, "there is a " + word(placed, 0) + " `" + name + "` already");
  return false;
}

void Interpreter::certificate(const Placed& placed) {
  Certificate certificate;
  if (!named(placed, certificates_, certificate.name)) return;
  certificate.position = placed.source->position(static_cast<std::size_t>(placed.statement->words[0].text.data() - placed.source->text.data()));
  if (placed.statement->words.size() > 2) report(placed, 2, "expected `{`");
  Target target{.certificate = &certificate, .directory = placed.source->directory};
  settings_of("certificate", placed, target);
  config_.certificates.push_back(std::move(certificate));
}

void Interpreter::spool(const Placed& placed) {
  if (word(placed, 1) != "rocksdb" || word(placed, 2).empty() || placed.statement->words.size() > 3) {
    const bool kind = word(placed, 1) == "rocksdb";
    report(placed, kind ? (word(placed, 2).empty() ? 2 : 3) : 1, "expected spool rocksdb DIRECTORY", kind ? "" : nearest(word(placed, 1), {"rocksdb"}));
    return;
  }
  const std::string path = word(placed, 2);
  const std::string& directory = placed.source->directory;
  config_.spool.directory = path.starts_with('/') || directory.empty() ? path : directory + "/" + path;
  Target target{.config = &config_, .directory = directory};
  settings_of("spool", placed, target);
}

void Interpreter::listener(const Placed& placed) {
  Listener listener;
  listener.closure = config_.closure;
  listener.position = placed.source->position(static_cast<std::size_t>(placed.statement->words[0].text.data() - placed.source->text.data()));
  const auto endpoint = Endpoint::parse(word(placed, 1));
  if (!endpoint) {
    report(placed, 1, "expected address:port, such as 127.0.0.1:25 or [::1]:25, found `" + word(placed, 1) + "`");
    return;
  }
  listener.endpoint = *endpoint;
  if (placed.statement->words.size() > 2) report(placed, 2, "expected `{`");
  Target target{.closure = &listener.closure, .listener = &listener};
  set_defaults("listen", target);
  settings_of("listen", placed, target);
  for (const Listener& other : config_.listeners) {
    if (other.endpoint == listener.endpoint) report(placed, 1, "there is a listener on " + other.endpoint.text() + " already");
  }
  if (listener.certificates.empty() && listener.tls != ListenerTls::off) {
    for (const Certificate& certificate : config_.certificates) listener.certificates.push_back(certificate.name);
    if (listener.certificates.empty()) report(placed, 0, "this listener's tls needs a `certificate`");
  }
  for (const std::string& name : listener.certificates) {
    if (!certificates_.contains(name)) {
      report(placed, 0, "there is no certificate `" + name + "`", nearest(name, {certificates_.begin(), certificates_.end()}));
    }
  }
  config_.listeners.push_back(std::move(listener));
}

void Interpreter::next_hop(const Placed& placed) {
  NextHop next_hop;
  if (!named(placed, next_hops_, next_hop.name)) return;
  next_hop.closure = config_.closure;
  next_hop.position = placed.source->position(static_cast<std::size_t>(placed.statement->words[0].text.data() - placed.source->text.data()));
  if (placed.statement->words.size() > 2) report(placed, 2, "expected `{`");
  Target target{.closure = &next_hop.closure, .next_hop = &next_hop};
  set_defaults("next-hop", target);
  settings_of("next-hop", placed, target);
  std::uint16_t port = 25;
  bool has_target = false;
  for (const Statement& each : placed.statement->block) {
    const Placed inner{placed.source, &each};
    const std::string name = word(inner, 0);
    if (name == "port") {
      const std::string text = word(inner, 1);
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
      if (error != std::errc() || end != text.data() + text.size() || port == 0) report(inner, 1, "expected a port, 1 to 65535");
    }
    if (name != "host" && name != "mx") continue;
    if (std::exchange(has_target, true)) report(inner, 0, "a next hop has one `host` or `mx`");
    if (name == "mx") {
      if (each.words.size() > 1) report(inner, 1, "expected the end of the statement");
      next_hop.target = MxTarget{};
      continue;
    }
    const std::string text = word(inner, 1);
    auto host = parse_host(text, 25);
    if (!host) {
      report(inner, 1, "expected a host's name or address and perhaps a port, such as mail.example.org:25 or [::1]:25, found `" + text + "`");
      host.emplace();
    }
    next_hop.target = std::move(*host);
  }
  if (!has_target) report(placed, 0, "next-hop `" + next_hop.name + "` needs a `host` or `mx`");
  if (auto* mx = std::get_if<MxTarget>(&next_hop.target)) mx->port = port;
  config_.next_hops.push_back(std::move(next_hop));
}

}  // namespace adieu::config
