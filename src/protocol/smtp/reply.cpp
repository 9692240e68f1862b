// See reply.h.
#include "adieu/protocol/smtp/reply.h"

#include "adieu/base/bytes.h"

namespace adieu::smtp {
namespace {
constexpr std::size_t kMaxReplyLine = 512;
}  // namespace

std::string EnhancedStatus::text() const {
  return std::to_string(class_) + "." + std::to_string(subject) + "." + std::to_string(detail);
}

std::string Reply::wire() const {
  std::string out;
  std::string_view rest = text;
  const std::string digits = std::to_string(code);
  const std::string prefix = status.none() ? std::string() : status.text() + " ";
  for (bool last = false; !last;) {
    const std::size_t end = rest.find('\n');
    last = end == std::string_view::npos;
    std::string_view line = rest.substr(0, end);
    line = line.substr(0, kMaxReplyLine - digits.size() - prefix.size() - 3);
    out += digits;
    out += last ? ' ' : '-';
    out += prefix;
    out += line;
    out += "\r\n";
    if (!last) rest.remove_prefix(end + 1);
  }
  return out;
}

std::string Reply::line() const {
  std::string flat = text;
  for (char& c : flat) {
    if (c == '\n') c = ' ';
  }
  return std::to_string(code) + (status.none() ? " " : " " + status.text() + " ") + printable(flat, 512);
}

}  // namespace adieu::smtp
