#include "adieu/relay/observe/events.h"

#include <gtest/gtest.h>

#include "adieu/protocol/smtp/reply_catalog.h"

namespace adieu::observe {
namespace {

ClientFacts facts(std::string_view helo = "client.example") {
  return {*Endpoint::parse("192.0.2.1:4711"), helo, "[::]:25", "6928a1f3.17"};
}

spool::MessageHead head(std::size_t recipients) {
  spool::MessageHead head;
  head.id = {42};
  head.reverse_path = {"a", "example.org"};
  for (std::size_t i = 0; i < recipients; ++i) {
    spool::Recipient recipient;
    recipient.forward_path = {"b" + std::to_string(i), "example.net"};
    head.recipients.push_back(std::move(recipient));
  }
  head.size = 1000;
  return head;
}

TEST(Events, a_queued_message_is_told_with_all_that_its_story_is_looked_up_by) {
  tls::ChannelInfo tls;
  tls.version = "TLS1.3";
  tls.cipher = "TLS_AES_256_GCM_SHA384";
  ClientFacts client = facts();
  client.tls = &tls;
  EXPECT_EQ(queued({42}, head(2), client, "ESMTPS", "<1@example.org>").text(),
            "event=queued queue-id=000000000001A connection=6928a1f3.17 client=[192.0.2.1]:4711 helo=client.example listener=[::]:25 "
            "from=<a@example.org> to=<b0@example.net>,<b1@example.net> nrcpt=2 size=1000 message-id=<1@example.org> proto=ESMTPS tls=TLS1.3 "
            "cipher=TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(queued({42}, head(1), facts(""), "SMTP", "").text(),
            "event=queued queue-id=000000000001A connection=6928a1f3.17 client=[192.0.2.1]:4711 listener=[::]:25 from=<a@example.org> "
            "to=<b0@example.net> nrcpt=1 size=1000 proto=SMTP");
}

TEST(Events, a_queued_message_names_recipients_while_there_is_room_and_counts_the_rest) {
  const std::string line = queued({42}, head(1000), facts(), "ESMTP", "").text();
  EXPECT_LT(line.size(), 1500u);
  EXPECT_NE(line.find("<b49@example.net> more=950 nrcpt=1000"), std::string::npos) << line;
  spool::MessageHead long_ones = head(0);
  for (int i = 0; i < 10; ++i) {
    spool::Recipient recipient;
    recipient.forward_path = {std::string(200, 'x'), "example.net"};
    long_ones.recipients.push_back(std::move(recipient));
  }
  EXPECT_NE(queued({42}, long_ones, facts(), "ESMTP", "").text().find("> more=6 nrcpt=10"), std::string::npos);
}

TEST(Events, a_refusal_is_told_with_what_was_refused_and_the_reply) {
  smtp::Refusal refusal{smtp::reply::relaying_denied(), "RCPT", {}, "client.example"};
  refusal.message.has_reverse_path = true;
  refusal.message.add({"b", "example.net"});
  EXPECT_EQ(rejected(refusal, facts()).text(),
            "event=reject connection=6928a1f3.17 client=[192.0.2.1]:4711 helo=client.example listener=[::]:25 command=RCPT from=<> "
            "to=<b@example.net> reply=\"550 5.7.1 Relaying denied\"");
  refusal.command = {};
  refusal.message = {};
  refusal.reply = smtp::reply::too_many_errors();
  EXPECT_EQ(rejected(refusal, facts("")).text(),
            "event=reject connection=6928a1f3.17 client=[192.0.2.1]:4711 listener=[::]:25 reply=\"421 4.7.0 Too many errors, closing the connection\"");
}

TEST(Events, no_line_is_long_whatever_a_client_says) {
  const std::string name(2000, '\xff');
  smtp::Refusal refusal{smtp::reply::relaying_denied(), "RCPT", {}, name};
  refusal.message.has_reverse_path = true;
  refusal.message.reverse_path = {name, "example.org"};
  refusal.message.add({name, "example.net"});
  const std::string line = rejected(refusal, facts(name)).text();
  EXPECT_LT(line.size(), 1700u) << line;
  EXPECT_NE(line.find(R"(helo="\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff...")"), std::string::npos) << line;
}

TEST(Events, a_message_that_was_withdrawn_has_a_line_that_ends_its_story) {
  EXPECT_EQ(revoked(summary(head(1)), "6928a1f3.17").text(),
            "event=revoked queue-id=000000000001A connection=6928a1f3.17 from=<a@example.org> to=<b0@example.net> "
            "reason=\"the client was gone before its 250 could be handed over\"");
}

TEST(Events, a_connection_in_plaintext_tells_whose_messages_its_end_was_on) {
  ClosureRecord record;
  record.peer = *Endpoint::parse("[2001:db8::1]:4711");
  record.where = "[::]:25";
  record.connection = "6928a1f3.17";
  record.end.effect = tls::Effect::ack_unconfirmed;
  record.end.messages = {summary(head(1)), summary(head(2))};
  record.end.messages[1].queue_id = "000000000001B";
  EXPECT_EQ(disconnect(record).text(),
            "event=disconnect connection=6928a1f3.17 client=[2001:db8::1]:4711 listener=[::]:25 ending=fin effect=ack-unconfirmed "
            "queue-id=000000000001A,000000000001B from=<a@example.org> to=<b0@example.net> size=1000 transactions=0");
}

}  // namespace
}  // namespace adieu::observe
