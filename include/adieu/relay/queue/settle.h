// What an attempt's outcomes mean for a message: which recipients are done with, which are tried again and when, and whom to tell.
// RFC 5321 sections 4.5.4.1 and 6.1, RFC 3464.
#pragma once

#include <string>
#include <vector>

#include "adieu/protocol/smtp/outcome.h"
#include "adieu/relay/queue/queue.h"
#include "adieu/relay/queue/retry.h"
#include "adieu/relay/spool/spool.h"

namespace adieu::queue {

struct Verdict {
  std::vector<std::uint32_t> delivered;          // indices into the head's recipients, as everywhere here
  struct Failure {
    std::uint32_t index;
    smtp::Outcome outcome;                       // as given, or 5.4.7 when a deferral had lasted for too long
  };
  std::vector<Failure> failures;                 // to be told to the reverse-path, unless that is null
  std::optional<Job> again;                      // the recipients that were deferred: when, and after how many attempts
  std::optional<Job> rest;                       // those that the next transaction with the next hop is to have: the attempt goes on with them
  std::vector<smtp::Outcome> outcomes;           // of all recipients of the job, in its order; what was given up has failed
};

/// Takes those recipients out of `job` and `outcomes` that another exchanger may take in this same attempt (RFC 5321 section 5.1): that were deferred
/// and of whose message nothing can have arrived. What they were told goes with them, see Job::so_far. None: there are none.
std::optional<Job> take_deferred(Job& job, std::vector<smtp::Outcome>& outcomes);

/// `outcomes`: one for each recipient of `job`, in its order. `random`: see interval_after.
Verdict judge(const Job& job, const std::vector<smtp::Outcome>& outcomes, const config::Retry& retry, Now now, double random);

/// The same outcome for all of them: what happened concerned the connection, or the message as a whole.
Verdict judge_all(const Job& job, const smtp::Outcome& outcome, const config::Retry& retry, Now now, double random);

/// What the spool is told of a job that is not tried now: `destination` has it when it is due. Also of one that nothing was tried of.
spool::Settlement deferral(const Job& job, const route::Destination& destination);

/// The outcome on one line: the reply, or our own words.
std::string reply_line(const smtp::Outcome& outcome);

}  // namespace adieu::queue
