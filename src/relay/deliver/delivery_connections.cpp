// See delivery.h: where connections come from, what they are given to do, and how they end.
#include <algorithm>
#include <utility>

#include "adieu/base/result.h"
#include "adieu/protocol/mail/seven_bit.h"
#include "adieu/relay/deliver/delivery.h"
#include "adieu/relay/observe/events.h"
#include "adieu/relay/queue/retry.h"

namespace adieu::deliver {
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
    machine_ = shared_.machine_addresses();
    machine_asked_ = loop_.now();
  }
  return machine_;
}

void Delivery::open(const route::Destination& destination, deliver::Standing standing) {
  const std::uint64_t id = ++last_id_;
  Connection& connection = connections_[id];
  connection.destination = destination;
  connection.standing = standing;
  connection.next_hop = &shared_.next_hops.at(destination.next_hop);
  connection.back_offs = queue_.back_offs(destination);
  connection.search = std::make_unique<deliver::Search>(
      deliver::Search::Place{destination, &connection.next_hop->policy, shared_.config.hostname, loop_.random()},
      *resolver_, [this]() -> const route::MachineAddresses& { return machine_addresses(); });
  queue_.connection_opened(destination);
  search_on(id, 0);
}

/// The next host; `dialled`: how many addresses of the one before were.
void Delivery::search_on(std::uint64_t id, std::size_t dialled) {
  connections_.at(id).search->next(dialled, [this, id](deliver::Search::Step step) {
    const auto connection = connections_.find(id);
    if (auto* found = std::get_if<deliver::Search::Found>(&step)) {
      connect(connection, std::move(*found));
    } else {
      const smtp::Outcome nobody_left = std::get<smtp::Outcome>(std::move(step));
      unreachable(connection, connection->second.failure ? smtp::Outcome(*connection->second.failure) : nobody_left);
    }
  });
}

void Delivery::connect(Connections::iterator connection, deliver::Search::Found found) {
  std::vector<Candidate> candidates;
  candidates.reserve(found.addresses.size());
  for (const Endpoint& address : found.addresses) candidates.push_back({found.host, address});
  connection->second.outbound = std::make_unique<Outbound>(loop_, connection->second.next_hop->outbound, std::move(candidates), found.tries,
                                                     shared_.spool, *this, shared_.closures, shared_.log);
  connection_ids_[connection->second.outbound.get()] = connection->first;
  connection->second.outbound->start();
}

Delivery::Connections::iterator Delivery::connection_of(const Outbound& outbound) { return connections_.find(connection_ids_.at(&outbound)); }

/// Keeps the books: who idles, and what the queue may count on.
void Delivery::move(Connections::iterator connection, queue::Doing to) {
  Connection& moved = connection->second;
  if (moved.doing == to) return;
  if (moved.doing == queue::Doing::idling) {
    moved.idle->set(std::nullopt);
    idle_order_.erase(moved.waiting);
    const auto place = idle_.find(moved.destination);
    std::erase(place->second, connection->first);
    if (place->second.empty()) idle_.erase(place);
  }
  if (to == queue::Doing::idling) {
    moved.waiting = idle_order_.insert(idle_order_.end(), connection->first);
    idle_[moved.destination].push_back(connection->first);
  }
  queue_.connection_moved(moved.destination, std::exchange(moved.doing, to), to);
}

void Delivery::on_ready(Outbound& outbound) {
  const auto found = connection_of(outbound);
  Connection& connection = found->second;
  if (std::exchange(connection.standing, deliver::Standing::reached) == deliver::Standing::unreached) budget_.reached();
  queue_.reached(connection.destination);
  if (connection.destination != connection.destination.anew()) queue_.reached(connection.destination.anew());
  const bool used_up = outbound.messages() >= connection.next_hop->policy.messages_per_connection;
  if (!used_up && may_begin()) {
    connection.job = connection.rest ? std::exchange(connection.rest, std::nullopt) : queue_.take(connection.destination);
  }
  if (connection.job) {
    move(found, queue::Doing::sending);
    send(connection);
  } else if (used_up || shutting_down_ || connection.next_hop->policy.idle_timeout == Duration(0) || budget_.others_wait()) {
    quit(found);
  } else {
    if (connection.rest) add(connection.destination, *std::exchange(connection.rest, std::nullopt));  // held up
    wait_for_message(found);
  }
  if (held_up_ || queue_.has_wanted_connection(true) || queue_.has_wanted_connection(false)) schedule();
}

void Delivery::wait_for_message(Connections::iterator connection) {
  connection->second.has_waited = true;
  if (!connection->second.idle) {
    connection->second.idle = loop_.timer([this, id = connection->first] {
      const auto idle = connections_.find(id);
      if (idle != connections_.end() && idle->second.doing == queue::Doing::idling) quit(idle);
    });
  }
  connection->second.idle->set(loop_.now() + connection->second.next_hop->policy.idle_timeout);
  move(connection, queue::Doing::idling);
}

void Delivery::quit(Connections::iterator connection) {
  move(connection, queue::Doing::ending);
  connection->second.outbound->quit();
}

/// Another destination waits for a connection, and there may be no more of them.
void Delivery::quit_one_that_idles() {
  if (!idle_order_.empty()) quit(connections_.find(idle_order_.front()));
}

void Delivery::send(Connection& connection) {
  const queue::InFlight& message = *connection.job->message;
  mail::Envelope envelope;
  envelope.reverse_path = message.head()->reverse_path;
  envelope.body = body_of(message);
  for (const std::uint32_t index : connection.job->recipients) {
    envelope.forward_paths.push_back(message.head()->recipients[index].forward_path);
  }
  connection.outbound->send(std::move(envelope), {message.head(), message.mail_data()});
}

void Delivery::on_finished(Outbound& outbound, std::vector<smtp::Outcome> outcomes) {
  Connection& connection = connection_of(outbound)->second;
  queue::Job job = *std::exchange(connection.job, std::nullopt);
  // A next hop may close a connection that waited, at any moment: that says nothing about the message which met it (RFC 5321 section 3.8). The
  // next connection to it is a new one sooner or later, so that this ends.
  const bool used = outbound.messages() > 1 || connection.has_waited;
  const bool tired = used && std::all_of(outcomes.begin(), outcomes.end(), [](const smtp::Outcome& outcome) {
    return outcome.fate == smtp::Fate::deferred && !outcome.may_have_arrived && (outcome.reply.code == 0 || outcome.reply.code == 421);
  });
  if (tired) {
    shared_.log.write(LogLevel::info, LogLine("again-at-once")
                                          .field("queue-id", job.message->head()->id.text())
                                          .field("relay", outbound.relay())
                                          .field("status", queue::reply_line(outcomes.front())));
    add(connection.destination, std::move(job));
    return;
  }
  if (go_elsewhere(connection, job, outcomes)) return;
  connection.rest = judge_and_settle(job, outcomes, connection.destination, &outbound);
}

/// RFC 5321 section 5.1: what this exchanger deferred goes to those behind it, once in an attempt, where that cannot deliver anything twice. True
/// when nobody of the job is left.
bool Delivery::go_elsewhere(Connection& connection, queue::Job& job, std::vector<smtp::Outcome>& outcomes) {
  if (shutting_down_ || !connection.destination.after.empty() || !connection.search->has_more()) return false;
  auto elsewhere = queue::take_deferred(job, outcomes);
  if (!elsewhere) return false;
  const spool::MessageHead& head = *elsewhere->message->head();
  for (std::size_t i = 0; i < elsewhere->recipients.size(); ++i) {
    shared_.log.write(LogLevel::info, observe::again_elsewhere(head, head.recipients[elsewhere->recipients[i]], elsewhere->so_far[i]));
  }
  route::Destination behind = connection.destination;
  behind.after = connection.search->host();
  add(behind, std::move(*elsewhere));
  return job.recipients.empty();
}

void Delivery::on_tried(const Outbound& outbound, const smtp::Outcome& failure) {
  const Connection& connection = connection_of(outbound)->second;
  shared_.log.write(LogLevel::info, observe::tried(connection.destination.text(), connection.destination.next_hop, failure));
}

void Delivery::on_closed(Outbound& outbound, const std::optional<smtp::Outcome>& failure) {
  const auto found = connection_of(outbound);
  Connection& connection = found->second;
  check(!connection.job, "a connection finishes its message before it closes");
  const bool was_ready = outbound.messages() != 0 || connection.has_waited;
  if (outbound.lacked_descriptors()) {
    pause(*failure);
    end(found);
  } else if (!failure || was_ready || shutting_down_) {
    // A connection that had been ready and broke while it waited says nothing about the next one.
    end(found);
  } else if (failure->fate == smtp::Fate::failed) {
    unreachable(found, connection.failure ? smtp::Outcome(*connection.failure) : *failure);  // this relay itself: those behind it are no better
  } else {
    connection.failure = *failure;
    const std::size_t dialled = outbound.dialled();
    drop_outbound(connection);
    search_on(found->first, dialled);
  }
}

/// The next hop's back-off is not to pay for what this machine lacks: all is tried again shortly.
void Delivery::pause(const smtp::Outcome& failure) {
  paused_until_ = loop_.now() + kOutOfDescriptors;
  if (pause_told_ != Instant{} && loop_.now() - pause_told_ < kPauseTold) return;
  pause_told_ = loop_.now();
  shared_.log.write(LogLevel::error, LogLine("no-descriptors")
                                         .field("error", failure.detail)
                                         .field("hint", "mail waits meanwhile; raise the limit on open files or lower `outbound-connections`"));
}

/// The destination could not be reached: what is due pays for the attempt, the rest waits for the end of the back-off.
void Delivery::unreachable(Connections::iterator connection, const smtp::Outcome& outcome) {
  const route::Destination destination = connection->second.destination;
  const queue::Now moment = now();
  const auto charge = [&](const queue::Job& job) {
    judge_and_settle(job, std::vector<smtp::Outcome>(job.recipients.size(), outcome), destination, nullptr);
  };
  if (!destination.after.empty()) {
    give_up_elsewhere(destination);
  } else if (outcome.fate == smtp::Fate::failed) {
    // Everything that is due for it now fails for the same reason: no such domain, a null MX, this machine itself.
    while (const auto job = queue_.take(destination)) charge(*job);
  } else if (queue_.back_offs(destination) == connection->second.back_offs) {
    // Several connections to it may fail at once, and one that began before the back-off says nothing new.
    if (const auto job = queue_.take(destination)) charge(*job);
    const Duration wait = queue::interval_after(shared_.config.retry, queue_.failures(destination) + 1, random());
    const auto back_off = queue_.back_off(destination, wait, queue::reply_line(outcome), moment);
    std::vector<queue::Job> others;
    for (const queue::Job& job : back_off.jobs) {
      if (queue::gives_up(shared_.config.retry, job.message->head()->arrived, moment.wall)) {
        charge(job);
      } else {
        others.push_back(job);
      }
    }
    settling_.put_back(others, destination);
    if (others.empty()) give_up_old(destination, outcome);
    shared_.log.write(LogLevel::warning, LogLine("back-off")
                                             .field("destination", destination.text())
                                             .field("for", to_text(back_off.wait))
                                             .field("reason", queue::reply_line(outcome)));
  }
  end(connection);
}

/// No exchanger behind the one that deferred could be reached: its word stands, and the next attempt begins with the first of them again.
void Delivery::give_up_elsewhere(const route::Destination& destination) {
  while (const auto job = queue_.take(destination)) judge_and_settle(*job, job->so_far, destination, nullptr);
}

void Delivery::drop_outbound(Connection& connection) {
  if (!connection.outbound) return;
  connection_ids_.erase(connection.outbound.get());
  // Not destroyed here: this may be its own call.
  loop_.post([dead = std::shared_ptr(std::move(connection.outbound))] {});
}

void Delivery::end(Connections::iterator connection) {
  if (connection->second.rest) add(connection->second.destination, *std::exchange(connection->second.rest, std::nullopt));
  move(connection, queue::Doing::ending);
  queue_.connection_closed(connection->second.destination, queue::Doing::ending);
  budget_.give_back(connection->second.standing);
  drop_outbound(connection->second);
  // Nor are these: their own calls may have led here.
  loop_.post([timer = std::shared_ptr(std::move(connection->second.idle)), search = std::shared_ptr(std::move(connection->second.search))] {});
  connections_.erase(connection);
  schedule();
  end_if_idle();
}

}  // namespace adieu::deliver
