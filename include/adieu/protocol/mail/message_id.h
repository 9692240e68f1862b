// Whether mail data carries a Message-ID: field (RFC 5322 section 3.6.4). Closure rule R12 asks: only a message that its author has
// numbered can be known when it comes again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "adieu/base/bytes.h"

namespace adieu::mail {

/// Fed with mail data from its beginning, in any division. The header section ends with its empty line, or before the first line that
/// is no field.
class MessageIdFinder {
 public:
  void feed(Octets mail_data);
  /// The header section has such a field, with something in it.
  bool found() const { return place_ == Place::found; }

 private:
  enum class Place : std::uint8_t { line, name, behind_name, value, other_value, over, found };
  Place step(char c);

  static constexpr std::string_view kName = "message-id";
  Place place_ = Place::line;
  Place field_ = Place::over;   // what a line that begins with a blank goes on with: nothing, before the first field
  std::size_t length_ = 0;      // of the name so far
  bool matches_ = true;         // the name so far is kName's beginning
};

}  // namespace adieu::mail
