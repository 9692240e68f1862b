// See header.h.
#include "adieu/protocol/mail/header.h"

namespace adieu::mail {

void ReceivedCounter::feed(Octets mail_data) {
  while (!over_ && !mail_data.empty()) {
    if (mismatch_) {
      const std::size_t end = mail_data.find('\n');
      if (end == Octets::npos) return;
      mail_data.remove_prefix(end + 1);
      mismatch_ = false;
      column_ = 0;
      continue;
    }
    const char c = mail_data.front();
    mail_data.remove_prefix(1);
    if (column_ == 0 && (c == '\r' || c == '\n')) {
      over_ = true;
    } else if (ascii_lower(c) != kName[column_]) {
      mismatch_ = c != '\n';
      column_ = 0;
    } else if (++column_ == kName.size()) {
      ++count_;
      mismatch_ = true;
    }
  }
}

}  // namespace adieu::mail
