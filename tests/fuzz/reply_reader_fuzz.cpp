// Replies come out the same however the octets are divided; each ends with a complete line (R14), keeps to the limits and holds
// no CR.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "adieu/protocol/smtp/reply_reader.h"

namespace {
constexpr std::size_t kLine = 64;
constexpr std::size_t kLines = 4;

struct Read {
  std::vector<adieu::smtp::Reply> replies;
  std::string fault;
  bool operator==(const Read&) const = default;
};

Read read(std::string_view octets, std::size_t block) {
  adieu::smtp::ReplyReader reader(kLine, kLines);
  Read result;
  std::size_t lines = 0;
  while (!octets.empty()) {
    const std::string_view part = octets.substr(0, block);
    octets.remove_prefix(part.size());
    reader.receive(part);
    lines += static_cast<std::size_t>(std::count(part.begin(), part.end(), '\n'));
    while (auto reply = reader.next()) {
      const auto breaks = static_cast<std::size_t>(std::count(reply->text.begin(), reply->text.end(), '\n'));
      if (reply->code < 200 || reply->code > 599 || breaks >= kLines || reply->text.size() > kLine * (breaks + 1)) std::abort();
      if (reply->text.find('\r') != std::string::npos) std::abort();
      if (!reply->status.none() && reply->status.class_ != reply->code / 100) std::abort();
      if (breaks + 1 > lines) std::abort();
      lines -= breaks + 1;
      result.replies.push_back(std::move(*reply));
    }
  }
  result.fault = reader.fault();
  return result;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (read(octets, octets.size() + 1) != read(octets, 1 + data[0] % 16)) std::abort();
  return 0;
}
