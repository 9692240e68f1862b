#include "adieu/protocol/mail/trace.h"

#include <gtest/gtest.h>

namespace adieu::mail {
namespace {

Arrival arrival() {
  Arrival one;
  one.client_name = "client.example";
  one.client_address = *IpAddress::parse("192.0.2.1");
  one.hostname = "relay.example.org";
  one.queue_id = "0ABCDEFGHJKMN";
  one.time = WallTime(std::chrono::seconds(1'795'464'082));
  return one;
}

std::vector<std::string> lines_of(const std::string& field) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (std::size_t end = field.find("\r\n"); end != std::string::npos; end = field.find("\r\n", begin)) {
    lines.push_back(field.substr(begin, end - begin));
    begin = end + 2;
  }
  EXPECT_EQ(begin, field.size()) << "the last line ends";
  return lines;
}

TEST(Received, tells_who_gave_what_to_whom_how_and_when) {
  EXPECT_EQ(received_field(arrival()),
            "Received: from client.example ([192.0.2.1])\r\n"
            "\tby relay.example.org with ESMTP id 0ABCDEFGHJKMN;\r\n"
            "\tMon, 23 Nov 2026 20:01:22 +0000\r\n");
  Arrival one = arrival();
  const Mailbox recipient{"b", "example.net"};
  one.only_recipient = &recipient;
  one.tls = ReceivedTls{"TLS1.3", "TLS_AES_256_GCM_SHA384"};
  EXPECT_EQ(received_field(one),
            "Received: from client.example ([192.0.2.1])\r\n"
            "\t(using TLS1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n"
            "\tby relay.example.org with ESMTPS id 0ABCDEFGHJKMN\r\n"
            "\tfor <b@example.net>; Mon, 23 Nov 2026 20:01:22 +0000\r\n");
}

TEST(Received, names_the_protocol_as_RFC_3848_does) {
  const std::vector<std::tuple<WithProtocol, bool, std::string>> all = {
      {WithProtocol::smtp, false, " with SMTP id "},   {WithProtocol::smtp, true, " with SMTP id "},
      {WithProtocol::esmtp, false, " with ESMTP id "}, {WithProtocol::esmtp, true, " with ESMTPS id "},
      {WithProtocol::lmtp, false, " with LMTP id "},   {WithProtocol::lmtp, true, " with LMTPS id "}};
  for (const auto& [protocol, secure, words] : all) {
    Arrival one = arrival();
    one.protocol = protocol;
    if (secure) one.tls = ReceivedTls{"TLS1.2", "X"};
    EXPECT_NE(received_field(one).find(words), std::string::npos) << words;
  }
}

TEST(Received, has_the_address_literal_where_the_client_gave_no_name) {
  Arrival one = arrival();
  one.client_name = "";
  one.client_address = *IpAddress::parse("2001:db8::1");
  EXPECT_TRUE(received_field(one).starts_with("Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n\tby "));
}

TEST(Received, octets_of_the_client_end_no_line_no_comment_and_no_clause) {
  Arrival one = arrival();
  one.client_name = "a\r\nX-Injected: b";
  EXPECT_TRUE(received_field(one).starts_with("Received: from a??X-Injected:?b ([192.0.2.1])\r\n"));
  std::string name = "x";
  for (int octet = 0; octet < 256; ++octet) {
    const char c = static_cast<char>(octet);
    name[0] = c;
    one.client_name = name;
    const bool kept = c > ' ' && c <= '~' && std::string_view("()<>\\\";,@").find(c) == std::string_view::npos;
    const std::string shown(1, kept ? c : '?');
    EXPECT_TRUE(received_field(one).starts_with("Received: from " + shown + " ([192.0.2.1])\r\n")) << octet;
  }
  const Mailbox recipient{"\"a\r\nb\x80\"", "example.net"};
  one.only_recipient = &recipient;
  EXPECT_NE(received_field(one).find("for <\"a??b?\"@example.net>;"), std::string::npos);
}

TEST(Received, has_a_long_path_whole_or_not_at_all_and_no_line_beyond_998_octets) {
  Arrival one = arrival();
  for (const std::size_t size : {65, 500, 971, 972, 1500}) {
    const Mailbox recipient{std::string(size, 'b'), "example.net"};
    one.only_recipient = &recipient;
    const std::string field = received_field(one);
    const bool told = field.find("\tfor <" + recipient.text() + ">; ") != std::string::npos || field.find("\tfor <" + recipient.text() + ">;\r\n") != std::string::npos;
    EXPECT_EQ(told, 1 + 5 + recipient.text().size() + 2 <= 998) << size;
    EXPECT_EQ(field.find(">") != std::string::npos, told) << size;
    for (std::string_view rest = field; !rest.empty();) {
      const std::size_t end = rest.find("\r\n");
      ASSERT_NE(end, std::string_view::npos);
      EXPECT_LE(end, 998u) << size;
      rest.remove_prefix(end + 2);
    }
    EXPECT_EQ(field.find("id 0ABCDEFGHJKMN;") != std::string::npos, !told) << size;
  }
}

TEST(Received, cuts_a_name_at_255_octets) {
  Arrival one = arrival();
  const std::string name(300, 'n');
  one.client_name = name;
  const std::string field = received_field(one);
  EXPECT_NE(field.find(std::string(255, 'n')), std::string::npos);
  EXPECT_EQ(field.find(std::string(256, 'n')), std::string::npos);
}

TEST(Received, keeps_its_lines_short_whatever_the_length_of_its_words) {
  for (std::size_t length = 1; length <= 70; ++length) {
    const std::string name(length, 'n');
    for (int part = 0; part < 4; ++part) {
      Arrival one = arrival();
      const Mailbox recipient{part == 3 ? name.substr(0, 64) : "b", "example.net"};
      one.only_recipient = &recipient;
      const std::string cipher = part == 2 ? name : "C";
      one.tls = ReceivedTls{"TLS1.3", cipher};
      if (part == 0) one.client_name = name;
      if (part == 1) one.hostname = name;
      const auto lines = lines_of(received_field(one));
      ASSERT_GE(lines.size(), 4u);
      for (std::size_t i = 0; i < lines.size(); ++i) {
        EXPECT_LE(lines[i].size(), 78u + (length > 50 ? 20 : 0)) << lines[i];  // one word may be longer than a line
        EXPECT_EQ(lines[i].front() == '\t', i != 0);
        EXPECT_NE(lines[i].back(), ' ');
      }
    }
  }
}

}  // namespace
}  // namespace adieu::mail
