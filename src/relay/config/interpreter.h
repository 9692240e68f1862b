// From statements to a Config, by the table of settings: every mistake is reported where it stands, and the reading goes on.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "adieu/relay/config/load.h"
#include "relay/config/bindings.h"
#include "relay/config/coverage.h"
#include "relay/config/policy_syntax.h"
#include "relay/config/text_file.h"

namespace adieu::config {

/// A file that was read; words point into its text.
struct Source {
  std::string name;        // as it is shown
  std::string directory;   // that relative paths start from
  std::string identity;    // the same for the same file, whatever its name
  std::string text;
  std::string problem;     // why there is no text; empty: there is
  Position problem_position{};
  syntax::Parsed parsed;

  Position position(std::size_t offset) const;
  std::string line(std::size_t number) const;
};

/// How deep files may include each other.
inline constexpr std::size_t kMaxIncludeDepth = 10;

class Interpreter {
 public:
  /// How the files that a policy names are found and read.
  struct Files {
    std::function<std::vector<std::string>(const Source& from, const std::string& pattern)> find;  // paths; one without wildcards is a path itself
    std::function<std::string(const std::string& path)> identity;                                   // see Source
    std::function<TextFile(const std::string& path)> read;
  };

  Interpreter(Files files, std::vector<Diagnostic>& diagnostics) : files_(std::move(files)), diagnostics_(diagnostics) {}

  Config read(const std::string& name, TextFile file);
  /// All that was read, in the order of reading.
  const std::vector<std::shared_ptr<const Source>>& sources() const { return sources_; }

 private:
  using Statement = syntax::Statement;
  /// A statement and the file that it stands in.
  struct Placed {
    std::shared_ptr<const Source> source;
    const Statement* statement;
  };
  using Seen = std::map<std::string, Position>;

  std::shared_ptr<const Source> parsed(std::string name, TextFile file) const;
  void gather(const std::shared_ptr<const Source>& source, std::size_t depth);
  void include(const Placed& placed, std::size_t depth);
  void take(const Placed& placed, std::size_t depth);
  std::span<const Statement> own(const Placed& placed) const;
  void unclosed(const Placed& placed, std::size_t depth);
  void statement(const Placed& placed);
  void settings_of(std::string_view block, const Placed& placed, Target& target);
  void setting(std::string_view block, const Placed& placed, Target& target, Seen& seen);
  void certificate(const Placed& placed);
  void listener(const Placed& placed);
  void next_hop(const Placed& placed);
  void target_of(const Placed& placed, NextHop& next_hop);
  void judge(const Placed& placed, const NextHop& next_hop);
  void network(const Placed& placed);
  void domains(const Placed& placed);
  void domains_from_file(const Placed& placed, DomainSet& set);
  void rule(const Placed& placed);
  void spool(const Placed& placed);
  void check_whole();
  void check_postmaster();
  void check_shares();
  std::optional<Placed> find(std::string_view statement, std::string_view setting = {}) const;
  void check_hostname();
  void check_open_relay();
  void check_hidden_rules();

  bool named(const Placed& placed, Seen& names, std::string& name);
  std::string word(const Placed& placed, std::size_t index) const;
  Position position_of(const Placed& placed, std::size_t index = 0) const;
  void report(const Placed& placed, std::size_t index, std::string message, std::string suggestion = {},
              Severity severity = Severity::error);
  void report_at(const Position& position, std::string message, Severity severity = Severity::error);
  std::vector<std::string_view> known(std::string_view block) const;

  Files files_;
  std::vector<Diagnostic>& diagnostics_;
  Config config_;
  std::vector<Placed> statements_;
  Seen seen_;                                   // statements that may stand once
  Seen certificates_, networks_, domains_, next_hops_;
  std::set<std::string> meant_;                 // what unknown words seem to have been meant as, in the whole file
  std::set<std::string> mistaken_;              // "network local": sets of which something could not be read
  bool incomplete_ = false;                     // something could not be read: what is missing may stand there
  std::vector<std::shared_ptr<const Source>> sources_;
  std::map<std::string, Position> included_;    // by identity: where the file was asked for
  std::vector<std::string> open_files_;         // identities of the files that include each other now
};

/// The policy in `file`, which is called `name`, and in the files that it includes.
Loaded load(const Interpreter::Files& files, const std::string& name, TextFile file);
/// A list of domains in a file: one a line, `#` comments. Reports through `complain(line, column, message)`.
std::vector<std::string> domains_in(std::string_view text, const std::function<void(std::size_t, std::size_t, std::string)>& complain);
/// "example.org" or "*.example.org", lower case; none when it is neither.
std::optional<std::string> domain_pattern(std::string_view text);
/// "line 5", or "other.conf:5" where that is another file than the one it is said of.
std::string place(const Position& position, const std::string& file);
/// The names in order.
std::vector<std::string_view> keys(const std::map<std::string, Position>& names);

}  // namespace adieu::config
