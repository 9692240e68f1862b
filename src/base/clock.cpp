// See clock.h.
#include "adieu/base/clock.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace adieu {
namespace {
std::tm utc(WallTime time) {
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return parts;
}
}  // namespace

std::string rfc5322_date(WallTime time) {
  static constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::tm t = utc(time);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %d %s %d %02d:%02d:%02d +0000", kDays.at(t.tm_wday), t.tm_mday,
                kMonths.at(t.tm_mon), t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
  return text.data();
}

std::string rfc3339(WallTime time) {
  const std::tm t = utc(time);
  const auto millis = (time - std::chrono::floor<std::chrono::seconds>(time)).count();
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                t.tm_hour, t.tm_min, t.tm_sec, static_cast<int>(millis));
  return text.data();
}

std::string to_text(Duration duration) {
  struct Unit {
    Duration::rep millis;
    const char* suffix;
  };
  static constexpr std::array kUnits = {Unit{86'400'000, "d"}, Unit{3'600'000, "h"}, Unit{60'000, "m"}, Unit{1000, "s"}};
  const Duration::rep millis = duration.count();
  if (millis == 0) return "0s";
  for (const Unit& unit : kUnits) {
    if (millis % unit.millis == 0) return std::to_string(millis / unit.millis) + unit.suffix;
  }
  return std::to_string(millis) + "ms";
}

}  // namespace adieu
