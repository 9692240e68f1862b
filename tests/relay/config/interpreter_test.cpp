// Mistakes in a policy file: each is told once, where it stands, and hides no other.
#include <gtest/gtest.h>

#include "said.h"

namespace adieu::config {
namespace {
using namespace test;

TEST(Mistakes, a_byte_order_mark_is_no_mistake) {
  const Loaded loaded = load_text("test.conf", "\xef\xbb\xbf" + std::string(kSmallest));
  EXPECT_EQ(loaded.text(), "");
  EXPECT_TRUE(loaded.config);
}

TEST(Mistakes, what_is_no_text_is_one_line_and_nothing_of_it_is_shown) {
  EXPECT_EQ(load_text("test.conf", std::string("\xff\xfeh\0o\0", 6)).text(), "test.conf:1:1: error: the file is UTF-16 text; save it as UTF-8\n");
  EXPECT_EQ(load_text("test.conf", std::string(kSmallest) + "abc\x1b[31m\n").text(),
            "test.conf:6:4: error: the file is no text file: expected UTF-8 text, found the octet \\x1b\n");
}

TEST(Mistakes, a_file_that_cannot_be_read_says_why) {
  const Directory directory;
  const std::string path = directory.path / "none.conf";
  EXPECT_EQ(load_file(path).text(), path + ":1:1: error: the file cannot be read: No such file or directory; -c names another policy file\n");
  EXPECT_EQ(load_file(directory.path).text(), directory.path.string() + ":1:1: error: the file cannot be read: Is a directory; -c names another policy file\n");
}

TEST(Mistakes, a_missing_brace_names_the_line_that_opened_it_and_the_rest_is_read_as_if_it_stood_there) {
  EXPECT_EQ(said_of("hostname relay.example.org\n"
                    "spool rocksdb /s {\n"
                    "  cache 1MiB\n"
                    "listen 127.0.0.1:25\n"
                    "next-hop hop { host 127.0.0.1:24 }\n"
                    "relay from any to any via hob\n"),
            "2:18: this `{` has no `}`; expected it before line 4, or earlier\n"
            "6:27: there is no next-hop `hob`; did you mean `hop`?\n");
  // The inner of two, and a statement that has the name of a setting.
  EXPECT_EQ(said_of("hostname relay.example.org\n"
                    "spool rocksdb /s\n"
                    "listen 127.0.0.1:25 {\n"
                    "  closure {\n"
                    "    after-close-notify quit\n"
                    "certificate c { chain /c; key /k }\n"),
            "3:21: this `{` has no `}`\n"
            "4:11: this `{` has no `}`; expected it before line 6, or earlier\n");
  EXPECT_EQ(said_of("hostname relay.example.org\nspool rocksdb /s\nlisten 127.0.0.1:25 { tls off\n"), "3:21: this `{` has no `}`\n");
  EXPECT_EQ(said("network n { 10.0.0.0/8\n"), "6:10: expected one or more networks, such as 10.0.0.0/8\n6:11: this `{` has no `}`\n");
}

TEST(Mistakes, an_unknown_word_is_not_missed_as_well) {
  EXPECT_EQ(said_of("hostnam relay.example.org\nspool rocksdb /s\nlisten 127.0.0.1:25\n"),
            "1:1: expected a statement, found `hostnam`; did you mean `hostname`?\n");
  EXPECT_EQ(said("certificate c { chian /c; key /k }\n"), "6:17: expected a setting of `certificate`, found `chian`; did you mean `chain`?\n");
  EXPECT_EQ(said("netwrok n 10.0.0.0/8\nrelay from network n to any via hop\n"), "6:1: expected a statement, found `netwrok`; did you mean `network`?\n");
}

TEST(Mistakes, one_mistake_hides_no_other) {
  EXPECT_EQ(said("listen nowhere { tsl off }\n"),
            "6:8: expected address:port, such as 127.0.0.1:25 or [::1]:25, found `nowhere`\n"
            "6:18: expected a setting of `listen`, found `tsl`; did you mean `tls`?\n");
  EXPECT_EQ(said("next-hop hop { host 127.0.0.1:24; tls of; port 24 }\n"),
            "6:10: there is a next-hop `hop` already, in line 5\n"
            "6:39: expected one of `off`, `opportunistic`, `required`, `verify` or `dane`, found `of`; did you mean `off`?\n"
            "6:43: `port` is for `mx`; the port of a host stands behind its name, such as host mail.example.org:24\n");
  EXPECT_EQ(said("relay form network lcoal too any via hob\n"),
            "6:7: expected `from`; did you mean `from`?\n"
            "6:20: there is no network `lcoal`\n"
            "6:26: expected `to`; did you mean `to`?\n"
            "6:38: there is no next-hop `hob`; did you mean `hop`?\n");
}

TEST(Mistakes, the_port_of_a_host_stands_with_the_host) {
  EXPECT_EQ(said("next-hop x { host mail.example.org; port 587 }\n"),
            "6:37: `port` is for `mx`; the port of a host stands behind its name, such as host mail.example.org:587\n");
  EXPECT_EQ(said("next-hop x { port 587; host mail.example.org }\n"),
            "6:14: `port` is for `mx`; the port of a host stands behind its name, such as host mail.example.org:587\n");
  EXPECT_EQ(said("next-hop x { mx; port 587 }\n"), "");
}

TEST(Mistakes, lmtp_goes_to_a_host_and_not_to_port_25) {
  EXPECT_EQ(said("next-hop x { mx; protocol lmtp }\n"),
            "6:14: `mx` is for `protocol smtp`: LMTP goes to a host that is named (RFC 2033 section 5), such as host mail.internal:24\n");
  EXPECT_EQ(said("next-hop x { host mail.internal; protocol lmtp }\n"),
            "6:19: LMTP is not spoken on port 25 (RFC 2033 section 5): name the port that the host takes LMTP on, such as :24\n");
  EXPECT_EQ(said("next-hop x { host mail.internal:24; protocol lmtp }\n"), "");
}

TEST(Mistakes, sizes_have_units) {
  EXPECT_EQ(said("limits { message-size 52428800 }\n"),
            "6:23: expected a size with its unit, such as 64KiB or 50MiB, found `52428800`; did you mean `52428800B`?\n");
  for (const char* text : {"50MB", "50M", "50m", "50mib"}) {
    EXPECT_EQ(said("limits { message-size " + std::string(text) + " }\n"),
              "6:23: expected a size with its unit, such as 64KiB or 50MiB, found `" + std::string(text) + "`; did you mean `50MiB`?\n");
  }
  EXPECT_EQ(said("limits { message-size 50MiB }\n"), "");
  EXPECT_EQ(said("limits { queue-memory 0 }\n"), "");
  EXPECT_EQ(said("limits { message-size 1KiB }\n"), "6:23: expected 64KiB or more (RFC 5321 section 4.5.3.1.7), found `1KiB`\n");
}

TEST(Mistakes, replies_are_one_line_and_never_421) {
  EXPECT_EQ(said("reject from any to any with \"550 5.7.1 no\\nway\"\n"), "6:29: expected a reply of one line, found a line feed in it\n");
  EXPECT_EQ(said("reject from any to any with \"421 4.7.0 later\"\n"),
            "6:29: 421 would end the connection, and with it the recipients that were accepted: expected another code, such as 450 or 451\n");
  EXPECT_EQ(said("reject from any to any with \"550 5.7.1 " + std::string(500, 'x') + "\"\n"), "");
  EXPECT_EQ(said("reject from any to any with \"550 5.7.1 " + std::string(501, 'x') + "\"\n"),
            "6:29: expected a reply of 510 octets at most (RFC 5321 section 4.5.3.1.5)\n");
  EXPECT_EQ(said("reject from any to any with 550 5.7.1 no\n").substr(0, 5), "6:29:");
}

TEST(Mistakes, ports_are_1_to_65535) {
  EXPECT_EQ(said("listen 127.0.0.1:0\n"), "6:8: expected a port, 1 to 65535, found `127.0.0.1:0`\n");
  EXPECT_EQ(said("metrics 127.0.0.1:0\n"), "6:9: expected a port, 1 to 65535, found `127.0.0.1:0`\n");
  EXPECT_EQ(said("resolver [::1]:0\n"), "6:10: expected a port, 1 to 65535, found `[::1]:0`\n");
  EXPECT_EQ(said("next-hop x { mx; port 0 }\n"), "6:23: expected 1 or more, found `0`\n");
  EXPECT_EQ(said("next-hop x { mx; port 65536 }\n"), "6:23: expected 65535 or less, found `65536`\n");
  EXPECT_EQ(said("next-hop x { host 127.0.0.1:0 }\n").substr(0, 5), "6:19:");
  EXPECT_EQ(said("next-hop x { host 10.0.0:25 }\n").substr(0, 5), "6:19:");
}

TEST(Mistakes, numbers_and_times_have_bounds) {
  EXPECT_EQ(said("loops 100000\n"), "6:7: expected 1024 or less, found `100000`\n");
  EXPECT_EQ(said("loops 0\n"), "6:7: expected 1 or more, found `0`\n");
  EXPECT_EQ(said("limits { command-timeout 0s }\n"), "6:26: expected 1ms or more, found `0s`\n");
  EXPECT_EQ(said("retry { after 1m 0s }\n"), "6:18: expected 1ms or more, found `0s`\n");
  EXPECT_EQ(said("next-hop x { mx; renew-tls-after 0 messages }\n"), "6:34: expected 1 or more, found `0`\n");
}

TEST(Mistakes, a_renewal_that_never_happens_is_warned_of) {
  EXPECT_EQ(said("next-hop x { mx; renew-tls-after 1000 messages }\n"),
            "6:34: this never happens: a connection ends after 100 messages; give `messages-per-connection` more than 1000\n");
  EXPECT_EQ(said("next-hop x { mx; renew-tls-after 100 messages }\n").substr(0, 5), "6:34:");
  EXPECT_EQ(said("next-hop x { mx; renew-tls-after 99 messages }\n"), "");
  EXPECT_EQ(said("next-hop x { mx; renew-tls-after 1000 messages; messages-per-connection 1001 }\n"), "");
  EXPECT_EQ(said("next-hop x { mx; renew-tls-after 1h; tls off }\n"), "6:18: `renew-tls-after` has no effect with `tls off`\n");
}

TEST(Mistakes, what_is_given_twice_names_where_it_stands_already) {
  EXPECT_EQ(said("listen 127.0.0.1:2525\n"), "6:8: there is a listener on 127.0.0.1:2525 already, in line 4\n");
  EXPECT_EQ(said("certificate default { chain /c; key /k }\n"), "6:13: there is a certificate `default` already, in line 3\n");
  EXPECT_EQ(said("network n 10.0.0.0/8 10.0.0.0/8\n"), "6:22: `10.0.0.0/8` stands in this list twice\n");
  EXPECT_EQ(said("domains d example.org EXAMPLE.org\n"), "6:23: `EXAMPLE.org` stands in this list twice\n");
  EXPECT_EQ(said("metrics 127.0.0.1:2525\n"), "4:8: `metrics` stands on this port: one of them needs another\n");
  EXPECT_EQ(said("next-hop x { host 127.0.0.1; mx }\n"), "6:30: a next hop has one `host` or `mx`\n");
}

TEST(Mistakes, listeners_that_would_take_connections_from_each_other_are_told) {
  const std::string there = "6:8: there is a listener on 127.0.0.1:2525 already, in line 4, and this one would have ";
  EXPECT_EQ(said("listen 0.0.0.0:2525\n"), there + "every IPv4 address\n");
  EXPECT_EQ(said("listen [::]:2525\n"), there + "every address, of IPv4 too\n");
  EXPECT_EQ(said("listen 0.0.0.0:2526\nlisten 127.0.0.1:2526\n"),
            "7:8: there is a listener on 0.0.0.0:2526 already, in line 6: it has every IPv4 address\n");
  EXPECT_EQ(said("listen [::]:2526\nlisten 0.0.0.0:2526\n"),
            "7:8: there is a listener on [::]:2526 already, in line 6: it has every address, of IPv4 too\n");
  EXPECT_EQ(said("listen 0.0.0.0:2526\nlisten [::1]:2526\nlisten 127.0.0.2:2525\nlisten [::1]:2525\n"), "");
  for (const std::string metrics : {"0.0.0.0:2525", "[::]:2525"}) {
    EXPECT_EQ(said("metrics " + metrics + "\n"), "4:8: `metrics` stands on this port: one of them needs another\n");
  }
  EXPECT_EQ(said("metrics [::1]:2525\n"), "");
}

TEST(Mistakes, a_setting_for_which_nothing_makes_no_sense_is_told_the_least) {
  for (const std::string limit : {"errors", "transactions", "layers", "hops", "connections", "outbound-connections"}) {
    EXPECT_NE(said("limits { " + limit + " 0 }\n").find("expected 1 or more, found `0`"), std::string::npos) << limit;
  }
  EXPECT_EQ(said("limits { transaction-memory 0B }\n"), "6:29: expected 64KiB or more, found `0B`\n");
}

TEST(Mistakes, blocks_where_none_belong_are_told) {
  EXPECT_EQ(said("user adieu { }\n"), "6:1: `user` takes no block\n");
  EXPECT_EQ(said("domains d example.org { }\n"), "6:1: `domains` takes no block\n");
  EXPECT_EQ(said("relay from any to any via hop { }\n"), "6:1: `relay` takes no block\n");
}

// --- what is shown

TEST(Diagnostics, the_caret_stands_under_its_character_whatever_its_octets) {
  Diagnostic diagnostic;
  diagnostic.position = {"f", 1, 9};
  diagnostic.message = "m";
  diagnostic.source_line = "caf\xc3\xa9 \xff x";
  EXPECT_EQ(diagnostic.text(), "f:1:9: error: m\n    caf\xc3\xa9 ? x\n           ^\n");
  diagnostic.source_line = "a\x9b\xc2\x9b\x1b[31m\r";
  EXPECT_EQ(diagnostic.text().find_first_of("\x9b\x1b\r"), std::string::npos);
}

TEST(Diagnostics, a_message_is_one_line_of_printable_text_whatever_it_quotes) {
  const std::string text = load_text("test.conf", std::string(kSmallest) + "include \"a\\nb\"\nnetwork \"c\\td\" x\n").text();
  EXPECT_NE(text.find("a\\x0ab cannot be read"), std::string::npos) << text;
  EXPECT_EQ(text.find('\t'), std::string::npos) << text;
}

TEST(Diagnostics, of_a_long_line_a_part_is_shown) {
  Diagnostic diagnostic;
  diagnostic.position = {"f", 1, 5001};
  diagnostic.message = "m";
  diagnostic.source_line = std::string(5000, 'a') + "B" + std::string(5000, 'c');
  const std::string text = diagnostic.text();
  EXPECT_LT(text.size(), 500u);
  std::istringstream lines(text);
  std::string first, shown, caret;
  std::getline(lines, first);
  std::getline(lines, shown);
  std::getline(lines, caret);
  EXPECT_EQ(shown.find('B'), caret.find('^'));
}

// --- includes

TEST(Includes, are_read_in_the_order_of_names_and_their_mistakes_named_with_their_file) {
  const Directory directory;
  directory.write("d/b.conf", "relay from network n to any via hop\n");
  directory.write("d/a.conf", "network n 10.0.0.0/8\nspelling mistake\n");
  const std::string path = directory.write("main.conf", std::string(kSmallest) + "include \"d/*.conf\"\n");
  EXPECT_EQ(load_file(path).text(), (directory.path / "d/a.conf").string() + ":2:1: error: expected a statement, found `spelling`\n    spelling mistake\n    ^\n");
}

TEST(Includes, a_file_that_includes_itself_is_one_mistake) {
  const Directory directory;
  const std::string path = directory.write("main.conf", std::string(kSmallest) + "include \"main.conf\"\n");
  EXPECT_EQ(lines_of(load_file(path)), "6:9: this includes the file that it stands in\n");
  // By another name, and with others beside it, each of which would include them all again.
  for (const char* name : {"d/a.conf", "d/b.conf", "d/c.conf"}) directory.write(name, "include \"*.conf\"\n");
  directory.write("main.conf", std::string(kSmallest) + "include \"d/*.conf\"\n");
  const Loaded loaded = load_file(path);
  EXPECT_LE(loaded.diagnostics.size(), 12u) << loaded.text();
  EXPECT_NE(loaded.text().find("this includes the file that it stands in"), std::string::npos);
}

TEST(Includes, a_circle_is_one_mistake) {
  const Directory directory;
  const std::string path = directory.write("main.conf", std::string(kSmallest) + "include \"a.conf\"\n");
  directory.write("a.conf", "include \"b.conf\"\n");
  directory.write("b.conf", "include \"a.conf\"\n");
  const Loaded loaded = load_file(path);
  ASSERT_EQ(loaded.diagnostics.size(), 1u) << loaded.text();
  EXPECT_EQ(loaded.diagnostics[0].message,
            "this includes " + (directory.path / "a.conf").string() + ", which includes this file: files may not include each other in a circle");
  EXPECT_EQ(loaded.diagnostics[0].position.file, directory.path / "b.conf");
}

TEST(Includes, each_file_is_read_once) {
  const Directory directory;
  directory.write("a.conf", "network n 10.0.0.0/8\n");
  const std::string path = directory.write("main.conf", std::string(kSmallest) + "include \"a.conf\"\ninclude \"a.conf\"\n");
  EXPECT_EQ(lines_of(load_file(path)), "7:9: " + (directory.path / "a.conf").string() + " is included already, by line 6; each file is read once\n");
}

TEST(Includes, their_depth_is_bounded) {
  const Directory directory;
  const auto chain = [&](int length) {
    for (int i = 1; i < length; ++i) directory.write(std::to_string(i), "include \"" + std::to_string(i + 1) + "\"\n");
    directory.write(std::to_string(length), "network n 10.0.0.0/8\n");
    return load_file(directory.write("main.conf", std::string(kSmallest) + "include \"1\"\n"));
  };
  EXPECT_EQ(lines_of(chain(10)), "");
  EXPECT_EQ(lines_of(chain(11)), "1:1: expected files that include each other 10 deep at most; this is not read\n");
}

TEST(Includes, a_pattern_may_match_nothing_and_a_name_may_not) {
  const Directory directory;
  const std::string path = directory.write("main.conf", std::string(kSmallest) + "include \"d/*.conf\"\n");
  Loaded loaded = load_file(path);
  EXPECT_EQ(lines_of(loaded), "6:9: no file matches this\n");
  EXPECT_TRUE(loaded.config);
  directory.write("main.conf", std::string(kSmallest) + "include \"nope.conf\"\n");
  loaded = load_file(path);
  EXPECT_EQ(lines_of(loaded), "6:9: " + (directory.path / "nope.conf").string() + " cannot be read: No such file or directory\n");
  EXPECT_FALSE(loaded.config);
  // What is missing may stand in the file that is missing.
  directory.write("main.conf", "include \"nope.conf\"\n");
  EXPECT_EQ(load_file(path).diagnostics.size(), 1u);
}

TEST(Includes, a_directory_with_wildcards_in_its_name_is_taken_as_it_is) {
  const Directory directory;
  directory.write("[x]/d/a.conf", "network n 10.0.0.0/8\n");
  EXPECT_EQ(lines_of(load_file(directory.write("[x]/main.conf", std::string(kSmallest) + "include \"d/*.conf\"\n"))), "");
}

// --- lists of domains

TEST(DomainLists, say_why_they_cannot_be_read_and_what_is_no_text) {
  const Directory directory;
  const auto said_with = [&](const std::string& list) {
    directory.write("list", list);
    return lines_of(load_file(directory.write("main.conf", std::string(kSmallest) + "domains d file list\n")));
  };
  EXPECT_EQ(said_with("example.org\n*.example.org # ours\n"), "");
  EXPECT_EQ(said_with("\xef\xbb\xbf" "example.org\r\n"), "");
  EXPECT_EQ(said_with("example.org\n  exa_mple..org\n"), "2:3: expected a domain such as example.org or *.example.org, found `exa_mple..org`\n");
  EXPECT_EQ(said_with(std::string("e\0x\0", 4)), "1:1: the file is UTF-16 text; save it as UTF-8\n");
  EXPECT_EQ(said_with(std::string(64, 'a') + ".org\n").substr(0, 4), "1:1:");
  EXPECT_EQ(lines_of(load_file(directory.write("main.conf", std::string(kSmallest) + "domains d file none\n"))),
            "6:16: " + (directory.path / "none").string() + " cannot be read: No such file or directory\n");
}

TEST(DomainLists, with_many_mistakes_tell_some_and_count_the_others) {
  const Directory directory;
  std::string list;
  for (int i = 0; i < 1000; ++i) list += "..\n";
  directory.write("list", list);
  const Loaded loaded = load_file(directory.write("main.conf", std::string(kSmallest) + "domains d file list\n"));
  ASSERT_EQ(loaded.diagnostics.size(), 21u);
  EXPECT_EQ(loaded.diagnostics.back().message, "and 980 more mistakes in this file, this the last");
}

}  // namespace
}  // namespace adieu::config
