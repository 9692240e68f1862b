// Any line is a command or a reply of 5xx; a mailbox that was taken is taken again as it prints.
#include <cstdlib>

#include "adieu/protocol/smtp/command.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace adieu::smtp;
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const auto parsed = command::parse(line);
  if (const auto* reply = std::get_if<Reply>(&parsed)) {
    if (!reply->permanent() || reply->status.class_ != 5) std::abort();
    return 0;
  }
  const auto* rcpt = std::get_if<command::Rcpt>(&std::get<command::Command>(parsed));
  if (rcpt != nullptr && !rcpt->forward_path.domain.empty()) {
    if (adieu::mail::parse_mailbox(rcpt->forward_path.text()) != rcpt->forward_path) std::abort();
  }
  return 0;
}
