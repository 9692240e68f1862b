// What a probe asks and what it found: a finding is one question's answer and how it is judged.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "adieu/base/clock.h"

namespace adieu::probe {

enum class Question : std::uint8_t {
  connection,
  starttls,
  tls13,
  tls12,
  tls_old,
  certificate,
  certificate_subject,
  certificate_names,
  certificate_issuer,
  certificate_validity,
  xtlsreturn,
  quit_close_notify,
  quit_end,
  close_notify,
  after_closure,
  state,
  closure_injection,
  starttls_injection,
  cut_message,
  whole_message,
};

/// Every question, in the order of its declaration.
std::span<const Question> questions();
/// "close-notify": in the table, in JSON, and in adieu(8).
std::string_view name(Question question);

enum class Verdict : std::uint8_t {
  good,
  weak,      // the server does what it should not, or lacks what it should have
  note,      // neither
  untested,  // the question could not be put, or was not answered in time
};
std::string_view name(Verdict verdict);

/// All text is printable ASCII.
struct Finding {
  Question question{};
  Verdict verdict{};
  std::string_view tls;            // "TLS1.3" where the question is put to each version
  std::string answer;              // a few words
  std::string detail;              // the server's own words, or why
  std::optional<Duration> after;   // how long the server took, where that is asked

  /// A row of the table, without its LF.
  std::string row() const;
};

}  // namespace adieu::probe
