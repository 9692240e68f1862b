// See seven_bit_field.h.
#include "protocol/mail/seven_bit_field.h"

#include <algorithm>
#include <array>
#include <optional>

#include "adieu/protocol/mail/seven_bit.h"
#include "protocol/mail/mime_value.h"
#include "protocol/mail/mime_walker.h"
#include "protocol/mail/transfer_encoding.h"

namespace adieu::mail {
namespace {

constexpr std::size_t kLine = 76;         // RFC 2047 section 2: of a line with encoded words
constexpr std::size_t kEncodedWord = 75;  // of one of them
constexpr std::size_t kParameter = 60;    // octets of a parameter's value on one line

constexpr std::array<std::string_view, 16> kAddressFields = {
    "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Resent-From", "Resent-Sender", "Resent-Reply-To", "Resent-To", "Resent-Cc", "Resent-Bcc",
    "Return-Receipt-To", "Disposition-Notification-To", "Errors-To", "Mail-Followup-To"};
/// Neither text nor addresses with names: there is no place for an encoded word in them, or none that readers would find.
constexpr std::array<std::string_view, 17> kStructuredFields = {
    "Message-ID", "In-Reply-To", "References", "Resent-Message-ID", "Content-ID", "Date", "Resent-Date", "Received", "Return-Path", "MIME-Version",
    "Content-Transfer-Encoding", "DKIM-Signature", "Authentication-Results", "ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results",
    "Auto-Submitted"};

template <std::size_t Count>
bool is_one_of(const std::array<std::string_view, Count>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view each) { return equal_ignoring_case(each, name); });
}

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

std::string_view charset_of(std::string_view text) {
  Utf8Check check;
  check.feed(text);
  return check.holds() ? "utf-8" : "unknown-8bit";
}

std::string unfolded(std::string_view value) {
  std::string out;
  std::copy_if(value.begin(), value.end(), std::back_inserter(out), [](char c) { return c != '\r' && c != '\n'; });
  return out;
}

/// The field as it grows: `add` puts what may not be divided, and folds in front of it where the line would get too long.
class Folded {
 public:
  explicit Folded(std::string_view name) : text_(std::string(name) + ":"), column_(text_.size()) {}

  void blank(std::string_view blanks) { blanks_ += blanks; }
  /// Octets that the line still takes, behind the blanks that are to come.
  std::size_t room() const { return kLine - std::min(kLine, column_ + blanks_.size()); }
  void add(std::string_view word) {
    if (!blanks_.empty() && word.size() > room() && column_ > name_only_) {
      text_ += "\r\n";
      column_ = 0;
      blanks_.resize(1);
    }
    text_.append(blanks_).append(word);
    column_ += blanks_.size() + word.size();
    blanks_.clear();
  }
  std::string finish() && { return std::move(text_) + "\r\n"; }

 private:
  std::string text_;
  std::string blanks_;       // that stand in front of what comes next
  std::size_t column_;
  std::size_t name_only_ = text_.size();
};

/// RFC 2047 section 5 (3): in the Q encoding, with the letters that are allowed everywhere. A character of UTF-8 is not divided.
void add_encoded(std::string_view text, Folded& out) {
  const std::string_view charset = charset_of(text);
  const std::string begin = "=?" + std::string(charset) + "?q?";
  std::string word = begin;
  std::size_t longest = kEncodedWord;
  if (out.room() >= 40) longest = std::min(longest, out.room());
  for (std::size_t i = 0; i < text.size();) {
    std::size_t length = 1;
    while (charset == "utf-8" && i + length < text.size() && (static_cast<unsigned char>(text[i + length]) & 0xc0) == 0x80) ++length;
    std::string character;
    for (const char c : text.substr(i, length)) {
      if (c == ' ') {
        character += '_';
      } else if (is_alphanumeric(c)) {
        character += c;
      } else {
        append_hex(c, '=', character);
      }
    }
    if (word.size() + character.size() + 2 > longest) {
      out.add(word + "?=");
      out.blank(" ");  // between encoded words it is not shown
      word = begin;
      longest = kEncodedWord;
    }
    word += character;
    i += length;
  }
  out.add(word + "?=");
}

/// Words with octets beyond ASCII are encoded, with the blanks between two such words; the others stay.
void add_text(std::string_view text, Folded& out) {
  std::string run;     // of words to be encoded
  std::string blanks;
  const auto end_run = [&] {
    if (!run.empty()) add_encoded(run, out);
    run.clear();
    out.blank(blanks);
    blanks.clear();
  };
  while (!text.empty()) {
    const std::size_t start = std::min(text.find_first_not_of(" \t"), text.size());
    blanks += text.substr(0, start);
    text.remove_prefix(start);
    const std::string_view word = text.substr(0, text.find_first_of(" \t"));
    text.remove_prefix(word.size());
    if (word.empty()) break;
    if (!has_eight_bit(word)) {
      end_run();
      out.add(word);
      continue;
    }
    if (run.empty()) {
      end_run();
    } else {
      run += blanks;
      blanks.clear();
    }
    run += word;
  }
  end_run();
}

/// Up to the quote or parenthesis that closes what `text` begins with; none where nothing does.
std::optional<std::size_t> closed(std::string_view text) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[0] == '"' ? text[i] == '"' && i != 0 : text[i] == ')') {
      if (text[0] == '"' || --depth == 0) return i + 1;
    } else if (text[0] == '(' && text[i] == '(') {
      ++depth;
    }
  }
  return std::nullopt;
}

std::string unquoted(std::string_view quoted) {
  std::string out;
  for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
    if (quoted[i] == '\\' && i + 2 < quoted.size()) ++i;
    out += quoted[i];
  }
  return out;
}

/// False: such octets stand where no encoded word may.
bool add_addresses(std::string_view text, Folded& out) {
  while (!text.empty()) {
    const std::size_t blanks = std::min(text.find_first_not_of(" \t"), text.size());
    out.blank(text.substr(0, blanks));
    text.remove_prefix(blanks);
    if (text.empty()) break;
    std::size_t length = 1;
    if (text[0] == '"' || text[0] == '(') {
      const auto end = closed(text);
      if (!end) return false;
      length = *end;
    } else if (text[0] == '<') {
      length = text.find('>');
      if (length == std::string_view::npos) return false;
      ++length;
    } else if (std::string_view(",;:").find(text[0]) == std::string_view::npos) {
      // Words of a name up to the next of the above, with the blanks between them.
      length = std::min(text.find_first_of("\"(<,;:"), text.size());
      while (is_blank(text[length - 1])) --length;
    }
    const std::string_view item = text.substr(0, length);
    text.remove_prefix(length);
    if (!has_eight_bit(item)) {
      out.add(item);
    } else if (item[0] == '"') {
      const std::size_t next = text.find_first_not_of(" \t");
      if (next != std::string_view::npos && text[next] == '@') return false;  // a local part, not a name
      add_encoded(unquoted(item), out);
      if (next == 0 && text[0] != ',' && text[0] != ';') out.blank(" ");
    } else if (item[0] == '(') {
      out.add("(");
      add_encoded(unquoted(item), out);
      out.add(")");
    } else if (item[0] == '<' || item.find('@') != std::string_view::npos) {
      return false;
    } else {
      add_text(item, out);
      if (!text.empty() && std::string_view("\"(<").find(text[0]) != std::string_view::npos) out.blank(" ");
    }
  }
  return true;
}

std::string percent_encoded(std::string_view value, bool is_extended) {
  std::string out;
  for (const char c : value) {
    if (is_extended ? !is_eight_bit(c) : is_alphanumeric(c) || c == '.' || c == '-' || c == '_') {
      out += c;
    } else {
      append_hex(c, '%', out);
    }
  }
  return out;
}

/// RFC 2231 sections 3 and 4. False: something else than the values of parameters has such octets.
bool add_parameters(std::string_view text, Folded& out) {
  bool first = true;
  while (!text.empty()) {
    // Up to the next semicolon that does not stand in quotes.
    std::size_t end = 0;
    for (bool quoted = false; end < text.size() && (quoted || text[end] != ';'); ++end) {
      if (quoted && text[end] == '\\') ++end;
      if (end < text.size() && text[end] == '"') quoted = !quoted;
    }
    std::string_view item = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!item.empty() && is_blank(item.front())) item.remove_prefix(1);
    while (!item.empty() && is_blank(item.back())) item.remove_suffix(1);
    if (!first) out.add(";");
    out.blank(" ");
    if (!has_eight_bit(item)) {
      out.add(item);
      first = false;
      continue;
    }
    const std::size_t equals = item.find('=');
    if (first || equals == std::string_view::npos || has_eight_bit(item.substr(0, equals))) return false;
    const std::string_view attribute = item.substr(0, equals);
    std::string name(attribute.substr(0, attribute.find_last_not_of(" \t") + 1));
    if (name.empty()) return false;
    std::string_view raw = item.substr(equals + 1);
    while (!raw.empty() && is_blank(raw.front())) raw.remove_prefix(1);
    const bool is_extended = name.ends_with('*');
    if (is_extended) name.pop_back();
    const std::string value = raw.starts_with('"') ? MimeValue(raw).word() : std::string(raw);
    std::string coded = percent_encoded(value, is_extended);
    const std::string charset = is_extended ? "" : std::string(charset_of(value)) + "''";
    if (coded.size() <= kParameter || is_extended) {
      out.add(name + "*=" + charset + coded);
      continue;
    }
    for (std::size_t section = 0, at = 0; at < coded.size(); ++section) {
      std::size_t length = std::min(kParameter, coded.size() - at);
      // An octet's three characters stay together.
      for (std::size_t back = 1; back <= 2; ++back) {
        if (at + length < coded.size() && coded[at + length - back] == '%') length -= back;
      }
      if (section != 0) {
        out.add(";");
        out.blank(" ");
      }
      out.add(name + "*" + std::to_string(section) + "*=" + (section == 0 ? charset : "") + coded.substr(at, length));
      at += length;
    }
  }
  return true;
}

}  // namespace

std::string seven_bit_field(Octets field) {
  if (!has_eight_bit(field)) return std::string(field);
  const std::string_view name = field_name(field);
  const std::string value = unfolded(field.substr(field.find(':') + 1));
  Folded out(name);
  const bool is_mime = equal_ignoring_case(name, "Content-Type") || equal_ignoring_case(name, "Content-Disposition");
  if (is_mime) {
    if (add_parameters(value, out)) return std::move(out).finish();
  } else if (is_one_of(kAddressFields, name)) {
    if (add_addresses(value, out)) return std::move(out).finish();
  } else if (!is_one_of(kStructuredFields, name)) {
    add_text(value, out);
    return std::move(out).finish();
  }
  Folded downgraded("Downgraded-" + std::string(name));
  add_text(value, downgraded);
  return std::move(downgraded).finish();
}

}  // namespace adieu::mail
