// See message_id.h.
#include "adieu/protocol/mail/message_id.h"

namespace adieu::mail {
namespace {
bool is_blank(char c) { return c == ' ' || c == '\t'; }
}  // namespace

void MessageIdFinder::feed(Octets mail_data) {
  while (!mail_data.empty() && place_ != Place::over) {
    if (place_ == Place::other_value) {
      const std::size_t end = mail_data.find('\n');
      if (end == Octets::npos) return;
      mail_data.remove_prefix(end + 1);
      place_ = Place::line;
      continue;
    }
    place_ = step(mail_data.front());
    mail_data.remove_prefix(1);
  }
}

MessageIdFinder::Place MessageIdFinder::step(char c) {
  switch (place_) {
    case Place::line:
      if (is_blank(c)) return field_;
      if (found()) return Place::over;
      length_ = 0;
      matches_ = true;
      [[fallthrough]];
    case Place::name:
      if (c == ':' && length_ != 0) return field_ = value_of(matches_ && length_ == kName.size());
      if (is_blank(c) && length_ != 0) return Place::behind_name;  // RFC 5322 section 4.5.8
      if (c <= ' ' || c >= 0x7f || c == ':') return Place::over;
      matches_ = matches_ && length_ < kName.size() && ascii_lower(c) == kName[length_];
      ++length_;
      return Place::name;
    case Place::behind_name:
      if (c == ':') return field_ = value_of(matches_ && length_ == kName.size());
      return is_blank(c) ? place_ : Place::over;
    case Place::value:
      if (c == '\n') return Place::line;
      if (!is_blank(c) && c != '\r' && value_.size() < kMost) value_ += c;
      return place_;
    case Place::other_value:
    case Place::over: return place_;
  }
  return place_;
}

}  // namespace adieu::mail
