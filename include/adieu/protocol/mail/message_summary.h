// What a log says of a message: which it is, from whom, for whom. Bounded, so that no transaction can fill a log.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "adieu/protocol/mail/address.h"

namespace adieu::mail {

struct MessageSummary {
  static constexpr std::size_t kMost = 50;   // recipients that are named

  std::string queue_id;                 // empty where it has none
  bool has_reverse_path = false;        // MAIL was said
  Mailbox reverse_path;
  std::vector<Mailbox> forward_paths;   // the first kMost
  std::size_t recipients = 0;           // all of them
  std::uint64_t size = 0;               // octets of mail data that came, or that MAIL declared; 0: not known

  void add(const Mailbox& forward_path) {
    if (recipients++ < kMost) forward_paths.push_back(forward_path);
  }
};

}  // namespace adieu::mail
