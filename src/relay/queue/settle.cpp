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

std::optional<Job> take_deferred(Job& job, std::vector<smtp::Outcome>& outcomes) {
  check(outcomes.size() == job.recipients.size(), "every recipient of an attempt has its outcome");
  Job taken = job;
  taken.recipients.clear();
  taken.so_far.clear();
  std::size_t kept = 0;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].fate == smtp::Fate::deferred && !outcomes[i].may_have_arrived && !outcomes[i].at_once) {
      taken.recipients.push_back(job.recipients[i]);
      taken.last_reply = reply_line(outcomes[i]);
      taken.so_far.push_back(std::move(outcomes[i]));
    } else {
      job.recipients[kept] = job.recipients[i];
      if (kept != i) outcomes[kept] = std::move(outcomes[i]);
      ++kept;
    }
  }
  job.recipients.resize(kept);
  outcomes.resize(kept);
  if (taken.recipients.empty()) return std::nullopt;
  return taken;
}

Verdict judge(const Job& job, const std::vector<smtp::Outcome>& outcomes, const config::Retry& retry, WallTime now, double random) {
  check(outcomes.size() == job.recipients.size(), "every recipient of an attempt has its outcome");
  Verdict verdict;
  Job again;
  Job rest;
  // An attempt that was asked for out of turn leaves the schedule as it is.
  const bool out_of_turn = job.promised && *job.promised > now;
  const std::uint32_t attempts = job.attempts + (out_of_turn ? 0 : 1);
  const WallTime next_attempt = out_of_turn ? *job.promised : now + interval_after(retry, attempts, random);
  const bool too_old = gives_up(retry, job.message->head()->arrived, now);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].at_once) {
      rest.recipients.push_back(job.recipients[i]);
      if (!job.so_far.empty()) rest.so_far.push_back(job.so_far[i]);
      verdict.outcomes.push_back(outcomes[i]);
      continue;
    }
    smtp::Outcome outcome = outcomes[i];
    if (outcome.fate == smtp::Fate::deferred && too_old) {
      outcome.fate = smtp::Fate::failed;
      outcome.status = {5, 4, 7};
      outcome.detail = "delivery time expired" + (outcome.detail.empty() ? std::string() : "; last: " + outcome.detail);
    }
    verdict.outcomes.push_back(outcome);
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
        update.next_attempt = next_attempt;
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
    rest.promised = job.promised;
    verdict.rest = std::move(rest);
  }
  return verdict;
}

Verdict judge_all(const Job& job, const smtp::Outcome& outcome, const config::Retry& retry, WallTime now, double random) {
  return judge(job, std::vector<smtp::Outcome>(job.recipients.size(), outcome), retry, now, random);
}

}  // namespace adieu::queue
