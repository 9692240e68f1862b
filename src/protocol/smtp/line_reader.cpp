// See line_reader.h.
#include "adieu/protocol/smtp/line_reader.h"

#include <utility>

namespace adieu::smtp {
namespace {

/// A line without its CRLF, of which `consumed` octets lay in the input.
LineReader::Taken judge(std::string_view line, std::size_t consumed, std::size_t limit) {
  if (line.size() + 2 > limit) return {LineStatus::too_long, consumed, {}};
  if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) return {LineStatus::malformed, consumed, {}};
  return {LineStatus::line, consumed, line};
}

}  // namespace

LineReader::Taken LineReader::take(Octets input) {
  if (input.empty()) return {};
  std::size_t end = 0;  // of the line, behind its CRLF; 0 where it has none yet
  const bool split_crlf = input.front() == '\n' && (discarding_ ? last_was_cr_ : !part_.empty() && part_.back() == '\r');
  if (split_crlf) {
    end = 1;
  } else if (const std::size_t crlf = input.find("\r\n"); crlf != Octets::npos) {
    end = crlf + 2;
  }
  examined_ += end != 0 ? end : input.size();
  if (discarding_) {
    last_was_cr_ = input.back() == '\r';
    if (end == 0) return {LineStatus::incomplete, input.size(), {}};
    discarding_ = last_was_cr_ = false;
    return {LineStatus::too_long, end, {}};
  }
  if (end == 0) {
    part_.append(input);
    examined_ += input.size();
    if (part_.size() > limit_) {
      discarding_ = true;
      last_was_cr_ = part_.back() == '\r';
      std::string().swap(part_);
    }
    return {LineStatus::incomplete, input.size(), {}};
  }
  examined_ += part_.size() + end;  // to be judged
  if (part_.empty()) return judge(input.substr(0, end - 2), end, limit_);
  part_.append(input.substr(0, end));
  whole_ = std::exchange(part_, {});
  whole_.resize(whole_.size() - 2);
  return judge(whole_, end, limit_);
}

}  // namespace adieu::smtp
