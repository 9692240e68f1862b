// See trace.h.
#include "adieu/protocol/mail/trace.h"

#include <algorithm>

namespace adieu::mail {
namespace {
constexpr std::size_t kLine = 78;  // RFC 5322 section 2.1.1, without CRLF
constexpr std::size_t kLongestLine = 998;

// A word that cannot end the line, open or close a comment or a quoted string, or begin the date.
std::string harmless(std::string_view text, std::size_t limit) {
  std::string word(text.substr(0, limit));
  std::replace_if(
      word.begin(), word.end(),
      [](char c) { return c <= ' ' || c > '~' || std::string_view("()<>\\\";,@").find(c) != std::string_view::npos; }, '?');
  return word;
}

// Words with a space between them, or a fold where the line would grow too long.
class FoldedField {
 public:
  explicit FoldedField(std::string_view name) : text_(name), column_(name.size()) {}

  void add(std::string_view word) {
    if (column_ + 1 + word.size() > kLine) {
      fold(word);
    } else {
      text_.append(" ").append(word);
      column_ += 1 + word.size();
    }
  }
  void fold(std::string_view word) {
    text_.append("\r\n\t").append(word);
    column_ = 1 + word.size();
  }
  std::string finish() && { return std::move(text_.append("\r\n")); }

 private:
  std::string text_;
  std::size_t column_;
};

std::string_view with(const Arrival& arrival) {
  switch (arrival.protocol) {
    case WithProtocol::smtp: return "SMTP";
    case WithProtocol::esmtp: return arrival.tls ? "ESMTPS" : "ESMTP";
    case WithProtocol::lmtp: return arrival.tls ? "LMTPS" : "LMTP";
  }
  return "SMTP";
}
}  // namespace

std::string received_field(const Arrival& arrival) {
  const std::string literal = arrival.client_address.literal();
  FoldedField field("Received: from");
  field.add(arrival.client_name.empty() ? literal : harmless(arrival.client_name, kMaxDomain));
  field.add("(" + literal + ")");
  if (arrival.tls) {
    field.fold("(using " + harmless(arrival.tls->version, 32));
    field.add("with cipher " + harmless(arrival.tls->cipher, 128) + ")");
  }
  field.fold("by " + std::string(arrival.hostname));
  field.add("with " + std::string(with(arrival)));
  std::string id = "id " + std::string(arrival.queue_id);
  std::string path = arrival.only_recipient == nullptr ? std::string() : arrival.only_recipient->text();
  std::replace_if(path.begin(), path.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  std::string recipient = "for <" + path + ">;";
  // A path cannot be folded: one that no line can hold is left out, as the clause may be (section 4.4).
  if (1 + recipient.size() > kLongestLine) path.clear();
  if (path.empty()) id += ';';
  field.add(id);
  if (!path.empty()) field.fold(recipient);
  field.add(rfc5322_date(arrival.time));
  return std::move(field).finish();
}

}  // namespace adieu::mail
