// See delivery.h: where connections come from, what they are given to do, and how they end.
#include <algorithm>
#include <utility>

#include "adieu/base/result.h"
#include "adieu/protocol/mail/seven_bit.h"
#include "adieu/relay/observe/events.h"
#include "adieu/relay/queue/retry.h"
#include "daemon/delivery.h"
#include "io/uv/machine_addresses.h"

namespace adieu::daemon {
namespace {

constexpr Duration kMachineAddresses = std::chrono::seconds(10);  // how long what the interfaces said is believed
constexpr Duration kPauseTold = std::chrono::seconds(1);          // between two log lines of the same trouble

/// Of a message that an earlier version of the relay has taken nobody knows what its octets are.
mail::BodyType body_of(const queue::InFlight& message) {
  const spool::MessageHead& head = *message.head();
  if (head.body != mail::BodyType::unspecified) return head.body;
  const spool::MailData mail_data = message.mail_data();
  return !mail_data || mail::has_eight_bit(*mail_data) ? mail::BodyType::eight_bit_mime : mail::BodyType::seven_bit;
}

}  // namespace

const route::MachineAddresses& Delivery::machine_addresses() {
  if (!machine_asked_ || loop_.now() - *machine_asked_ >= kMachineAddresses) {
    machine_ = uv::machine_addresses();
    machine_asked_ = loop_.now();
  }
  return machine_;
}

void Delivery::open(const route::Destination& destination) {
  const std::uint64_t id = ++last_id_;
  Line& line = lines_[id];
  line.destination = destination;
  line.next_hop = &shared_.next_hops.at(destination.next_hop);
  line.back_offs = queue_.back_offs(destination);
  line.search = std::make_unique<deliver::Search>(deliver::Search::Place{destination, &line.next_hop->policy, shared_.config.hostname, random_()},
                                                  *resolver_,
                                                  [this]() -> const route::MachineAddresses& { return machine_addresses(); });
  queue_.connection_opened(destination);
  search_on(id, 0);
}

/// The next host; `dialled`: how many addresses of the one before were.
void Delivery::search_on(std::uint64_t id, std::size_t dialled) {
  lines_.at(id).search->next(dialled, [this, id](deliver::Search::Step step) {
    const auto line = lines_.find(id);
    if (auto* found = std::get_if<deliver::Search::Found>(&step)) {
      connect(line, std::move(*found));
    } else {
      const smtp::Outcome nobody_left = std::get<smtp::Outcome>(std::move(step));
      unreachable(line, line->second.failure ? smtp::Outcome(*line->second.failure) : nobody_left);
    }
  });
}

void Delivery::connect(Lines::iterator line, deliver::Search::Found found) {
  std::vector<Candidate> candidates;
  candidates.reserve(found.addresses.size());
  for (const Endpoint& address : found.addresses) candidates.push_back({found.host, address});
  line->second.outbound = std::make_unique<Outbound>(loop_, line->second.next_hop->outbound, std::move(candidates), found.tries,
                                                     shared_.spool, *this, shared_.closures, shared_.log);
  line_ids_[line->second.outbound.get()] = line->first;
  line->second.outbound->start();
}

Delivery::Lines::iterator Delivery::line_of(const Outbound& outbound) { return lines_.find(line_ids_.at(&outbound)); }

/// Keeps the books: who idles, and what the queue may count on.
void Delivery::move(Lines::iterator line, queue::Doing to) {
  Line& moved = line->second;
  if (moved.doing == to) return;
  if (moved.doing == queue::Doing::idling) {
    moved.idle->set(std::nullopt);
    idle_order_.erase(moved.waiting);
    const auto place = idle_.find(moved.destination);
    std::erase(place->second, line->first);
    if (place->second.empty()) idle_.erase(place);
  }
  if (to == queue::Doing::idling) {
    moved.waiting = idle_order_.insert(idle_order_.end(), line->first);
    idle_[moved.destination].push_back(line->first);
  }
  queue_.connection_moved(moved.destination, std::exchange(moved.doing, to), to);
}

void Delivery::on_ready(Outbound& outbound) {
  const auto found = line_of(outbound);
  Line& line = found->second;
  queue_.reached(line.destination);
  if (line.destination != line.destination.anew()) queue_.reached(line.destination.anew());
  const bool used_up = outbound.messages() >= line.next_hop->policy.messages_per_connection;
  if (!used_up && may_begin()) line.job = line.rest ? std::exchange(line.rest, std::nullopt) : queue_.take(line.destination);
  if (line.job) {
    move(found, queue::Doing::sending);
    send(line);
  } else if (used_up || shutting_down_ || line.next_hop->policy.idle_timeout == Duration(0) || budget_.others_wait()) {
    quit(found);
  } else {
    if (line.rest) add(line.destination, *std::exchange(line.rest, std::nullopt));  // held up
    wait_for_message(found);
  }
  if (held_up_ || queue_.has_wanted_connection()) schedule();
}

void Delivery::wait_for_message(Lines::iterator line) {
  line->second.has_waited = true;
  if (!line->second.idle) {
    line->second.idle = std::make_unique<uv::Timer>(loop_, [this, id = line->first] {
      const auto idle = lines_.find(id);
      if (idle != lines_.end() && idle->second.doing == queue::Doing::idling) quit(idle);
    });
  }
  line->second.idle->set(loop_.now() + line->second.next_hop->policy.idle_timeout);
  move(line, queue::Doing::idling);
}

void Delivery::quit(Lines::iterator line) {
  move(line, queue::Doing::ending);
  line->second.outbound->quit();
}

/// Another destination waits for a connection, and there may be no more of them.
void Delivery::quit_one_that_idles() {
  if (!idle_order_.empty()) quit(lines_.find(idle_order_.front()));
}

void Delivery::send(Line& line) {
  const queue::InFlight& message = *line.job->message;
  mail::Envelope envelope;
  envelope.reverse_path = message.head()->reverse_path;
  envelope.body = body_of(message);
  for (const std::uint32_t index : line.job->recipients) {
    envelope.forward_paths.push_back(message.head()->recipients[index].forward_path);
  }
  line.outbound->send(std::move(envelope), {message.head(), message.mail_data()});
}

void Delivery::on_finished(Outbound& outbound, std::vector<smtp::Outcome> outcomes) {
  Line& line = line_of(outbound)->second;
  queue::Job job = *std::exchange(line.job, std::nullopt);
  // A next hop may close a connection that waited, at any moment: that says nothing about the message which met it (RFC 5321 section 3.8). The
  // next connection to it is a new one sooner or later, so that this ends.
  const bool used = outbound.messages() > 1 || line.has_waited;
  const bool tired = used && std::all_of(outcomes.begin(), outcomes.end(), [](const smtp::Outcome& outcome) {
    return outcome.fate == smtp::Fate::deferred && !outcome.may_have_arrived && (outcome.reply.code == 0 || outcome.reply.code == 421);
  });
  if (tired) {
    shared_.log.write(LogLevel::info, LogLine("again-at-once")
                                          .field("queue-id", job.message->head()->id.text())
                                          .field("relay", outbound.relay())
                                          .field("status", queue::reply_line(outcomes.front())));
    job.next_attempt = now().wall;
    add(line.destination, std::move(job));
    return;
  }
  if (go_elsewhere(line, job, outcomes)) return;
  line.rest = judge_and_settle(job, outcomes, line.destination, &outbound);
}

/// RFC 5321 section 5.1: what this exchanger deferred goes to those behind it, once in an attempt, where that cannot deliver anything twice. True
/// when nobody of the job is left.
bool Delivery::go_elsewhere(Line& line, queue::Job& job, std::vector<smtp::Outcome>& outcomes) {
  if (shutting_down_ || !line.destination.after.empty() || !line.search->has_more()) return false;
  auto elsewhere = queue::take_deferred(job, outcomes);
  if (!elsewhere) return false;
  const spool::MessageHead& head = *elsewhere->message->head();
  for (std::size_t i = 0; i < elsewhere->recipients.size(); ++i) {
    shared_.log.write(LogLevel::info, observe::again_elsewhere(head, head.recipients[elsewhere->recipients[i]], elsewhere->so_far[i]));
  }
  elsewhere->next_attempt = now().wall;
  route::Destination behind = line.destination;
  behind.after = line.search->host();
  add(behind, std::move(*elsewhere));
  return job.recipients.empty();
}

void Delivery::on_tried(const Outbound& outbound, const smtp::Outcome& failure) {
  const Line& line = line_of(outbound)->second;
  shared_.log.write(LogLevel::info, observe::tried(line.destination.text(), line.destination.next_hop, failure));
}

void Delivery::on_closed(Outbound& outbound, const std::optional<smtp::Outcome>& failure) {
  const auto found = line_of(outbound);
  Line& line = found->second;
  check(!line.job, "a connection finishes its message before it closes");
  const bool was_ready = outbound.messages() != 0 || line.has_waited;
  if (outbound.lacked_descriptors()) {
    pause(*failure);
    end(found);
  } else if (!failure || was_ready || shutting_down_) {
    // A connection that had been ready and broke while it waited says nothing about the next one.
    end(found);
  } else if (failure->fate == smtp::Fate::failed) {
    unreachable(found, line.failure ? smtp::Outcome(*line.failure) : *failure);  // this relay itself: those behind it are no better
  } else {
    line.failure = *failure;
    const std::size_t dialled = outbound.dialled();
    drop_outbound(line);
    search_on(found->first, dialled);
  }
}

/// The next hop's back-off is not to pay for what this machine lacks: all is tried again shortly.
void Delivery::pause(const smtp::Outcome& failure) {
  paused_until_ = loop_.now() + uv::kOutOfDescriptors;
  if (pause_told_ != Instant{} && loop_.now() - pause_told_ < kPauseTold) return;
  pause_told_ = loop_.now();
  shared_.log.write(LogLevel::error, LogLine("no-descriptors")
                                         .field("error", failure.detail)
                                         .field("hint", "mail waits meanwhile; raise the limit on open files or lower `outbound-connections`"));
}

/// The destination could not be reached: what is due pays for the attempt, the rest waits for the end of the back-off.
void Delivery::unreachable(Lines::iterator line, const smtp::Outcome& outcome) {
  const route::Destination destination = line->second.destination;
  const queue::Now moment = now();
  const auto charge = [&](const queue::Job& job) {
    judge_and_settle(job, std::vector<smtp::Outcome>(job.recipients.size(), outcome), destination, nullptr);
  };
  if (!destination.after.empty()) {
    give_up_elsewhere(destination);
  } else if (outcome.fate == smtp::Fate::failed) {
    // Everything that is due for it now fails for the same reason: no such domain, a null MX, this machine itself.
    while (const auto job = queue_.take(destination)) charge(*job);
  } else if (queue_.back_offs(destination) == line->second.back_offs) {
    // Several connections to it may fail at once, and one that began before the back-off says nothing new.
    if (const auto job = queue_.take(destination)) charge(*job);
    const Duration wait = queue::interval_after(shared_.config.retry, queue_.failures(destination) + 1, random());
    const auto back_off = queue_.back_off(destination, wait, queue::reply_line(outcome), moment, [&](const queue::Job& job) {
      return queue::gives_up(shared_.config.retry, job.message->head()->arrived, moment.wall);
    });
    for (const queue::Job& job : back_off.expired) charge(job);
    shared_.log.write(LogLevel::warning, LogLine("back-off")
                                             .field("destination", destination.text())
                                             .field("for", to_text(back_off.wait))
                                             .field("reason", queue::reply_line(outcome)));
  }
  end(line);
}

/// No exchanger behind the one that deferred could be reached: its word stands, and the next attempt begins with the first of them again.
void Delivery::give_up_elsewhere(const route::Destination& destination) {
  while (const auto job = queue_.take(destination)) judge_and_settle(*job, job->so_far, destination, nullptr);
}

void Delivery::drop_outbound(Line& line) {
  if (!line.outbound) return;
  line_ids_.erase(line.outbound.get());
  // Not destroyed here: this may be its own call.
  loop_.post([dead = std::shared_ptr(std::move(line.outbound))] {});
}

void Delivery::end(Lines::iterator line) {
  if (line->second.rest) add(line->second.destination, *std::exchange(line->second.rest, std::nullopt));
  move(line, queue::Doing::ending);
  queue_.connection_closed(line->second.destination, queue::Doing::ending);
  budget_.give_back();
  drop_outbound(line->second);
  // Nor are these: their own calls may have led here.
  loop_.post([timer = std::shared_ptr(std::move(line->second.idle)), search = std::shared_ptr(std::move(line->second.search))] {});
  lines_.erase(line);
  schedule();
  end_if_idle();
}

}  // namespace adieu::daemon
