// From statements to a Config, by the table of settings: every mistake is reported where it stands, and the reading goes on.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "adieu/relay/config/load.h"
#include "relay/config/bindings.h"
#include "relay/config/policy_syntax.h"

namespace adieu::config {

/// A file that was read; words point into its text.
struct Source {
  std::string name;        // as it is shown
  std::string directory;   // that relative paths start from
  std::string text;
  syntax::Parsed parsed;

  Position position(std::size_t offset) const;
  std::string line(std::size_t number) const;
};

class Interpreter {
 public:
  /// Finds and reads the files of an `include`; null where there is nothing to include from.
  using Include = std::function<std::vector<std::shared_ptr<const Source>>(const Source& from, const std::string& pattern)>;

  Interpreter(Include include, std::vector<Diagnostic>& diagnostics) : include_(std::move(include)), diagnostics_(diagnostics) {}

  Config read(const std::shared_ptr<const Source>& source);

 private:
  using Statement = syntax::Statement;
  /// A statement and the file that it stands in.
  struct Placed {
    std::shared_ptr<const Source> source;
    const Statement* statement;
  };

  void gather(const std::shared_ptr<const Source>& source, std::size_t depth);
  void statement(const Placed& placed);
  void settings_of(std::string_view block, const Placed& placed, Target& target);
  void setting(std::string_view block, const Placed& placed, Target& target, std::set<std::string>& seen);
  void certificate(const Placed& placed);
  void listener(const Placed& placed);
  void next_hop(const Placed& placed);
  void network(const Placed& placed);
  void domains(const Placed& placed);
  void rule(const Placed& placed);
  void spool(const Placed& placed);
  void check_whole();
  void check_postmaster();
  void check_shares();
  std::optional<Placed> find(std::string_view statement, std::string_view setting = {}) const;

  bool named(const Placed& placed, std::set<std::string>& names, std::string& name);
  std::string word(const Placed& placed, std::size_t index) const;
  void report(const Placed& placed, std::size_t index, std::string message, std::string suggestion = {},
              Severity severity = Severity::error);
  void report_at(const Position& position, std::string message, Severity severity = Severity::error);
  std::vector<std::string_view> known(std::string_view block) const;

  Include include_;
  std::vector<Diagnostic>& diagnostics_;
  Config config_;
  std::vector<Placed> statements_;
  std::set<std::string> seen_;          // statements that may stand once
  std::set<std::string> certificates_, networks_, domains_, next_hops_;
  std::vector<std::shared_ptr<const Source>> sources_;
};

/// A list of domains in a file: one a line, `#` comments. Reports through `complain(line, message)`.
std::vector<std::string> domains_in(std::string_view text, const std::function<void(std::size_t, std::string)>& complain);
/// "example.org" or "*.example.org", lower case; none when it is neither.
std::optional<std::string> domain_pattern(std::string_view text);

}  // namespace adieu::config
