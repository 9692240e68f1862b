#include <gtest/gtest.h>

#include "said.h"

namespace adieu::config {
namespace {
using namespace test;

constexpr const char* kOneDecides = "no client's mail ever comes to this rule: the rule in line ";

TEST(WholePolicy, what_is_missing_is_shown_with_its_form) {
  EXPECT_EQ(said_of("user adieu\n"),
            "1:1: the file needs a `hostname` statement: hostname NAME\n"
            "1:1: the file needs a `spool` statement: spool rocksdb DIRECTORY { … }\n"
            "1:1: the file needs a `listen` statement: listen ADDRESS:PORT { … }\n");
}

TEST(WholePolicy, every_open_relay_is_warned_of) {
  EXPECT_EQ(said("relay from any to any via hop\n"), "6:1: this relays mail from anybody to anybody: an open relay\n");
  const auto open = [](const std::string& networks) {
    return said("network local " + networks + "\nrelay from network local to any via hop\n") ==
           "7:1: this relays mail to anybody from `network local`, which holds a sixteenth or more of all public addresses: an open relay; name your "
           "own networks alone\n";
  };
  EXPECT_TRUE(open("0.0.0.0/0"));
  EXPECT_TRUE(open("::/0"));
  EXPECT_TRUE(open("0.0.0.0/1 128.0.0.0/1"));
  EXPECT_TRUE(open("10.0.0.0/8 128.0.0.0/2"));
  EXPECT_TRUE(open("2000::/3"));
  EXPECT_TRUE(open("127.0.0.0/8 ::1 0.0.0.0/4"));
  EXPECT_FALSE(open("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 127.0.0.0/8 ::1 fc00::/7 fe80::/10 2001:db8::/32"));
  EXPECT_EQ(said("network local 0.0.0.0/0\ndomains ours example.org\nrelay from network local to domains ours via hop\n"), "");
  EXPECT_EQ(said("network local 0.0.0.0/0\nreject from network local to any with \"550 5.7.1 no\"\n"), "");
}

TEST(WholePolicy, an_open_relay_may_be_made_of_several_rules) {
  std::string text;
  for (int i = 0; i < 17; ++i) {
    text += "network n" + std::to_string(i) + " " + std::to_string(i + 20) + ".0.0.0/8\nrelay from network n" + std::to_string(i) + " to any via hop\n";
  }
  const std::string all = said(text);
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 1) << all;
  EXPECT_EQ(all.substr(0, all.find(' ')), "37:1:");
  EXPECT_NE(all.find("which with those of the rules before holds"), std::string::npos);
}

TEST(WholePolicy, a_rule_that_another_hides_is_warned_of_with_that_rule) {
  const std::string sets = "network local 10.0.0.0/8\nnetwork inner 10.1.0.0/16\ndomains ours example.org *.example.org\ndomains one a.example.org\n";
  EXPECT_EQ(said(sets + "reject from any to any with \"550 5.7.1 no\"\nrelay from network local to any via hop\n"),
            "11:1: " + std::string(kOneDecides) + "10 decides about all of it before\n");
  EXPECT_EQ(said(sets + "relay from network local to any via hop\nrelay from network inner to domains one via hop\n"),
            "11:1: " + std::string(kOneDecides) + "10 decides about all of it before\n");
  EXPECT_EQ(said(sets + "relay from any to domains ours via hop\nreject from any to domains one with \"550 5.1.1 no\"\n"),
            "11:1: " + std::string(kOneDecides) + "10 decides about all of it before\n");
  EXPECT_EQ(said(sets + "reject from any to domains one with \"550 5.1.1 no\"\nrelay from any to domains ours via hop\n"), "");
  EXPECT_EQ(said(sets + "relay from network inner to any via hop\nrelay from network local to any via hop\n"), "");
  EXPECT_EQ(said(sets + "relay from network local to domains one via hop\nrelay from network inner to domains ours via hop\n"), "");
  EXPECT_EQ(said(sets + "relay from network local to any via hop\nrelay from network local to any via hop\n"),
            "11:1: " + std::string(kOneDecides) + "10 decides about all of it before\n");
}

TEST(WholePolicy, several_rules_may_hide_one_together) {
  EXPECT_EQ(said("network low 10.0.0.0/9\nnetwork high 10.128.0.0/9\nnetwork whole 10.0.0.0/8\n"
                 "relay from network low to any via hop\nrelay from network high to any via hop\nrelay from network whole to any via hop\n"),
            "11:1: no client's mail ever comes to this rule: the rules in line 9 and line 10 together decide about all of it before\n");
  EXPECT_EQ(said("domains a example.org\ndomains b example.net\ndomains both example.org example.net\n"
                 "relay from any to domains a via hop\nrelay from any to domains b via hop\nrelay from any to domains both via hop\n"),
            "11:1: no client's mail ever comes to this rule: the rules in line 9 and line 10 together decide about all of it before\n");
}

TEST(WholePolicy, a_rule_to_an_empty_list_never_matches) {
  const Directory directory;
  directory.write("list", "# none yet\n");
  EXPECT_EQ(lines_of(load_file(directory.write("main.conf", std::string(kSmallest) + "domains d file list\nrelay from any to domains d via hop\n"))),
            "7:1: this rule never matches: `domains d` holds none\n");
}

TEST(WholePolicy, a_postmaster_whom_a_mistaken_rule_may_lead_to_is_no_second_mistake) {
  EXPECT_EQ(said("postmaster admin@example.org\nrelay from any to any via hob\n"), "7:27: there is no next-hop `hob`; did you mean `hop`?\n");
  EXPECT_EQ(said("postmaster admin@example.org\nrelya from any to any via hop\n").find("leads to this mailbox"), std::string::npos);
  EXPECT_NE(said("postmaster admin@example.org\n").find("leads to this mailbox"), std::string::npos);
}

TEST(WholePolicy, a_host_name_that_nobody_can_resolve_is_warned_of) {
  const auto named = [](const std::string& name) { return said_of("hostname " + name + "\nspool rocksdb /s\nlisten 127.0.0.1:25\n"); };
  EXPECT_EQ(named("relay.example.org"), "");
  EXPECT_EQ(named("192.0.2.1"), "1:10: this is an address; peers expect a name that resolves, such as relay.example.org (RFC 5321 section 2.3.5)\n");
  for (const char* name : {"localhost", "LOCALHOST", "localhost.localdomain"}) {
    EXPECT_EQ(named(name).substr(0, 42), "1:10: every machine calls itself so; peers") << name;
  }
  EXPECT_EQ(named("relay"), "1:10: peers expect a whole name, such as relay.example.org (RFC 5321 section 2.3.5)\n");
  EXPECT_EQ(named(std::string(64, 'a') + ".example.org"),
            "1:10: no name like this can resolve: its parts have 63 octets at most (RFC 1035 section 2.3.4), and the last is no number\n");
  EXPECT_EQ(named("re..lay"), "1:10: expected a host name such as relay.example.org\n");
  EXPECT_TRUE(load_text("t", "hostname 192.0.2.1\nspool rocksdb /s\nlisten 127.0.0.1:25\n").config) << "a warning, no error";
}

TEST(WholePolicy, what_is_wrong_leaves_a_draft_to_look_into) {
  Loaded loaded = load_text("test.conf", std::string(kSmallest) + "speling\n");
  ASSERT_FALSE(loaded.config);
  ASSERT_TRUE(loaded.draft);
  EXPECT_EQ(loaded.readable().certificates.size(), 1u);
  loaded.say(Severity::error, loaded.readable().certificates[0].key_position, "no key");
  loaded.tidy();
  EXPECT_EQ(loaded.text(),
            "test.conf:3:37: error: no key\n"
            "    certificate default { chain /c; key /k }\n"
            "                                        ^\n"
            "test.conf:6:1: error: expected a statement, found `speling`\n"
            "    speling\n    ^\n");
}

}  // namespace
}  // namespace adieu::config
