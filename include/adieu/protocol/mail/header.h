// The header section of mail data as far as a relay looks into it: RFC 5322 section 2.1; RFC 5321 section 6.3 (loop detection).
#pragma once

#include <cstddef>
#include <string>

#include "adieu/base/bytes.h"

namespace adieu::mail {

/// Counts the Received: fields of a header section, fed in any division.
class ReceivedCounter {
 public:
  void feed(Octets mail_data);
  std::size_t count() const { return count_; }

 private:
  static constexpr std::string_view kName = "received:";
  bool over_ = false;         // the empty line has come
  bool mismatch_ = false;     // this line is another field, or the rest of one
  std::size_t column_ = 0;
  std::size_t count_ = 0;
};

}  // namespace adieu::mail
