// Sets of addresses and of domains, and whether one holds another whole: for telling which rules can never match, and which open a relay.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "adieu/base/ip.h"

namespace adieu::config {

class AddressSet {
 public:
  AddressSet() = default;
  explicit AddressSet(const std::vector<Network>& networks);
  /// Every address there is.
  static AddressSet all();

  void add(const AddressSet& other);
  bool includes(const AddressSet& other) const;
  bool overlaps(const AddressSet& other) const;
  bool empty() const { return ranges_.empty(); }
  /// Which part of all IPv4 addresses, or of the public IPv6 addresses (2000::/3), it holds: the larger of the two, 0 to 1.
  double public_share() const;

 private:
  using Range = std::pair<IpAddress, IpAddress>;  // both ends belong to it, and are of one family
  void join();

  std::vector<Range> ranges_;  // in order; none touches the next
};

class DomainCover {
 public:
  DomainCover() = default;
  /// "example.org", or "*.example.org" for all below it; lower case.
  explicit DomainCover(const std::vector<std::string>& patterns) : patterns_(patterns.begin(), patterns.end()) {}
  /// Every domain there is.
  static DomainCover all();

  void add(const DomainCover& other);
  bool includes(const DomainCover& other) const;
  bool overlaps(const DomainCover& other) const;
  bool empty() const { return !all_ && patterns_.empty(); }

 private:
  bool holds(const std::string& pattern) const;

  bool all_ = false;
  std::set<std::string, std::less<>> patterns_;
};

}  // namespace adieu::config
