// Reads the value of a structured MIME field: tokens, quoted strings and parameters between comments and folds. RFC 2045 section 5.1.
#pragma once

#include <string>
#include <string_view>

namespace adieu::mail {

class MimeValue {
 public:
  explicit MimeValue(std::string_view value) : rest_(value) {}

  /// The next token; empty where there is none. Octets beyond ASCII count as part of it, though no standard lets them.
  std::string token();
  bool take(char wanted);
  /// A token or the content of a quoted string.
  std::string word();
  /// The value of the parameter `name`, from here on; empty where it is missing.
  std::string parameter(std::string_view name);
  bool at_end();
  std::string_view rest() const { return rest_; }

 private:
  void skip_comments();

  std::string_view rest_;
};

}  // namespace adieu::mail
