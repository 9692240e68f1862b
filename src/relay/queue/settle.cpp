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

Verdict judge(const Job& job, const std::vector<smtp::Outcome>& outcomes, const config::Retry& retry, Now now, double random) {
  check(outcomes.size() == job.recipients.size(), "every recipient of an attempt has its outcome");
  Verdict verdict;
  std::vector<std::uint32_t> again;
  std::string last_reply;
  std::vector<std::uint32_t> rest;
  std::vector<smtp::Outcome> rest_so_far;
  const bool too_old = gives_up(retry, job.message->head()->arrived, now.wall);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const std::uint32_t index = job.recipients[i];
    smtp::Outcome outcome = outcomes[i];
    if (outcome.at_once) {
      rest.push_back(index);
      if (!job.so_far.empty()) rest_so_far.push_back(job.so_far[i]);
      verdict.outcomes.push_back(std::move(outcome));
      continue;
    }
    if (outcome.fate == smtp::Fate::deferred && too_old) {
      outcome.fate = smtp::Fate::failed;
      outcome.status = {5, 4, 7};
      outcome.detail = "delivery time expired" + (outcome.detail.empty() ? std::string() : "; last: " + outcome.detail);
    }
    verdict.outcomes.push_back(outcome);
    switch (outcome.fate) {
      case smtp::Fate::delivered: verdict.delivered.push_back(index); break;
      case smtp::Fate::failed: verdict.failures.push_back({index, std::move(outcome)}); break;
      case smtp::Fate::deferred:
        again.push_back(index);
        last_reply = reply_line(outcome);
        break;
    }
  }
  const auto part = [&](std::vector<std::uint32_t> recipients) {
    Job some;
    some.message = job.message;
    some.claim = job.claim;
    some.recipients = std::move(recipients);
    return some;
  };
  if (!again.empty()) {
    // An attempt that was asked for out of turn leaves the schedule as it is.
    const bool out_of_turn = job.promised && *job.promised > now.schedule;
    verdict.again = part(std::move(again));
    verdict.again->attempts = job.attempts + (out_of_turn ? 0 : 1);
    verdict.again->due = out_of_turn ? *job.promised : now.schedule + interval_after(retry, verdict.again->attempts, random);
    verdict.again->last_reply = std::move(last_reply);
  }
  if (!rest.empty()) {
    verdict.rest = part(std::move(rest));
    verdict.rest->so_far = std::move(rest_so_far);
    verdict.rest->attempts = job.attempts;
    verdict.rest->due = now.schedule;
    verdict.rest->last_reply = job.last_reply;
    verdict.rest->promised = job.promised;
  }
  return verdict;
}

Verdict judge_all(const Job& job, const smtp::Outcome& outcome, const config::Retry& retry, Now now, double random) {
  return judge(job, std::vector<smtp::Outcome>(job.recipients.size(), outcome), retry, now, random);
}

spool::Settlement deferral(const Job& job, const route::Destination& destination) {
  return {job.claim, {}, spool::Settlement::Deferred{job.recipients, destination, job.attempts, job.due, job.promised, job.last_reply}};
}

}  // namespace adieu::queue
