// See coverage.h.
#include "relay/config/coverage.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace adieu::config {
namespace {

constexpr std::size_t kMappedOctet = 11;  // the last octet of what IPv4-mapped IPv6 addresses begin with

IpAddress of_octets(bool v6, const std::array<std::uint8_t, 16>& octets) {
  if (v6) return IpAddress::v6(octets);
  return IpAddress::v4({octets[0], octets[1], octets[2], octets[3]});
}

IpAddress last_of(const Network& network) {
  const bool v6 = network.address().is_v6();
  auto octets = network.address().octets();
  for (int bit = network.length(); bit < network.address().bits(); ++bit) {
    octets[static_cast<std::size_t>(bit / 8)] |= static_cast<std::uint8_t>(1U << (7 - bit % 8));
  }
  const IpAddress last = of_octets(v6, octets);
  if (last.is_v6() == v6) return last;
  // The network ends among the mapped addresses, which are IPv4's: the last one before those.
  octets[kMappedOctet] = 0xfe;
  return IpAddress::v6(octets);
}

/// Whether `right` follows directly on `left`.
bool adjacent(const IpAddress& left, const IpAddress& right) {
  if (left.is_v6() != right.is_v6()) return false;
  auto octets = left.octets();
  for (int i = left.bits() / 8; i-- > 0;) {
    if (++octets[static_cast<std::size_t>(i)] != 0) return octets == right.octets();
  }
  return false;
}

double number(const IpAddress& address) {
  double value = 0;
  for (int i = 0; i < address.bits() / 8; ++i) value = value * 256 + address.octets()[static_cast<std::size_t>(i)];
  return value;
}

}  // namespace

AddressSet::AddressSet(const std::vector<Network>& networks) {
  for (const Network& network : networks) ranges_.emplace_back(network.address(), last_of(network));
  join();
}

AddressSet AddressSet::all() { return AddressSet({Network(IpAddress::v4({}), 0), Network(IpAddress::v6({}), 0)}); }

void AddressSet::add(const AddressSet& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  join();
}

void AddressSet::join() {
  std::sort(ranges_.begin(), ranges_.end());
  std::vector<Range> joined;
  for (const Range& range : ranges_) {
    const bool touches = !joined.empty() && joined.back().first.is_v6() == range.first.is_v6() &&
                         (range.first <= joined.back().second || adjacent(joined.back().second, range.first));
    if (touches) {
      joined.back().second = std::max(joined.back().second, range.second);
    } else {
      joined.push_back(range);
    }
  }
  ranges_ = std::move(joined);
}

bool AddressSet::includes(const AddressSet& other) const {
  return std::all_of(other.ranges_.begin(), other.ranges_.end(), [&](const Range& range) {
    return std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& mine) { return mine.first <= range.first && range.second <= mine.second; });
  });
}

bool AddressSet::overlaps(const AddressSet& other) const {
  return std::any_of(other.ranges_.begin(), other.ranges_.end(), [&](const Range& range) {
    return std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& mine) { return mine.first <= range.second && range.first <= mine.second; });
  });
}

double AddressSet::public_share() const {
  const double first_public = std::ldexp(1, 125);
  const double end_public = std::ldexp(1, 126);
  double v4 = 0;
  double v6 = 0;
  for (const auto& [first, last] : ranges_) {
    if (first.is_v6()) {
      v6 += std::max(0.0, std::min(number(last) + 1, end_public) - std::max(number(first), first_public));
    } else {
      v4 += number(last) - number(first) + 1;
    }
  }
  return std::max(v4 / std::ldexp(1, 32), v6 / std::ldexp(1, 125));
}

DomainCover DomainCover::all() {
  DomainCover cover;
  cover.all_ = true;
  return cover;
}

void DomainCover::add(const DomainCover& other) {
  all_ = all_ || other.all_;
  patterns_.insert(other.patterns_.begin(), other.patterns_.end());
}

/// A pattern is held where it stands in the set itself, or a wildcard above it does.
bool DomainCover::holds(const std::string& pattern) const {
  if (all_ || patterns_.contains(pattern)) return true;
  for (std::size_t dot = pattern.find('.'); dot != std::string::npos; dot = pattern.find('.', dot + 1)) {
    if (patterns_.contains("*" + pattern.substr(dot))) return true;
  }
  return false;
}

bool DomainCover::includes(const DomainCover& other) const {
  if (other.all_) return all_;
  return std::all_of(other.patterns_.begin(), other.patterns_.end(), [&](const std::string& pattern) { return holds(pattern); });
}

bool DomainCover::overlaps(const DomainCover& other) const {
  if (empty() || other.empty()) return false;
  if (all_ || other.all_) return true;
  const auto held_by = [](const DomainCover& cover) { return [&cover](const std::string& pattern) { return cover.holds(pattern); }; };
  return std::any_of(patterns_.begin(), patterns_.end(), held_by(other)) || std::any_of(other.patterns_.begin(), other.patterns_.end(), held_by(*this));
}

}  // namespace adieu::config
