// See finding.h.
#include "adieu/relay/probe/finding.h"

#include <array>

namespace adieu::probe {
namespace {

constexpr std::array kQuestions = {Question::connection,
                                   Question::starttls,
                                   Question::tls13,
                                   Question::tls12,
                                   Question::tls_old,
                                   Question::certificate,
                                   Question::certificate_subject,
                                   Question::certificate_names,
                                   Question::certificate_issuer,
                                   Question::certificate_validity,
                                   Question::xtlsreturn,
                                   Question::quit_close_notify,
                                   Question::quit_end,
                                   Question::close_notify,
                                   Question::after_closure,
                                   Question::state,
                                   Question::closure_injection,
                                   Question::starttls_injection,
                                   Question::cut_message,
                                   Question::whole_message};

void column(std::string& row, std::string_view text, std::size_t width) {
  row += text;
  row.append(text.size() < width ? width - text.size() : 0, ' ');
  row += ' ';
}

}  // namespace

std::span<const Question> questions() { return kQuestions; }

std::string_view name(Question question) {
  switch (question) {
    case Question::connection: return "connection";
    case Question::starttls: return "starttls";
    case Question::tls13: return "tls-1.3";
    case Question::tls12: return "tls-1.2";
    case Question::tls_old: return "tls-old";
    case Question::certificate: return "certificate";
    case Question::certificate_subject: return "certificate-subject";
    case Question::certificate_names: return "certificate-names";
    case Question::certificate_issuer: return "certificate-issuer";
    case Question::certificate_validity: return "certificate-validity";
    case Question::xtlsreturn: return "xtlsreturn";
    case Question::quit_close_notify: return "quit-close-notify";
    case Question::quit_end: return "quit-end";
    case Question::close_notify: return "close-notify";
    case Question::after_closure: return "after-closure";
    case Question::state: return "state";
    case Question::closure_injection: return "closure-injection";
    case Question::starttls_injection: return "starttls-injection";
    case Question::cut_message: return "cut-message";
    case Question::whole_message: return "whole-message";
  }
  return "unknown";
}

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::good: return "good";
    case Verdict::weak: return "weak";
    case Verdict::note: return "note";
    case Verdict::untested: return "untested";
  }
  return "unknown";
}

std::string Finding::row() const {
  std::string row;
  column(row, name(verdict), 8);
  column(row, name(question), 20);
  column(row, tls, 6);
  row += answer;
  if (after) row += ", after " + std::to_string(after->count()) + " ms";
  if (!detail.empty()) row += (answer.empty() ? "" : ": ") + detail;
  return row;
}

}  // namespace adieu::probe
