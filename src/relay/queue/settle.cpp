// See settle.h.
#include "adieu/relay/queue/settle.h"

#include "adieu/base/result.h"

namespace adieu::queue {

std::string reply_line(const smtp::Outcome& outcome) {
  std::string line = outcome.detail;
  if (outcome.reply.code != 0) {
    if (!line.empty()) line += ": ";
    line += outcome.reply.line();
  } else if (!outcome.status.none()) {
    line.insert(0, outcome.status.text() + " ");
  }
  return line;
}

Verdict judge(const Job& job, const std::vector<smtp::Outcome>& outcomes, const config::Retry& retry, WallTime now) {
  check(outcomes.size() == job.recipients.size(), "every recipient of an attempt has its outcome");
  Verdict verdict;
  Job again;
  Job rest;
  const std::uint32_t attempts = job.attempts + 1;
  const bool too_old = gives_up(retry, job.message->head()->arrived, now);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].at_once) {
      rest.recipients.push_back(job.recipients[i]);
      continue;
    }
    smtp::Outcome outcome = outcomes[i];
    if (outcome.fate == smtp::Fate::deferred && too_old) {
      outcome.fate = smtp::Fate::failed;
      outcome.status = {5, 4, 7};
      outcome.detail = "delivery time expired" + (outcome.detail.empty() ? std::string() : "; last: " + outcome.detail);
    }
    spool::RecipientUpdate update;
    update.index = job.recipients[i];
    update.attempts = attempts;
    update.last_reply = reply_line(outcome);
    switch (outcome.fate) {
      case smtp::Fate::delivered: update.state = spool::RecipientState::delivered; break;
      case smtp::Fate::failed:
        update.state = spool::RecipientState::failed;
        verdict.failures.push_back({update.index, std::move(outcome)});
        break;
      case smtp::Fate::deferred:
        update.state = spool::RecipientState::pending;
        update.next_attempt = now + interval_after(retry, attempts);
        again.recipients.push_back(update.index);
        again.next_attempt = update.next_attempt;
        again.last_reply = update.last_reply;
        break;
    }
    if (update.state != spool::RecipientState::pending) ++verdict.final_count;
    verdict.updates.push_back(std::move(update));
  }
  if (!again.recipients.empty()) {
    again.message = job.message;
    again.attempts = attempts;
    verdict.again = std::move(again);
  }
  if (!rest.recipients.empty()) {
    rest.message = job.message;
    rest.attempts = job.attempts;
    rest.next_attempt = now;
    rest.last_reply = job.last_reply;
    verdict.rest = std::move(rest);
  }
  return verdict;
}

Verdict judge_all(const Job& job, const smtp::Outcome& outcome, const config::Retry& retry, WallTime now) {
  return judge(job, std::vector<smtp::Outcome>(job.recipients.size(), outcome), retry, now);
}

}  // namespace adieu::queue
