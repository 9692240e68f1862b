// Whether a peer's truncations are unusual: the last transactions against that peer's own history before them. R19. The test, its constants and
// its false-alarm rate are explained in adieu-closure(7); a simulation in the tests holds it to them.
#pragma once

#include <cstdint>
#include <vector>

#include "adieu/base/record_codec.h"

namespace adieu::observe {

/// P(K >= successes) for K of the beta-binomial distribution: `trials` trials whose common chance is drawn from Beta(alpha, beta). alpha and
/// beta are positive.
double beta_binomial_tail(std::uint32_t successes, std::uint32_t trials, double alpha, double beta);

/// What a newcomer is taken for: a peer with this chance of losing a transaction.
struct Usual {
  double rate = 0.001;
};

/// How one peer's transactions went. A transaction is truncated when the layer that it ran in was cut at its cost.
class Truncations {
 public:
  static constexpr std::uint32_t kWindow = 100;         // transactions that are judged together
  static constexpr double kNewcomer = 20;               // weight of the rate of all peers beside the peer's own, in transactions
  static constexpr double kAlarm = 1e-6;                // less probable than this is unusual
  // Transactions of the history that must have gone well before anything is unusual: most peers that never finish one are bots, and of one without
  // history nobody knows what is usual.
  static constexpr double kKnown = 20;

  /// A layer has ended: so many transactions, the last of them truncated or not; a truncated one was there.
  void add(std::uint64_t transactions, bool truncated);
  /// All counts of the past weigh `factor` of what they did.
  void decay(double factor);

  /// Of the transactions in the window, how many were truncated.
  std::uint32_t in_window() const { return static_cast<std::uint32_t>(recent_.size()); }
  std::uint32_t window() const { return count_ < kWindow ? static_cast<std::uint32_t>(count_) : kWindow; }
  /// The history before the window, decayed.
  double transactions() const { return history_; }
  double truncated() const { return truncated_; }

  /// How probable as many truncations as are in the window, or more, are for this peer.
  double probability(Usual usual) const;
  bool unusual(Usual usual) const;

  void write(RecordWriter& out) const;
  /// `with_window`: as the first version of the record had it, whose history is a total that holds the window too.
  void read(RecordReader& in, bool with_window);

 private:
  double overdispersion() const;
  void close_block();

  std::uint64_t count_ = 0;             // transactions ever
  std::vector<std::uint64_t> recent_;   // the numbers of those truncated within the window, in order
  double history_ = 0;                  // transactions that have left the window, decayed
  double truncated_ = 0;                // those truncated among them, decayed likewise: never more
  // Blocks of kWindow transactions, one after another, for how much their counts vary.
  std::uint64_t block_transactions_ = 0;
  std::uint32_t block_truncated_ = 0;
  double blocks_ = 0;                   // decayed, as are the two sums over blocks
  double block_sum_ = 0;
  double block_squares_ = 0;
};

}  // namespace adieu::observe
