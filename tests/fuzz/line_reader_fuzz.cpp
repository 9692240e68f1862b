// Lines come out the same however the octets are divided; a good line holds no CR, LF or NUL and keeps to the limit.
#include <cstdlib>
#include <vector>

#include "adieu/protocol/smtp/line_reader.h"

namespace {
using Lines = std::vector<std::pair<adieu::smtp::LineStatus, std::string>>;

Lines read(std::string_view octets, std::size_t block) {
  adieu::smtp::LineReader reader(64);
  Lines lines;
  while (!octets.empty()) {
    std::string_view part = octets.substr(0, block);
    octets.remove_prefix(part.size());
    while (!part.empty()) {
      const auto taken = reader.take(part);
      if (taken.consumed == 0 || taken.consumed > part.size()) std::abort();
      if (taken.status != adieu::smtp::LineStatus::incomplete) lines.emplace_back(taken.status, taken.line);
      if (taken.status == adieu::smtp::LineStatus::line &&
          (taken.line.size() > 62 || taken.line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)) {
        std::abort();
      }
      part.remove_prefix(taken.consumed);
    }
  }
  return lines;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (read(octets, octets.size() + 1) != read(octets, 1 + data[0] % 16)) std::abort();
  return 0;
}
