// See truncations.h.
#include "adieu/relay/observe/truncations.h"

#include <algorithm>
#include <cmath>

namespace adieu::observe {
namespace {

// A peer whose truncations come in bursts is known by the variance of its blocks; a few blocks tell little about it, so that this many of a
// bursty peer (intraclass correlation kBursty) are added to those that were seen.
constexpr double kPriorBlocks = 4;
constexpr double kBursty = 0.1;
// How many truncations it takes until a peer is believed to be one that has bursts.
constexpr double kBelief = 10;

double log_beta(double a, double b) { return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b); }

}  // namespace

double beta_binomial_tail(std::uint32_t successes, std::uint32_t trials, double alpha, double beta) {
  check(alpha > 0 && beta > 0, "a beta distribution has two positive parameters");
  if (successes == 0) return 1;
  if (successes > trials) return 0;
  const double n = trials;
  double k = successes;
  double term = std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) + log_beta(k + alpha, n - k + beta) -
                         log_beta(alpha, beta));
  double sum = 0;
  for (; k <= n; ++k) {
    sum += term;
    term *= (n - k) / (k + 1) * (k + alpha) / (n - k - 1 + beta);
  }
  return std::min(sum, 1.0);
}

void Truncations::add(std::uint64_t transactions, bool truncated) {
  // What was cut counts as a transaction too. So no two truncated ones have the same number, and the window holds no more of them than transactions.
  if (truncated && transactions == 0) transactions = 1;
  const std::uint64_t seen = window() + transactions;
  count_ += transactions;
  history_ += static_cast<double>(seen - window());
  const std::uint64_t before = count_ - std::min<std::uint64_t>(count_, kWindow);  // the window begins behind it
  const auto first = std::find_if(recent_.begin(), recent_.end(), [&](std::uint64_t number) { return number > before; });
  truncated_ += static_cast<double>(first - recent_.begin());
  recent_.erase(recent_.begin(), first);
  if (truncated) {
    recent_.push_back(count_);
    ++block_truncated_;
  }
  block_transactions_ += transactions;
  if (block_transactions_ >= kWindow) close_block();
}

/// A layer may hold many transactions, so that a block may be longer than the others, or several: their truncations are shared out.
void Truncations::close_block() {
  const double blocks = static_cast<double>(block_transactions_) / kWindow;
  const double each = block_truncated_ / blocks;
  blocks_ += blocks;
  block_sum_ += block_truncated_;
  block_squares_ += blocks * each * each;
  block_transactions_ = 0;
  block_truncated_ = 0;
}

void Truncations::decay(double factor) {
  history_ *= factor;
  truncated_ *= factor;
  blocks_ *= factor;
  block_sum_ *= factor;
  block_squares_ *= factor;
}

/// The intraclass correlation of the blocks, by the method of moments: 0 where truncations come independently.
double Truncations::overdispersion() const {
  if (block_sum_ <= 0 || blocks_ <= 0) return 0;
  const double mean = block_sum_ / blocks_;
  const double chance = std::min(mean / kWindow, 0.5);
  const double variance = std::max(block_squares_ / blocks_ - mean * mean, 0.0);
  const double seen = std::max((variance / (kWindow * chance * (1 - chance)) - 1) / (kWindow - 1), 0.0);
  const double belief = 1 - std::exp(-block_sum_ / kBelief);
  return std::min((seen * blocks_ + kBursty * belief * kPriorBlocks) / (blocks_ + kPriorBlocks), 1.0);
}

double Truncations::probability(Usual usual) const {
  const double weight = history_ + kNewcomer;
  // A beta distribution of this weight has the intraclass correlation 1 / (weight + 1): bursts bound what a long history says of the next window.
  const double strength = std::min(weight, 1 / std::max(overdispersion(), 1e-9));
  const double alpha = strength * ((truncated_ + kNewcomer * usual.rate) / weight);
  const double beta = strength * ((history_ - truncated_ + kNewcomer * (1 - usual.rate)) / weight);
  return beta_binomial_tail(in_window(), window(), alpha, beta);
}

bool Truncations::unusual(Usual usual) const {
  return in_window() >= 2 && history_ - truncated_ >= kKnown && probability(usual) < kAlarm;
}

void Truncations::write(RecordWriter& out) const {
  out.number(count_).number(static_cast<std::uint8_t>(recent_.size()));
  for (const std::uint64_t number : recent_) out.number(number);
  out.amount(history_).amount(truncated_).number(block_transactions_).number(block_truncated_);
  out.amount(blocks_).amount(block_sum_).amount(block_squares_);
}

void Truncations::read(RecordReader& in, bool with_window) {
  count_ = in.number<std::uint64_t>();
  recent_.resize(std::min<std::size_t>(in.number<std::uint8_t>(), kWindow));
  for (std::uint64_t& number : recent_) number = in.number<std::uint64_t>();
  const double history = in.amount();
  truncated_ = in.amount();
  // The window is subtracted from a total that has decayed: the rest may be less than the truncations, which is impossible.
  history_ = std::max(with_window ? history - window() : history, truncated_);
  block_transactions_ = in.number<std::uint64_t>();
  block_truncated_ = in.number<std::uint32_t>();
  blocks_ = in.amount();
  block_sum_ = in.amount();
  block_squares_ = in.amount();
}

}  // namespace adieu::observe
