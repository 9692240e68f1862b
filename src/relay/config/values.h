// The values of settings: from words to what they mean, by the type that the table of settings gives.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "adieu/base/clock.h"
#include "adieu/base/ip.h"
#include "adieu/protocol/mail/address.h"
#include "adieu/relay/config/config.h"
#include "adieu/relay/config/settings.h"

namespace adieu::config {

/// A value of one setting; which member counts is said by its type.
struct Value {
  std::string text;                  // word, path, choice; for lists the first
  std::vector<std::string> texts;    // names
  std::uint64_t number = 0;          // number, size
  Duration duration{};
  std::vector<Duration> durations;
  bool yes = false;
  mail::Mailbox mailbox;
  std::vector<Endpoint> endpoints;   // endpoint, endpoints; empty for `system`
};

/// What was wrong, and with which of the words.
struct ValueError {
  std::size_t word = 0;
  std::string message;
  std::string suggestion;
};

/// `words`: those behind the setting's name.
std::variant<Value, ValueError> parse_value(const Setting& setting, const std::vector<std::string>& words);

/// A domain whose labels have 63 octets at most (RFC 1035 section 2.3.4), the last of them not digits alone.
bool is_host_name(std::string_view name);

/// A host's name or address, and perhaps a port, else `port`: "mail.example.org:25", "[::1]:25", "::1".
std::optional<HostTarget> parse_host(const std::string& text, std::uint16_t port);

/// The known word nearest to `text`, or empty where none is near.
std::string nearest(std::string_view text, const std::vector<std::string_view>& known);

}  // namespace adieu::config
