// Any line is a command or a reply of 5xx; a mailbox that was taken is taken again as it prints. What is taken strictly is taken leniently too, and
// means the same; what is taken leniently holds the address octet by octet.
#include <cstdlib>

#include "adieu/protocol/smtp/command.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace adieu::smtp;
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const auto lenient = command::parse(line, command::Syntax::lenient);
  if (const auto* taken = std::get_if<command::Command>(&lenient)) {
    const auto* mail = std::get_if<command::Mail>(taken);
    const auto* to = std::get_if<command::Rcpt>(taken);
    const adieu::mail::Mailbox* path = mail != nullptr ? &mail->reverse_path : to != nullptr ? &to->forward_path : nullptr;
    if (path != nullptr && line.find(path->text()) == std::string_view::npos) std::abort();
    if (path != nullptr && !path->domain.empty() && adieu::mail::parse_mailbox(path->text()) != *path) std::abort();
  } else if (!std::get<Reply>(lenient).permanent()) {
    std::abort();
  }
  const auto parsed = command::parse(line);
  if (const auto* strictly = std::get_if<command::Command>(&parsed)) {
    const auto* taken = std::get_if<command::Command>(&lenient);
    if (taken == nullptr || taken->index() != strictly->index()) std::abort();
    if (const auto* mail = std::get_if<command::Mail>(strictly); mail != nullptr && mail->reverse_path != std::get<command::Mail>(*taken).reverse_path) std::abort();
    if (const auto* to = std::get_if<command::Rcpt>(strictly); to != nullptr && to->forward_path != std::get<command::Rcpt>(*taken).forward_path) std::abort();
  }
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
