// See attacker.h. Records are told from lines by their first octet (RFC 8446 section 5.1), no line of SMTP begins with one of those.
#include "attacker.h"

#include <algorithm>
#include <utility>

namespace adieu::world {
namespace {

constexpr std::size_t kHeader = 5;
constexpr char kAlert = 21;
constexpr char kApplicationData = 23;

bool is_record(std::string_view octets) { return octets[0] >= 20 && octets[0] <= 23; }

/// The size of the line or record that `octets` begin with; 0: it is not whole yet.
std::size_t unit_size(std::string_view octets) {
  if (octets.empty()) return 0;
  if (!is_record(octets)) return octets.find('\n') + 1;  // npos + 1 is 0
  if (octets.size() < kHeader) return 0;
  const std::size_t size = kHeader + (static_cast<std::size_t>(static_cast<unsigned char>(octets[3])) << 8 | static_cast<unsigned char>(octets[4]));
  return octets.size() < size ? 0 : size;
}

/// By its size, since TLS 1.3 shows nothing else: two octets of alert, one of type, sixteen of tag. No command and no reply is that short.
bool is_close_notify(std::string_view record) {
  constexpr std::size_t kAlertInTls13 = 19;
  return record[0] == kAlert || (record[0] == kApplicationData && record.size() == kHeader + kAlertInTls13);
}

}  // namespace

Attacker::Attacker(Clock& clock)
    : clock_(clock),
      attack_(choose(clock)),
      side_(static_cast<int>(clock.between(0, 1))),
      left_(clock.happens(0.5) ? clock.between(0, 3) : clock.between(0, 25)) {}

/// Most often where a layer ends.
Attacker::Attack Attacker::choose(Clock& clock) {
  const Attack last = clock.happens(0.4) ? Attack::drops_close_notify : Attack::watches;
  return static_cast<Attack>(clock.between(0, static_cast<std::int64_t>(last)));
}

bool Attacker::is_now(int side) {
  if (acted_ || side != side_ || left_-- > 0) return false;
  acted_ = true;
  return true;
}

/// Of whom he speaks for.
std::string Attacker::words(int side) {
  static const std::array<std::array<std::string, 4>, 2> kWords = {{
      {"EHLO evil.example\r\nMAIL FROM:<evil@client.example>\r\nRCPT TO:<evil.0@one.example>\r\nDATA\r\nMessage-ID: <evil@evil.example>\r\n\r\nevil\r\n.\r\n",
       "evil\r\n.\r\n", "BDAT 6 LAST\r\nevil\r\n", "QUIT\r\n"},
      {"250 2.0.0 Ok: queued as EVIL\r\n", "250 2.0.0 Ok: queued as EVIL\r\n250 2.0.0 Ok: queued as EVIL\r\n250 2.0.0 Ok: queued as EVIL\r\n",
       "354 evil\r\n250 2.0.0 Ok: queued as EVIL\r\n", "550 5.7.1 evil\r\n"},
  }};
  return kWords[static_cast<std::size_t>(side)][static_cast<std::size_t>(clock_.between(0, 3))];
}

Attacker::Act Attacker::pass(int side, std::string_view said) {
  Act act;
  std::string& buffer = buffers_[static_cast<std::size_t>(side)];
  buffer += said;
  while (const std::size_t size = act.cut ? 0 : unit_size(buffer)) {
    const std::string unit = buffer.substr(0, size);
    buffer.erase(0, size);
    if (is_record(unit)) {
      meet_record(side, unit, act);
    } else {
      meet_line(side, unit, act);
    }
  }
  return act;
}

std::string Attacker::rest(int side) {
  std::string left = side == side_ ? std::exchange(kept_, {}) : std::string();
  return left + std::exchange(buffers_[static_cast<std::size_t>(side)], {});
}

void Attacker::meet_line(int side, const std::string& line, Act& act) {
  const bool begins = side == 0 && line == "STARTTLS\r\n";
  const bool answers = side == 1 && starting_;
  if (begins) starting_ = true;
  if (answers) {
    starting_ = false;
    if (attack_ == Attack::answers_starttls && !std::exchange(acted_, true)) {
      act.octets += clock_.happens(0.5) ? "454 4.7.0 evil\r\n" : "554 5.7.0 evil\r\n";
      return;
    }
  }
  const std::size_t offers = line.find("STARTTLS");
  if (attack_ == Attack::hides_starttls && side == 1 && offers != line.npos) {
    acted_ = true;
    act.octets += line.substr(0, offers) + "X" + line.substr(offers + 1);
    return;
  }
  if (attack_ == Attack::speaks_in_clear_again && was_tls_ && side == side_ && !std::exchange(acted_, true)) act.octets += words(side);
  act.octets += line;
  if (attack_ == Attack::speaks_behind_starttls && (begins || answers) && side == side_ && !std::exchange(acted_, true)) act.octets += words(side);
}

void Attacker::meet_record(int side, const std::string& record, Act& act) {
  const bool in_handshake = record[0] != kApplicationData;
  was_tls_ = true;
  switch (attack_) {
    case Attack::changes_an_octet:
      if (is_now(side)) {
        act.octets += record;
        const auto at = clock_.between(0, static_cast<std::int64_t>(record.size()) - 1);
        char& octet = act.octets[act.octets.size() - record.size() + static_cast<std::size_t>(at)];
        octet = static_cast<char>(octet ^ clock_.between(1, 255));
        return;
      }
      break;
    case Attack::speaks_in_the_handshake:
      if (in_handshake && is_now(side)) act.octets += words(side);
      break;
    case Attack::speaks_in_tls:
      if (!in_handshake && is_now(side)) act.octets += words(side);
      break;
    case Attack::forges_an_alert:
      if (is_now(side)) {
        const bool warning = clock_.happens(0.7);
        // close_notify, or handshake_failure (RFC 8446 section 6).
        act.octets += {kAlert, 3, 3, 0, 2, static_cast<char>(warning ? 1 : 2), static_cast<char>(warning ? 0 : 40)};
      }
      break;
    case Attack::speaks_behind_close_notify:
      if (is_close_notify(record) && side == side_) {
        acted_ = true;
        act.octets += record + words(side);
        return;
      }
      break;
    case Attack::drops_close_notify:
      if (is_close_notify(record) && side == side_) {
        acted_ = true;
        act.cut = clock_.happens(0.5) ? Fate::fin : Fate::rst;
        return;
      }
      break;
    case Attack::drops_a_record:
      if (is_now(side)) return;
      break;
    case Attack::says_a_record_again:
      if (is_now(side)) act.octets += record;
      break;
    case Attack::turns_two_records_round:
      if (!kept_.empty() && side == side_) {
        act.octets += record + std::exchange(kept_, {});
        return;
      }
      if (is_now(side)) {
        kept_ = record;
        return;
      }
      break;
    case Attack::holds_a_record:
      if (is_now(side)) act.hold = clock_.between(Duration(0), clock_.happens(0.5) ? std::chrono::seconds(10) : std::chrono::minutes(20));
      break;
    case Attack::cuts:
      if (is_now(side)) {
        act.octets += record.substr(0, static_cast<std::size_t>(clock_.between(0, static_cast<std::int64_t>(record.size()))));
        act.cut = static_cast<Fate>(clock_.between(0, 2));
        return;
      }
      break;
    case Attack::speaks_behind_starttls:
    case Attack::answers_starttls:
    case Attack::hides_starttls:
    case Attack::speaks_in_clear_again:
    case Attack::watches: break;
  }
  act.octets += record;
}

}  // namespace adieu::world
