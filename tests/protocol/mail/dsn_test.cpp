#include "adieu/protocol/mail/dsn.h"

#include <gtest/gtest.h>

#include "adieu/base/bytes.h"

namespace adieu::mail {
namespace {

DeliveryStatus status() {
  DeliveryStatus one;
  one.hostname = "relay.example.org";
  one.queue_id = "0ABCDEFGHJKMN";
  one.arrived = WallTime(std::chrono::seconds(1'795'464'082));
  one.time = one.arrived + std::chrono::minutes(1);
  one.reverse_path = {"a", "example.org"};
  one.recipients = {{.forward_path = {"b", "example.net"},
                     .action = DsnAction::failed,
                     .status = {5, 1, 1},
                     .last_attempt = one.arrived + std::chrono::seconds(50),
                     .explanation = "mx.example.net said: 550 5.1.1 nobody",
                     .remote_mta = "mx.example.net",
                     .diagnostic = "550 5.1.1 nobody"}};
  one.header_section = "Subject: x\r\nFrom: a@example.org\r\n";
  return one;
}

/// What every message of ours keeps to.
void expect_fit_for_the_wire(const std::string& message) {
  std::size_t begin = 0;
  for (std::size_t end = message.find("\r\n"); end != std::string::npos; end = message.find("\r\n", begin)) {
    EXPECT_LE(end - begin, 998u);
    begin = end + 2;
  }
  EXPECT_EQ(begin, message.size());
  for (std::size_t i = 0; i < message.size(); ++i) {
    const char c = message[i];
    const bool ends_line = (c == '\r' && message[i + 1] == '\n') || (c == '\n' && message[i - 1] == '\r');
    ASSERT_TRUE((c >= ' ' && c <= '~') || c == '\t' || ends_line) << i;
  }
}

struct Parts {
  std::string header;
  std::vector<std::string> parts;  // with their header sections
};
/// By RFC 2046 section 5.1.1.
Parts parse(const std::string& message) {
  expect_fit_for_the_wire(message);
  Parts result;
  const std::size_t end = message.find("\r\n\r\n");
  result.header = message.substr(0, end + 2);
  const std::size_t at = result.header.find("boundary=\"") + 10;
  const std::string boundary = result.header.substr(at, result.header.find('"', at) - at);
  EXPECT_LE(boundary.size(), 70u);
  const std::string delimiter = "\r\n--" + boundary;
  std::size_t begin = message.find(delimiter, end);
  while (begin != std::string::npos) {
    begin += delimiter.size();
    if (message.compare(begin, 2, "--") == 0) {
      EXPECT_EQ(message.substr(begin), "--\r\n");
      return result;
    }
    const std::size_t next = message.find(delimiter, begin);
    result.parts.push_back(message.substr(begin + 2, next - begin - 2));
    begin = next;
  }
  ADD_FAILURE() << "no end";
  return result;
}

std::string unquoted(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
    } else if (text.substr(i, 3) == "=\r\n") {
      i += 2;
    } else {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    }
  }
  return out;
}

TEST(DeliveryStatusNotification, is_this) {
  EXPECT_EQ(delivery_status_notification(status()),
            "Date: Mon, 23 Nov 2026 20:02:22 +0000\r\n"
            "From: Mail Delivery System <MAILER-DAEMON@relay.example.org>\r\n"
            "To: <a@example.org>\r\n"
            "Subject: Undelivered mail returned to sender\r\n"
            "Message-ID: <0ABCDEFGHJKMN.1795464142000@relay.example.org>\r\n"
            "Auto-Submitted: auto-replied\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: multipart/report; report-type=delivery-status;\r\n"
            "\tboundary=\"=_0ABCDEFGHJKMN_1795464142000\"\r\n"
            "\r\n"
            "This is a delivery status notification in MIME format.\r\n"
            "\r\n"
            "--=_0ABCDEFGHJKMN_1795464142000\r\n"
            "Content-Type: text/plain; charset=us-ascii\r\n"
            "\r\n"
            "This is the mail system at relay.example.org.\r\n"
            "\r\n"
            "Your message could not be delivered to the recipients below, and it will not be\r\n"
            "tried again. To recipients who are not named here it has been delivered, or is\r\n"
            "still on its way.\r\n"
            "\r\n"
            "<b@example.net> (failed)\r\n"
            "    mx.example.net said: 550 5.1.1 nobody\r\n"
            "    Please check the address: the spelling, and the part behind the @.\r\n"
            "\r\n"
            "The beginning of your message's header is attached. Whoever helps you with this\r\n"
            "will want to know: message 0ABCDEFGHJKMN at relay.example.org,\r\n"
            "which took it on Mon, 23 Nov 2026 20:01:22 +0000.\r\n"
            "\r\n"
            "--=_0ABCDEFGHJKMN_1795464142000\r\n"
            "Content-Type: message/delivery-status\r\n"
            "\r\n"
            "Reporting-MTA: dns; relay.example.org\r\n"
            "Arrival-Date: Mon, 23 Nov 2026 20:01:22 +0000\r\n"
            "\r\n"
            "Final-Recipient: rfc822; b@example.net\r\n"
            "Action: failed\r\n"
            "Status: 5.1.1\r\n"
            "Remote-MTA: dns; mx.example.net\r\n"
            "Diagnostic-Code: smtp; 550 5.1.1 nobody\r\n"
            "Last-Attempt-Date: Mon, 23 Nov 2026 20:02:12 +0000\r\n"
            "\r\n"
            "--=_0ABCDEFGHJKMN_1795464142000\r\n"
            "Content-Type: text/rfc822-headers\r\n"
            "\r\n"
            "Subject: x\r\n"
            "From: a@example.org\r\n"
            "\r\n"
            "--=_0ABCDEFGHJKMN_1795464142000--\r\n");
}

TEST(DeliveryStatusNotification, has_a_group_of_fields_for_each_recipient_and_says_nothing_where_nothing_is_known) {
  DeliveryStatus one = status();
  one.recipients.push_back({.forward_path = {"c", "example.net"},
                            .action = DsnAction::delayed,
                            .status = {},
                            .last_attempt = {},
                            .explanation = "connect to mx: timed out",
                            .remote_mta = {},
                            .diagnostic = {}});
  one.recipients.push_back({.forward_path = {"d", "example.net"},
                            .action = DsnAction::failed,
                            .status = {},
                            .last_attempt = {},
                            .explanation = {},
                            .remote_mta = {},
                            .diagnostic = "554 no"});
  const Parts parts = parse(delivery_status_notification(one));
  ASSERT_EQ(parts.parts.size(), 3u);
  EXPECT_NE(parts.parts[1].find("\r\n\r\nFinal-Recipient: rfc822; c@example.net\r\nAction: delayed\r\nStatus: 4.0.0\r\n\r\n"
                                "Final-Recipient: rfc822; d@example.net\r\nAction: failed\r\nStatus: 5.0.0\r\n"
                                "Diagnostic-Code: smtp; 554 no\r\n"),
            std::string::npos)
      << parts.parts[1];
  EXPECT_NE(parts.parts[0].find("<c@example.net> (delayed)\r\n    connect to mx: timed out\r\n"), std::string::npos);
  EXPECT_NE(parts.parts[0].find("<d@example.net> (failed)\r\n    554 no\r\n"), std::string::npos);
  EXPECT_NE(parts.header.find("Subject: Undelivered"), std::string::npos);
}

TEST(DeliveryStatusNotification, of_a_delay_promises_another_attempt) {
  DeliveryStatus one = status();
  one.recipients[0].action = DsnAction::delayed;
  const Parts parts = parse(delivery_status_notification(one));
  EXPECT_NE(parts.header.find("Subject: Delayed mail (still being tried)\r\n"), std::string::npos);
  EXPECT_NE(parts.parts[0].find("you need not send it again"), std::string::npos);
}

TEST(DeliveryStatusNotification, a_next_hops_words_stay_on_their_line_and_within_its_limit) {
  DeliveryStatus one = status();
  const std::string evil = "550 no\r\n\r\nAction: delivered\r\n" + std::string(1, '\0') + "\xff\t--=_0ABCDEFGHJKMN_1795464142000--";
  for (const std::string& words : {evil, std::string(5000, 'x'), std::string(5000, '\xff'), std::string(899, 'y') + "\xff"}) {
    one.recipients[0].explanation = one.recipients[0].diagnostic = one.recipients[0].remote_mta = words;
    one.recipients[0].forward_path.local_part = words;
    one.reverse_path.local_part = words;
    const Parts parts = parse(delivery_status_notification(one));
    ASSERT_EQ(parts.parts.size(), 3u);
    EXPECT_EQ(parts.parts[1].find("\r\nAction: delivered"), std::string::npos);
    EXPECT_NE(parts.parts[1].find("\r\nAction: failed\r\n"), std::string::npos);
  }
}

TEST(DeliveryStatusNotification, long_addresses_are_whole_as_far_as_a_line_goes_and_never_name_another) {
  for (const std::size_t size : {64u, 65u, 200u, 888u, 889u, 2000u}) {
    DeliveryStatus one = status();
    one.reverse_path.local_part = std::string(size, 'r');
    one.recipients[0].forward_path.local_part = std::string(size, 'f');
    const Parts parts = parse(delivery_status_notification(one));
    const bool fits = size + std::string("@example.org").size() <= 900;
    EXPECT_EQ(parts.header.find("\r\nTo: <" + one.reverse_path.text() + ">\r\n") != std::string::npos, fits) << size;
    EXPECT_EQ(parts.header.find("\r\nTo: undisclosed-recipients:;\r\n") != std::string::npos, !fits) << size;
    EXPECT_EQ(parts.parts[1].find("\r\nFinal-Recipient: rfc822; " + one.recipients[0].forward_path.text() + "\r\n") != std::string::npos, fits) << size;
    EXPECT_EQ(parts.parts[1].find("...\r\nAction: failed\r\n") != std::string::npos, !fits) << size;
  }
}

TEST(DeliveryStatusNotification, headers_that_are_no_plain_text_are_quoted_and_come_back_as_they_were) {
  for (const std::string headers :
       {"Subject: \xc3\xa9t\xc3\xa9\r\n", "Subject: trailing \t\xff \t\r\nX: =3D\r\n", "Subject: bare\rCR\r\n",
        "Subject: bare\nLF\r\n", "Subject: .\r\n.\r\n", "X: =_0ABCDEFGHJKMN_1795464142000 \xff\r\n"}) {
    DeliveryStatus one = status();
    one.header_section = headers;
    const std::string part = parse(delivery_status_notification(one)).parts.at(2);
    const bool quoted = part.find("Content-Transfer-Encoding: quoted-printable\r\n") != std::string::npos;
    const std::string body = part.substr(part.find("\r\n\r\n") + 4);
    EXPECT_EQ(quoted ? unquoted(body) : body, headers);
    EXPECT_EQ(quoted, headers.find('.') == std::string::npos);
  }
  DeliveryStatus one = status();
  one.header_section = "Subject: " + std::string(2000, 'x') + "\r\nY: " + std::string(200, '\xe9') + std::string(1, '\0') + "\r\n";
  const std::string part = parse(delivery_status_notification(one)).parts.at(2);
  const std::string body = part.substr(part.find("\r\n\r\n") + 4);
  EXPECT_EQ(unquoted(body), one.header_section);
  for (std::size_t begin = 0; begin < body.size(); begin = body.find("\r\n", begin) + 2) {
    EXPECT_LE(body.find("\r\n", begin) - begin, 76u);
  }
}

TEST(DeliveryStatusNotification, no_header_of_the_message_ends_its_part) {
  DeliveryStatus one = status();
  one.header_section = "X: y\r\n--=_0ABCDEFGHJKMN_1795464142000--\r\n--=_0ABCDEFGHJKMN_1795464142000_\r\nZ: z\r\n";
  const Parts parts = parse(delivery_status_notification(one));
  ASSERT_EQ(parts.parts.size(), 3u);
  EXPECT_TRUE(parts.parts[2].ends_with("\r\n\r\n" + one.header_section));
}

TEST(DeliveryStatusNotification, does_without_the_header_of_a_message_that_has_none) {
  DeliveryStatus one = status();
  one.header_section = "";
  EXPECT_EQ(parse(delivery_status_notification(one)).parts.at(2), "Content-Type: text/rfc822-headers\r\n\r\n");
}

/// A notification goes to an address that may be forged: what it costs there is bounded by what it tells.
TEST(DeliveryStatusNotification, of_a_thousand_recipients_names_them_all_and_explains_some) {
  DeliveryStatus one = status();
  one.recipients.assign(1000, one.recipients[0]);
  for (std::size_t i = 0; i < 1000; ++i) {
    one.recipients[i].forward_path.local_part = "b" + std::to_string(i);
    one.recipients[i].diagnostic = "550 " + std::string(1000, 'x');
    one.recipients[i].explanation = one.recipients[i].diagnostic;
  }
  const std::string message = delivery_status_notification(one);
  EXPECT_LT(message.size(), 500'000u);
  const Parts parts = parse(message);
  for (const char* named : {"b0@", "b999@"}) EXPECT_NE(parts.parts[1].find(std::string("Final-Recipient: rfc822; ") + named), std::string::npos);
  EXPECT_NE(parts.parts[0].find("... and 950 more"), std::string::npos);
  EXPECT_EQ(parts.parts[0].find("<b50@"), std::string::npos);
}

TEST(ReportedFields, are_whole_and_first_of_all_those_that_matter) {
  EXPECT_EQ(reported_fields("Received: a\r\n\tb\r\nSubject: x\r\n"), "Received: a\r\n\tb\r\nSubject: x\r\n");
  EXPECT_EQ(reported_fields(""), "");
  const std::string received = "Received: " + std::string(1000, 'r') + "\r\n\tfolded\r\n";
  const std::string endless = "To: " + std::string(5000, 't') + "\r\n";
  const std::string known = "subject: x\r\nMessage-ID: <m>\r\nFrom: a\r\n\t(b)\r\n";
  const std::string all = received + received + endless + received + received + received + known;
  const std::string reported = reported_fields(all);
  EXPECT_LE(reported.size(), kReportedFields);
  EXPECT_EQ(reported, received + received + received + known) << "as many as there is room for, in their order";
}

TEST(HeaderSection, ends_before_the_empty_line_and_holds_whole_lines) {
  EXPECT_EQ(header_section("A: b\r\n c\r\nD: e\r\n\r\nbody\r\n"), "A: b\r\n c\r\nD: e\r\n");
  EXPECT_EQ(header_section("A: b\r\nD: e\r\n"), "A: b\r\nD: e\r\n");
  EXPECT_EQ(header_section("A: b\r\nD: "), "A: b\r\n");
  EXPECT_EQ(header_section("A: b\r\nD: \r"), "A: b\r\n");
  EXPECT_EQ(header_section("\r\nbody\r\n"), "");
  EXPECT_EQ(header_section(""), "");
  EXPECT_EQ(header_section("A: b\r\nCC: d\r\n\r\n", 12), "A: b\r\n");
  EXPECT_EQ(header_section("A: b\r\nCC: d\r\n\r\n", 13), "A: b\r\nCC: d\r\n");
  const std::string endless(kReportedHeaders + 10, 'x');
  EXPECT_EQ(header_section("A: b\r\n" + endless + "\r\n"), "A: b\r\n");
}

}  // namespace
}  // namespace adieu::mail
