// Who sits on the path of one connection: reads all, changes, adds, keeps and cuts what he likes; what he cannot do is make a record of somebody's TLS
// layer. What he says is known by its words, so that a world can tell whether anybody believed him.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "clock.h"

namespace adieu::world {

/// How a connection ends before its time, for both who use it.
enum class Fate : std::uint8_t { fin, rst, silence };

class Attacker {
 public:
  /// Stands in whatever he says.
  static constexpr std::string_view kWord = "evil";

  explicit Attacker(Clock& clock);

  /// What he makes of octets on their way: those that go on, when, and whether the connection is cut behind them.
  struct Act {
    std::string octets;
    Duration hold{};
    std::optional<Fate> cut;
  };
  /// `side`: 0 says what the client says. What is no whole line or record yet he keeps until it is.
  Act pass(int side, std::string_view said);
  /// That side says nothing more: what was kept of it.
  std::string rest(int side);
  /// Whether he has done anything.
  bool acted() const { return acted_; }

 private:
  enum class Attack : std::uint8_t {
    speaks_behind_close_notify,
    speaks_in_clear_again,       // where both close_notify have passed
    drops_close_notify,          // and ends the connection there
    speaks_behind_starttls,      // and behind its answer: before the handshake
    answers_starttls,            // in the server's place
    hides_starttls,
    speaks_in_the_handshake,
    speaks_in_tls,
    forges_an_alert,
    changes_an_octet,
    drops_a_record,
    says_a_record_again,
    turns_two_records_round,
    holds_a_record,
    cuts,
    watches,
  };
  static Attack choose(Clock& clock);
  void meet_line(int side, const std::string& line, Act& act);
  void meet_record(int side, const std::string& record, Act& act);
  bool is_now(int side);
  std::string words(int side);

  Clock& clock_;
  const Attack attack_;
  const int side_;           // whose octets are attacked
  std::int64_t left_ = 0;    // units to let pass before
  bool acted_ = false;
  bool starting_ = false;    // STARTTLS stands, its answer does not
  bool was_tls_ = false;     // a record has passed
  std::string kept_;         // a record that another one overtakes
  std::array<std::string, 2> buffers_;
};

}  // namespace adieu::world
