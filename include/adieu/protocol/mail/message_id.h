// The Message-ID: field of mail data (RFC 5322 section 3.6.4), if there is one. For closure rule R12, since only a message that
// has one is recognised when it comes again, and for the log.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "adieu/base/bytes.h"

namespace adieu::mail {

/// Fed with mail data from its beginning, in any division. The header section ends with its empty line, or before the first line that
/// is no field.
class MessageIdFinder {
 public:
  static constexpr std::size_t kMost = 256;  // octets of it that are kept

  void feed(Octets mail_data);
  /// The header section has such a field, with something in it.
  bool found() const { return !value_.empty(); }
  /// What stands in the first one, without blanks and line ends, as far as it has come; empty where there is none.
  const std::string& value() const { return value_; }

 private:
  enum class Place : std::uint8_t { line, name, behind_name, value, other_value, over };
  Place step(char c);
  Place value_of(bool is_it) const { return is_it ? Place::value : Place::other_value; }

  static constexpr std::string_view kName = "message-id";
  Place place_ = Place::line;
  Place field_ = Place::over;   // what a line that begins with a blank goes on with: nothing, before the first field
  std::size_t length_ = 0;      // of the name so far
  bool matches_ = true;         // the name so far is kName's beginning
  std::string value_;
};

}  // namespace adieu::mail
