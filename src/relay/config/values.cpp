// See values.h.
#include "relay/config/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "adieu/base/bytes.h"
#include "adieu/protocol/mail/address.h"
#include "relay/config/bounds.h"

namespace adieu::config {
namespace {

struct Unit {
  std::string_view suffix;
  std::uint64_t factor;
};
constexpr std::array kSizes = {Unit{"KiB", 1u << 10}, Unit{"MiB", 1u << 20}, Unit{"GiB", 1u << 30}, Unit{"B", 1}};
constexpr std::array kPlain = {Unit{"", 1}};
constexpr std::array kDurations = {Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000}, Unit{"h", 3'600'000}, Unit{"d", 86'400'000}};
constexpr std::size_t kShown = 64;  // octets of a word that an error quotes

/// Digits and one of the units.
template <class Units>
std::optional<std::uint64_t> measure(std::string_view text, const Units& units) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  const std::string_view suffix = text.substr(static_cast<std::size_t>(end - text.data()));
  const auto unit = std::find_if(units.begin(), units.end(), [&](const Unit& each) { return each.suffix == suffix; });
  if (unit == units.end() || number > kUnbounded / unit->factor) return std::nullopt;
  return number * unit->factor;
}

std::vector<std::string_view> split_choices(std::string_view choices) {
  std::vector<std::string_view> all;
  while (!choices.empty()) {
    const std::size_t end = choices.find(" | ");
    all.push_back(choices.substr(0, end));
    choices = end == std::string_view::npos ? std::string_view() : choices.substr(end + 3);
  }
  return all;
}

std::string one_of(const std::vector<std::string_view>& words) {
  std::string text = "expected one of";
  for (std::size_t i = 0; i < words.size(); ++i) {
    text += i == 0 ? " " : i + 1 == words.size() ? " or " : ", ";
    text += "`" + std::string(words[i]) + "`";
  }
  return text;
}

std::size_t distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> before(right.size() + 1), row(right.size() + 1), two_before(right.size() + 1);
  for (std::size_t j = 0; j <= right.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= left.size(); ++i) {
    two_before = before;
    before = row;
    row[0] = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      row[j] = std::min({before[j] + 1, row[j - 1] + 1, before[j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1)});
      // Two neighbouring letters that were swapped count as one mistake.
      if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1]) row[j] = std::min(row[j], two_before[j - 2] + 1);
    }
  }
  return row[right.size()];
}

std::string found(const std::string& word) { return ", found `" + printable(word, kShown) + "`"; }

/// What is wrong with a value that has its type; empty: nothing.
std::string beyond_bounds(const Setting& setting, Type type, std::uint64_t value) {
  const Bounds bounds = bounds_of(setting);
  const std::string why = bounds.why.empty() ? "" : " (" + std::string(bounds.why) + ")";
  if (value < bounds.least) return "expected " + bound_text(type, bounds.least) + " or more" + why;
  if (value > bounds.most) return "expected " + bound_text(type, bounds.most) + " or less" + why;
  return {};
}

/// The unit that was meant: 50, 50M, 50MB, 50mib.
std::string size_meant(const std::string& word) {
  const std::size_t digits = std::min(word.find_first_not_of("0123456789"), word.size());
  if (digits == 0) return {};
  const std::string unit = to_ascii_lower(word.substr(digits));
  for (const std::string_view known : {"KiB", "MiB", "GiB"}) {
    const std::string letter(1, ascii_lower(known.front()));
    if (unit == letter || unit == letter + "b" || unit == letter + "ib") return word.substr(0, digits) + std::string(known);
  }
  return unit.empty() || unit == "b" ? word.substr(0, digits) + "B" : std::string();
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  const auto millis = measure(text, kDurations);
  return millis ? std::optional(Duration(static_cast<Duration::rep>(*millis))) : std::nullopt;
}

std::string nearest(std::string_view text, const std::vector<std::string_view>& known) {
  std::string best;
  std::size_t least = std::max<std::size_t>(1, text.size() / 3) + 1;
  for (const std::string_view word : known) {
    const std::size_t away = distance(text, word);
    if (away < least) {
      least = away;
      best = word;
    }
  }
  return best;
}

bool is_host_name(std::string_view name) {
  static constexpr std::size_t kMaxLabel = 63;
  if (!mail::is_domain(name)) return false;
  std::size_t start = 0;
  for (std::size_t dot = 0; dot != std::string_view::npos; start = dot + 1) {
    dot = name.find('.', start);
    if (name.substr(start, dot - start).size() > kMaxLabel) return false;
  }
  // No top-level domain is a number: "10.0.0" is an address that lacks something.
  return name.substr(name.rfind('.') + 1).find_first_not_of("0123456789") != std::string_view::npos;
}

std::optional<HostTarget> parse_host(const std::string& text, std::uint16_t port) {
  if (const auto endpoint = Endpoint::parse(text)) {
    return endpoint->port != 0 ? std::optional(HostTarget{endpoint->address.text(), endpoint->port}) : std::nullopt;
  }
  if (const auto address = IpAddress::parse(text)) return HostTarget{address->text(), port};
  const std::size_t colon = text.rfind(':');
  HostTarget host{text.substr(0, colon), port};
  if (!is_host_name(host.host)) return std::nullopt;
  if (colon == std::string::npos) return host;
  const char* const digits_end = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data() + colon + 1, digits_end, host.port);
  if (error != std::errc() || end != digits_end || host.port == 0) return std::nullopt;
  return host;
}

std::variant<Value, ValueError> parse_value(const Setting& setting, const std::vector<std::string>& words) {
  Value value;
  const bool list = setting.type == Type::durations || setting.type == Type::endpoints || setting.type == Type::names;
  if (words.empty()) return ValueError{0, "expected a value for `" + std::string(setting.name) + "` (" + std::string(name(setting.type)) + ")", {}};
  const bool counted = setting.type == Type::age && words.size() == 2 && words[1] == "messages";
  if (!list && !counted && words.size() > 1) return ValueError{1, "expected the end of the statement" + found(words[1]), {}};
  value.text = words.front();
  const std::string& word = words.front();
  switch (setting.type) {
    case Type::word:
    case Type::path:
      if (word.empty()) return ValueError{0, "expected a word that is not empty", {}};
      return value;
    case Type::number: {
      const auto number = measure(word, kPlain);
      if (!number) return ValueError{0, "expected a number" + found(word), {}};
      if (auto wrong = beyond_bounds(setting, setting.type, *number); !wrong.empty()) return ValueError{0, wrong + found(word), {}};
      value.number = *number;
      return value;
    }
    case Type::size: {
      const auto size = word == "0" ? std::optional<std::uint64_t>(0) : measure(word, kSizes);  // 0 needs no unit
      if (!size) return ValueError{0, "expected a size with its unit, such as 64KiB or 50MiB" + found(word), size_meant(word)};
      if (auto wrong = beyond_bounds(setting, setting.type, *size); !wrong.empty()) return ValueError{0, wrong + found(word), {}};
      value.number = *size;
      return value;
    }
    case Type::duration: {
      const auto millis = measure(word, kDurations);
      if (!millis) return ValueError{0, "expected a duration such as 30s, 5m or 4h" + found(word), {}};
      if (auto wrong = beyond_bounds(setting, setting.type, *millis); !wrong.empty()) return ValueError{0, wrong + found(word), {}};
      value.duration = Duration(*millis);
      return value;
    }
    case Type::durations:
      for (std::size_t i = 0; i < words.size(); ++i) {
        const auto millis = measure(words[i], kDurations);
        if (!millis) return ValueError{i, "expected a duration such as 30s, 5m or 4h" + found(words[i]), {}};
        if (auto wrong = beyond_bounds(setting, setting.type, *millis); !wrong.empty()) return ValueError{i, wrong + found(words[i]), {}};
        value.durations.push_back(Duration(*millis));
      }
      value.duration = value.durations.front();
      return value;
    case Type::age: {
      const auto number = counted ? measure(word, kPlain) : std::nullopt;
      const auto millis = counted ? std::nullopt : measure(word, kDurations);
      if (!number && !millis) return ValueError{0, "expected `N messages`, or a duration such as 30m or 4h" + found(word), {}};
      const Type type = counted ? Type::number : Type::duration;
      if (auto wrong = beyond_bounds(setting, type, number ? *number : *millis); !wrong.empty()) return ValueError{0, wrong + found(word), {}};
      value.number = number.value_or(0);
      value.duration = Duration(millis.value_or(0));
      return value;
    }
    case Type::boolean:
      if (word != "yes" && word != "no") return ValueError{0, "expected `yes` or `no`" + found(word), nearest(word, {"yes", "no"})};
      value.yes = word == "yes";
      return value;
    case Type::choice: {
      const auto choices = split_choices(setting.choices);
      if (std::find(choices.begin(), choices.end(), word) == choices.end()) {
        return ValueError{0, one_of(choices) + found(word), nearest(word, choices)};
      }
      return value;
    }
    case Type::endpoint:
    case Type::endpoints:
      if (setting.type == Type::endpoints && words.size() == 1 && word == "system") return value;
      for (std::size_t i = 0; i < words.size(); ++i) {
        const auto endpoint = Endpoint::parse(words[i]);
        if (!endpoint) return ValueError{i, "expected address:port, such as 127.0.0.1:25 or [::1]:25" + found(words[i]), {}};
        if (endpoint->port == 0) return ValueError{i, "expected a port, 1 to 65535" + found(words[i]), {}};
        value.endpoints.push_back(*endpoint);
      }
      return value;
    case Type::names: value.texts = words; return value;
    case Type::mailbox: {
      auto mailbox = mail::parse_mailbox(word);
      if (!mailbox) return ValueError{0, "expected a mailbox such as admin@example.org" + found(word), {}};
      value.mailbox = std::move(*mailbox);
      return value;
    }
    case Type::block:
    case Type::statement: return value;
  }
  return value;
}

}  // namespace adieu::config
