// The closure ledger: how each peer's TLS layers ended and what that cost, with the past weighing less and less; and the alarm when that is
// unusual. R18, R19. Bounded whatever peers do. It lives in memory; `save` gives its records to a store.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adieu/relay/config/config.h"
#include "adieu/relay/observe/closure_record.h"
#include "adieu/relay/observe/timeline.h"
#include "adieu/relay/observe/truncations.h"

namespace adieu::observe {

inline constexpr std::size_t kEndings = static_cast<std::size_t>(tls::Ending::handshake) + 1;
inline constexpr std::size_t kEffects = static_cast<std::size_t>(tls::Effect::ack_unconfirmed) + 1;

/// By identity where TLS or AUTH gave one, else by network (/24, /64) and name: of a client its EHLO's, of a next hop the host's.
struct PeerKey {
  Role role = Role::server;
  std::string network;  // empty with an identity
  std::string name;     // of at most kNameLimit octets; "*" for the many names of one network
  static constexpr std::size_t kNameLimit = 64;
  static PeerKey of(const ClosureRecord& record);
  /// "client mail.example [192.0.2.0/24]", "next hop CN=mx.example".
  std::string text() const;
  auto operator<=>(const PeerKey&) const = default;
};

enum class AlarmReason : std::uint8_t { unusual, truncation, corrupt, injected };
inline constexpr std::size_t kReasons = 4;
std::string_view name(AlarmReason reason);

struct PeerLedger {
  using Layers = std::array<std::array<float, kEffects>, kEndings>;
  Layers layers{};                               // by ending and effect, decayed
  Truncations truncations;
  double committed = 0;                          // transactions, decayed
  /// Counts each ending, and as one more kind those that cut a transaction at a cost.
  using Days = Timeline<std::uint16_t, kEndings + 1, 32>;
  static constexpr std::size_t kCostly = kEndings;
  Days days = Days(std::chrono::hours(24));
  WallTime first{};
  WallTime last{};
  WallTime last_costly{};                        // 1970: never, as the times of alarms
  WallTime decayed{};                            // the time for which the counts stand
  std::array<WallTime, kReasons> alarmed{};      // last, by reason
  std::uint32_t alarms = 0;

  void decay(WallTime now);

  double all_layers() const;
  /// Decayed: transactions that were rolled back, revoked or left unconfirmed when a layer ended without the peer's close_notify.
  double lost() const;
  double transactions() const { return truncations.transactions() + truncations.window(); }
  /// It has committed no transaction, or none that still counts: anybody who can connect is such a peer.
  bool stranger() const { return committed < 0.01; }
};

struct Alarm {
  AlarmReason reason = AlarmReason::unusual;
  std::string peer;
  std::uint32_t truncated = 0;   // of the last `window` transactions
  std::uint32_t window = 0;
  double history_truncated = 0;  // of this peer's history before them, decayed
  double history = 0;
  double probability = 1;
  LogLine line() const;
};

/// R19: what strangers did that would be an alarm of a peer with a history.
struct StrangersSummary {
  static constexpr std::size_t kAddresses = 1000;  // are told apart
  std::uint64_t corrupt = 0;
  std::uint64_t injected = 0;
  std::set<IpAddress> addresses;
  WallTime since{};
  /// event=strangers.
  LogLine line() const;
};

/// From any thread.
class Ledger {
 public:
  static constexpr Duration kHalfLife = std::chrono::hours(24 * 30);
  static constexpr Duration kAlarmInterval = std::chrono::hours(1);  // between alarms about one peer; for `corrupt` and `injected`, about one address
  static constexpr std::size_t kAlarmedAddresses = 10'000;           // in an hour; any further address counts as a stranger's
  static constexpr std::size_t kNamesPerNetwork = 16;

  /// Holds at most `limit` peers; those with the fewest transactions give way.
  explicit Ledger(std::size_t limit) : limit_(limit) {}

  /// A TLS layer has ended. `we_stop`: the relay is going down, so that what peers leave unanswered is not held against them.
  std::optional<Alarm> add(const ClosureRecord& record, config::Alarm policy, bool we_stop, WallTime now);

  /// Its peer has committed no transaction so far.
  bool is_stranger(const ClosureRecord& record, WallTime now);
  /// What strangers did since the last summary, once that is an hour, or at once with `all`; none where that is nothing.
  std::optional<StrangersSummary> take_summary(WallTime now, bool all = false);

  struct Entry {
    PeerKey key;
    PeerLedger peer;
    double probability = 1;  // of the truncations in its window
  };
  std::vector<Entry> peers(WallTime now) const;

  using Hours = Timeline<std::uint32_t, kEndings, 48>;
  using Days = Timeline<std::uint32_t, kEndings, 32>;
  struct Totals {
    Hours hours = Hours(std::chrono::hours(1));
    Days days = Days(std::chrono::hours(24));
    std::array<std::array<std::array<std::uint64_t, kEffects>, kEndings>, 2> layers{};  // since the start of this run, by role
    std::array<std::uint64_t, kReasons> alarms{};                                       // likewise, by reason
    std::size_t peers = 0;
  };
  Totals totals() const;

  /// What has changed since changes were last taken: key and record, or no record for a peer that has given way.
  using Change = std::pair<std::string, std::optional<std::string>>;
  std::vector<Change> take_changes();
  /// Takes the changes and gives them to `store`. Where that fails they stay changes: the next call stores the newest record of each peer. By one thread
  /// at a time.
  using Store = std::function<Result<>(const std::vector<Change>& changes)>;
  Result<> save(const Store& store);
  /// A record as it was once taken. Errors (invalid): not one; it is left out.
  Result<> restore(Octets key, Octets record);

 private:
  struct Kept {
    PeerLedger peer;
    bool changed = false;
    bool told = false;  // a record of it has been given to the store
  };
  using Peers = std::map<PeerKey, Kept>;
  Peers::iterator entry(PeerKey key, WallTime now);
  void make_room();
  void erase(Peers::iterator peer);
  void put_back(const std::vector<Change>& changes);
  struct Suspicion;
  std::optional<Alarm> judge(const PeerKey& key, PeerLedger& peer, const Suspicion& suspicion, config::Alarm policy, WallTime now);
  bool alarmed_lately(const IpAddress& address, AlarmReason reason, WallTime now);
  void count_stranger(const IpAddress& address, AlarmReason reason, WallTime now);
  void update_newcomers_rate();

  const std::size_t limit_;
  mutable std::mutex mutex_;  // guards all below
  Peers peers_;
  std::map<std::pair<Role, std::string>, std::size_t> names_;  // how many each network has
  std::set<PeerKey> gone_;                                     // told, and gone since changes were last taken
  std::set<PeerKey> first_told_;                               // told for the first time when changes were last taken
  Totals totals_;
  bool totals_changed_ = false;
  std::map<std::pair<IpAddress, AlarmReason>, WallTime> alarmed_addresses_;  // when last, as far as it is an hour ago or less
  StrangersSummary strangers_;
  Usual usual_;
};

}  // namespace adieu::observe
