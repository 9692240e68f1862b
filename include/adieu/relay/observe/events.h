// The log lines of messages and connections, with Postfix's field names where they fit, and one name for one thing: `to` is a recipient or all
// of them, `client` a client's address and port, `helo` what it called itself. What stands in them: envelope, Message-ID, sizes, replies, times;
// no other mail data. What a peer may choose is cut, so that no line is long.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "adieu/base/ip.h"
#include "adieu/base/log.h"
#include "adieu/protocol/smtp/outcome.h"
#include "adieu/protocol/smtp/refusal.h"
#include "adieu/protocol/tls/channel.h"
#include "adieu/relay/observe/closure_record.h"
#include "adieu/relay/spool/message.h"

namespace adieu::observe {

/// A client's side of a connection, as each of its lines names it.
struct ClientFacts {
  Endpoint client;
  std::string_view helo;              // empty: none yet
  std::string_view listener;
  std::string_view connection;        // its id
  const tls::ChannelInfo* tls = nullptr;  // null in plaintext
};

/// "[192.0.2.1]:4711": never a name, since what a client calls itself is verified by nobody.
std::string client_text(const Endpoint& client);

mail::MessageSummary summary(const spool::MessageHead& head);

/// event=queued: durable, its 250 about to go. `with`: ESMTP, ESMTPS, ….
LogLine queued(spool::MessageId id, const spool::MessageHead& head, const ClientFacts& client, std::string_view with, std::string_view message_id);

/// event=duplicate: it came before, and its 250 is said again (R12). `message`: as it came now, with the queue-id that it got then.
LogLine duplicate(const mail::MessageSummary& message, const ClientFacts& client, std::string_view message_id);

/// event=reject: a client was refused something.
LogLine rejected(const smtp::Refusal& refusal, const ClientFacts& client);

/// event=revoked: it had been queued, but its 250 could not be handed over, so that it has been withdrawn (R10).
LogLine revoked(const mail::MessageSummary& message, std::string_view connection);

/// event=delivered, deferred or failed: one recipient of one attempt. Its `relay` is the host that the outcome came from, or "none".
LogLine attempted(const spool::MessageHead& head, const spool::Recipient& recipient, std::string_view tls, const smtp::Outcome& outcome,
                  WallTime now);

/// event=again-elsewhere: one recipient was deferred by `outcome.host`, and is tried at the next exchanger in the same attempt.
LogLine again_elsewhere(const spool::MessageHead& head, const spool::Recipient& recipient, const smtp::Outcome& outcome);

/// event=tried: an address was of no use, and the next one is tried.
LogLine tried(std::string_view destination, std::string_view next_hop, const smtp::Outcome& failure);

/// event=queued: a notification about the failures of the message `parent`.
LogLine notification_queued(const spool::MessageHead& notification, spool::MessageId parent);

/// event=removed: no recipient is pending, the message has left the spool.
LogLine removed(spool::MessageId id);

/// event=disconnect: a connection that ended in plaintext, with what that cost.
LogLine disconnect(const ClosureRecord& record);

}  // namespace adieu::observe
