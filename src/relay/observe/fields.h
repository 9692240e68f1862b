// Fields that several kinds of log lines share, each with its bound.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "adieu/base/log.h"
#include "adieu/protocol/mail/message_summary.h"

namespace adieu::observe {

// Octets as they are written, escapes included: a client says its name once, and it stands in all of its lines.
inline constexpr std::size_t kNameLimit = 64;
inline constexpr std::size_t kPathLimit = 256;
inline constexpr std::size_t kListLimit = 1024;

/// With angle brackets.
std::string path(const mail::Mailbox& mailbox);

/// A name that the peer chose, where there is one.
LogLine& add_name(LogLine& line, std::string_view field, std::string_view name);
inline LogLine& add_helo(LogLine& line, std::string_view name) { return add_name(line, "helo", name); }
/// `from` and `to`, as far as they are known; `to` holds as many recipients as there is room for, and `more` says how many it lacks.
LogLine& add_envelope(LogLine& line, const mail::MessageSummary& message);
/// `queue-id` of all, as many as there is room for; `from`, `to` and `size` of the first.
LogLine& add_messages(LogLine& line, const std::vector<mail::MessageSummary>& messages);

}  // namespace adieu::observe
