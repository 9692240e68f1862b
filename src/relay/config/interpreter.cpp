// See interpreter.h: the statements of the files, and the settings in their blocks. What certificates, listeners and next hops mean is in
// interpreter_blocks.cpp, sets and rules in interpreter_rules.cpp, and what only the whole file can tell in interpreter_whole.cpp.
#include "relay/config/interpreter.h"

#include <algorithm>

#include "adieu/base/bytes.h"

namespace adieu::config {
namespace {
constexpr std::string_view kNotYet = "is not supported yet";
constexpr std::size_t kShown = 64;  // octets of a word that an error quotes
const std::string kMeant = "?";     // before the name of a setting that a misspelt one seems to have been meant as

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}
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

std::string place(const Position& position, const std::string& file) {
  const std::string line = std::to_string(position.line);
  return position.file == file ? "line " + line : position.file + ":" + line;
}

std::vector<std::string_view> keys(const std::map<std::string, Position>& names) {
  std::vector<std::string_view> all;
  all.reserve(names.size());
  for (const auto& [name, position] : names) all.push_back(name);
  return all;
}

std::string Interpreter::word(const Placed& placed, std::size_t index) const {
  const auto& words = placed.statement->words;
  return index < words.size() ? syntax::value_of(words[index].text) : std::string();
}

/// The position of the word; behind the last one where the statement has fewer.
Position Interpreter::position_of(const Placed& placed, std::size_t index) const {
  const auto& words = placed.statement->words;
  const std::string_view at = index < words.size() ? words[index].text : words.back().text.substr(words.back().text.size());
  return placed.source->position(static_cast<std::size_t>(at.data() - placed.source->text.data()));
}

void Interpreter::report(const Placed& placed, std::size_t index, std::string message, std::string suggestion, Severity severity) {
  Diagnostic diagnostic;
  diagnostic.severity = severity;
  diagnostic.position = position_of(placed, index);
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

std::shared_ptr<const Source> Interpreter::parsed(std::string name, TextFile file) const {
  auto source = std::make_shared<Source>();
  source->directory = directory_of(name);
  source->identity = files_.identity(name);
  source->name = std::move(name);
  source->text = std::move(file.text);
  source->problem = std::move(file.problem);
  source->problem_position = {source->name, file.line, file.column};
  source->parsed = syntax::parse(source->text);
  return source;
}

Config Interpreter::read(const std::string& name, TextFile file) {
  const auto source = parsed(name, std::move(file));
  Target target{.config = &config_, .closure = &config_.closure};
  for (const std::string_view block : {"", "log", "spool", "tls", "closure", "retry", "limits"}) set_defaults(block, target);
  included_.emplace(source->identity, Position{source->name, 1, 1});
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
  open_files_.push_back(source->identity);
  if (!source->problem.empty()) {
    report_at(source->problem_position, "the file " + source->problem);
    incomplete_ = true;
  }
  for (const syntax::Mistake& mistake : source->parsed.mistakes) report_at(source->position(mistake.offset), mistake.message);
  for (const Statement& each : source->parsed.statements) take({source, &each}, depth);
  open_files_.pop_back();
}

void Interpreter::take(const Placed& placed, std::size_t depth) {
  if (word(placed, 0) == "include") {
    include(placed, depth);
    return;
  }
  statements_.push_back(placed);
  if (!placed.statement->closed) unclosed(placed, depth);
}

/// The settings of a block: of one that is never closed, those before the first statement that the block does not take.
std::span<const syntax::Statement> Interpreter::own(const Placed& placed) const {
  const auto& block = placed.statement->block;
  if (placed.statement->closed) return block;
  std::string name = word(placed, 0);
  if (find_setting("", name) == nullptr) name = nearest(name, known(""));
  const auto end = std::find_if(block.begin(), block.end(), [&](const Statement& each) {
    const std::string inner = word({placed.source, &each}, 0);
    const Setting* inside = find_setting(name, inner);
    const bool fits = inside != nullptr && (each.open.empty() || inside->type == Type::block);
    return !fits && find_setting("", inner) != nullptr;
  });
  return {block.begin(), end};
}

/// What follows the own settings of a block that is never closed is read as if its `}` stood before it.
void Interpreter::unclosed(const Placed& placed, std::size_t depth) {
  const std::span<const Statement> rest = std::span(placed.statement->block).subspan(own(placed).size());
  std::string message = "this `{` has no `}`";
  if (!rest.empty()) message += "; expected it before line " + std::to_string(position_of({placed.source, &rest.front()}).line) + ", or earlier";
  report_at(placed.source->position(static_cast<std::size_t>(placed.statement->open.data() - placed.source->text.data())), std::move(message));
  for (const Statement& each : rest) take({placed.source, &each}, depth);
  if (rest.empty() && !placed.statement->block.empty() && !placed.statement->block.back().closed) {
    unclosed({placed.source, &placed.statement->block.back()}, depth);
  }
}

void Interpreter::include(const Placed& placed, std::size_t depth) {
  if (placed.statement->words.size() != 2 || !placed.statement->open.empty()) {
    report(placed, 0, "expected include \"GLOB\"");
    return;
  }
  if (depth >= kMaxIncludeDepth) {
    report(placed, 0, "expected files that include each other " + std::to_string(kMaxIncludeDepth) + " deep at most; this is not read");
    incomplete_ = true;
    return;
  }
  const auto paths = files_.find(*placed.source, word(placed, 1));
  if (paths.empty()) report(placed, 1, "no file matches this", {}, Severity::warning);
  for (const std::string& path : paths) {
    const std::string identity = files_.identity(path);
    if (identity == placed.source->identity) {
      report(placed, 1, "this includes the file that it stands in");
    } else if (std::find(open_files_.begin(), open_files_.end(), identity) != open_files_.end()) {
      report(placed, 1, "this includes " + path + ", which includes this file: files may not include each other in a circle");
    } else if (const auto before = included_.find(identity); before != included_.end()) {
      report(placed, 1, path + " is included already, by " + place(before->second, placed.source->name) + "; each file is read once");
    } else {
      included_.emplace(identity, position_of(placed));
      const auto source = parsed(path, files_.read(path));
      if (source->problem.starts_with("cannot be read")) {
        report(placed, 1, path + " " + source->problem);
        incomplete_ = true;
      } else {
        gather(source, depth + 1);
      }
    }
  }
}

void Interpreter::statement(const Placed& placed) {
  const std::string name = word(placed, 0);
  const Setting* row = find_setting("", name);
  if (row == nullptr) {
    const std::string meant = nearest(name, known(""));
    report(placed, 0, "expected a statement, found `" + printable(name, kShown) + "`", meant);
    meant_.insert(meant);
    // The name that it would have defined must not be reported as missing too.
    for (const auto& [kind, names] : {std::pair("certificate", &certificates_), std::pair("network", &networks_), std::pair("domains", &domains_),
                                      std::pair("next-hop", &next_hops_)}) {
      if (meant == kind) names->emplace(word(placed, 1), position_of(placed));
    }
    return;
  }
  if (!row->repeats) {
    const auto [first, fresh] = seen_.emplace(name, position_of(placed));
    if (!fresh) {
      report(placed, 0, "`" + name + "` may stand once, and stands in " + place(first->second, placed.source->name) + " already");
      return;
    }
  }
  Target target{.config = &config_, .closure = &config_.closure, .directory = placed.source->directory};
  if (name == "certificate") return certificate(placed);
  if (name == "listen") return listener(placed);
  if (name == "next-hop") return next_hop(placed);
  if (name == "relay" || name == "reject") return;  // once all the names they may use are known
  if (name == "spool") return spool(placed);
  if (row->type == Type::block) {
    if (placed.statement->words.size() > 1) report(placed, 1, "expected `{`");
    settings_of(name, placed, target);
    return;
  }
  if (!placed.statement->open.empty() && placed.statement->closed) report(placed, 0, "`" + name + "` takes no block");
  if (name == "network") return network(placed);
  if (name == "domains") return domains(placed);
  Seen seen;
  setting("", placed, target, seen);
}

void Interpreter::settings_of(std::string_view block, const Placed& placed, Target& target) {
  Seen seen;
  for (const Statement& each : own(placed)) setting(block, {placed.source, &each}, target, seen);
  for (const Setting& row : settings()) {
    const std::string name(row.name);
    if (row.block != block || !row.required || seen.contains(name) || seen.contains(kMeant + name)) continue;
    report(placed, 0, "`" + std::string(block) + "` needs a `" + name + "`");
  }
}

void Interpreter::setting(std::string_view block, const Placed& placed, Target& target, Seen& seen) {
  const std::string name = word(placed, 0);
  const Setting* row = find_setting(block, name);
  if (row == nullptr) {
    const std::string meant = nearest(name, known(block));
    report(placed, 0, "expected a setting of `" + std::string(block) + "`, found `" + printable(name, kShown) + "`", meant);
    seen.emplace(kMeant + meant, position_of(placed));
    return;
  }
  const auto [first, fresh] = seen.emplace(name, position_of(placed));
  if (!fresh) {
    report(placed, 0, "`" + name + "` is given twice; it stands in " + place(first->second, placed.source->name) + " already");
    return;
  }
  if (!row->supported) {
    report(placed, 0, "`" + name + "` " + std::string(kNotYet));
    return;
  }
  if (row->type == Type::block) {
    if (placed.statement->words.size() > 1) report(placed, 1, "expected `{`");
    settings_of(name, placed, target);
    return;
  }
  if (!placed.statement->open.empty() && placed.statement->closed) {
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
  target.position = position_of(placed, 1);
  binding(block, name)(target, std::get<Value>(value));
}

bool Interpreter::named(const Placed& placed, Seen& names, std::string& name) {
  name = word(placed, 1);
  if (name.empty()) {
    report(placed, 1, "expected a name");
    return false;
  }
  const auto [first, fresh] = names.emplace(name, position_of(placed));
  if (fresh) return true;
  report(placed, 1, "there is a " + word(placed, 0) + " `" + printable(name, kShown) + "` already, in " + place(first->second, placed.source->name));
  return false;
}

}  // namespace adieu::config
