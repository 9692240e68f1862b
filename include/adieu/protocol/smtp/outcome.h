// What became of one recipient in one delivery attempt: RFC 5321 section 4.2.1, RFC 3464 section 2.3.3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "adieu/protocol/smtp/reply.h"

namespace adieu::smtp {

enum class Fate : std::uint8_t { delivered, deferred, failed };

/// Octets that an outcome keeps of a reply's text: more than Reply::line() shows, but not all that a next hop may send, since each recipient keeps its own.
constexpr std::size_t kReplyText = 1024;

struct Outcome {
  Fate fate = Fate::deferred;
  Reply reply;              // the peer's, see kReplyText; code 0 where none came (then `status` and `detail` are ours)
  EnhancedStatus status;    // the reply's, or 4.4.2, 4.4.1, 5.4.6, … of our own
  std::string detail;       // for people: "connection lost while sending end of data"
  std::string host{};       // whom it came from: "mx1.example.org[192.0.2.1]:25"; empty where nobody was reached
  bool may_have_arrived = false;  // the final reply never came whole: the next hop may have the message (R14)
  bool at_once = false;     // deferred, but only to the next transaction: it is to follow now, without waiting for a retry
};

}  // namespace adieu::smtp
