#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "adieu/relay/config/load.h"
#include "adieu/relay/config/settings.h"
#include "relay/config/bindings.h"
#include "relay/config/bounds.h"
#include "relay/config/interpreter.h"
#include "said.h"
#include "support/source_tree.h"

namespace adieu::config {
namespace {
using namespace std::chrono_literals;
using namespace test;

TEST(Config, the_smallest_file_of_the_contract_means_what_it_says) {
  const Loaded loaded = load_text("adieu.conf", read("tests/relay/config/data/smallest.conf"));
  ASSERT_TRUE(loaded.config) << loaded.text();
  EXPECT_EQ(loaded.text(), "");
  const Config& config = *loaded.config;
  EXPECT_EQ(config.hostname, "relay.example.org");
  EXPECT_EQ(config.spool.directory, "/var/spool/adieu");
  EXPECT_TRUE(config.spool.sync);
  ASSERT_EQ(config.listeners.size(), 1u);
  EXPECT_EQ(config.listeners[0].tls, ListenerTls::optional);
  EXPECT_EQ(config.listeners[0].certificates, std::vector<std::string>{"default"});
  EXPECT_EQ(config.listeners[0].closure.close_notify_timeout, 5s);
  ASSERT_EQ(config.next_hops.size(), 1u);
  EXPECT_EQ(std::get<HostTarget>(config.next_hops[0].target).port, 3901);
  ASSERT_EQ(config.rules.size(), 1u);
  EXPECT_EQ(std::get<RelayVia>(config.rules[0].action).next_hop, "smarthost");
  EXPECT_EQ(config.limits.session.message_size, 50u << 20);
  EXPECT_EQ(config.retry.after, (std::vector<Duration>{1min, 5min, 15min, 30min, 1h}));
}

TEST(Config, the_fuller_file_of_the_contract_parses_and_what_is_not_supported_yet_is_named) {
  const Loaded loaded = load_text("adieu.conf", read("tests/relay/config/data/fuller.conf"));
  std::set<std::string> named;
  for (const Diagnostic& diagnostic : loaded.diagnostics) {
    const bool not_yet = diagnostic.message.find("not supported yet") != std::string::npos;
    // Its list of domains is a file that is not here.
    EXPECT_TRUE(not_yet || diagnostic.message == "/etc/adieu/relay-domains cannot be read: No such file or directory") << diagnostic.text();
    EXPECT_GT(diagnostic.position.line, 0u);
    if (not_yet) named.insert(diagnostic.message.substr(0, diagnostic.message.find(" is not")));
  }
  EXPECT_EQ(named, (std::set<std::string>{"`auth`", "`from authenticated`", "`delay-notice`"}));
}

TEST(Config, errors_tell_where_what_was_expected_and_the_nearest_word) {
  EXPECT_EQ(said("listen 127.0.0.1:25 { tsl optional }\n"), "6:23: expected a setting of `listen`, found `tsl`; did you mean `tls`?\n");
  EXPECT_EQ(said("lisen 127.0.0.1:25\n"), "6:1: expected a statement, found `lisen`; did you mean `listen`?\n");
  EXPECT_EQ(said("closure { close-notify-timeout soon }\n"), "6:32: expected a duration such as 30s, 5m or 4h, found `soon`\n");
  EXPECT_EQ(said("listen 127.0.0.1:25 { tls optionl }\n"),
            "6:27: expected one of `off`, `optional`, `required` or `implicit`, found `optionl`; did you mean `optional`?\n");
  EXPECT_EQ(said("relay from network lcal to any via hop\n"), "6:20: there is no network `lcal`\n");
  EXPECT_EQ(said("relay from any to any via hob\n"), "6:27: there is no next-hop `hob`; did you mean `hop`?\n");
  EXPECT_EQ(said("limits { recipients 10 }\n"), "6:21: expected 100 or more (RFC 5321 section 4.5.3.1.8), found `10`\n");
  EXPECT_EQ(said("hostname again.example.org\n"), "6:1: `hostname` may stand once, and stands in line 1 already\n");
  EXPECT_EQ(said("next-hop hop { host 127.0.0.1 }\n"), "6:10: there is a next-hop `hop` already, in line 5\n");
  EXPECT_EQ(said("next-hop other { tls off; tls off; mx }\n"), "6:27: `tls` is given twice; it stands in line 6 already\n");
  EXPECT_EQ(said("next-hop other { tls dane; mx }\n"), "6:22: `dane` is not supported yet\n");
  EXPECT_EQ(said("network n 10.0.0.1/8\n"), "6:11: expected a network such as 10.0.0.0/8 or an address, with no bits behind its length, found `10.0.0.1/8`\n");
  EXPECT_EQ(said("reject from any to any with \"250 2.0.0 fine\"\n"),
            "6:29: expected a reply such as \"550 5.7.1 relaying denied\": its code is 4xx or 5xx\n");
  EXPECT_EQ(said("reject from any to any with \"550 4.7.1 no\"\n"),
            "6:29: expected an enhanced status code of the reply's class behind the code, such as 5.7.1 behind 550\n");
  EXPECT_EQ(said("user \"x\n"), "6:6: expected the closing quote of this string before the end of the line\n");
  EXPECT_EQ(said("}\n"), "6:1: expected a statement; this `}` closes nothing\n");
}

TEST(Config, all_errors_of_a_file_are_shown) {
  EXPECT_EQ(said("lisen x\nclosure { close-notify-timeout soon }\nretry { delay-notice 4h }\nrelay from any to any via hop via\n"),
            "6:1: expected a statement, found `lisen`; did you mean `listen`?\n"
            "7:32: expected a duration such as 30s, 5m or 4h, found `soon`\n"
            "8:9: `delay-notice` is not supported yet\n"
            "9:31: expected the end of the statement\n");
}

TEST(Config, shows_the_line_and_a_caret) {
  const Loaded loaded = load_text("test.conf", std::string(kSmallest) + "listen 127.0.0.1:25 { tsl optional }\n");
  EXPECT_EQ(loaded.text(),
            "test.conf:6:23: error: expected a setting of `listen`, found `tsl`; did you mean `tls`?\n"
            "    listen 127.0.0.1:25 { tsl optional }\n"
            "                          ^\n");
}

TEST(Config, an_open_relay_is_warned_of_and_not_an_error) {
  const Loaded loaded = load_text("test.conf", std::string(kSmallest) + "relay from any to any via hop\n");
  ASSERT_TRUE(loaded.config);
  ASSERT_EQ(loaded.diagnostics.size(), 1u);
  EXPECT_EQ(loaded.diagnostics[0].severity, Severity::warning);
}

TEST(Config, a_postmaster_is_a_mailbox_that_some_relay_rule_leads_to) {
  EXPECT_EQ(said("postmaster admin\n"), "6:12: expected a mailbox such as admin@example.org, found `admin`\n");
  EXPECT_EQ(said("postmaster admin@example.org\n"), "6:12: there is no `relay` rule that leads to this mailbox\n");
  const std::string ours = "domains ours example.org\nrelay from any to domains ours via hop\n";
  EXPECT_EQ(said(ours + "postmaster admin@sub.example.org\n"), "8:12: there is no `relay` rule that leads to this mailbox\n");
  EXPECT_EQ(said("domains ours *.example.org\nrelay from any to domains ours via hop\npostmaster admin@Sub.Example.org\n"), "");
  EXPECT_EQ(good(ours + "postmaster admin@Example.org\n").postmaster, (mail::Mailbox{"admin", "Example.org"}));
}

TEST(Config, connections_cannot_all_be_set_aside) {
  EXPECT_EQ(said("limits { connections 100 }\nlisten 127.0.0.1:25 { reserved-connections 95 }\n"),
            "7:44: of 100 `connections`, 100 are set aside, which leaves none for anybody else\n")
      << "a tenth, divided by two listeners, is set aside for the other one: five";
  EXPECT_EQ(said("limits { connections 100 }\nlisten 127.0.0.1:25 { reserved-connections 80 }\n"), "");
}

TEST(Config, what_is_required_is_missed) {
  const std::string text = load_text("test.conf", "user adieu\n").text();
  for (const char* name : {"hostname", "spool", "listen"}) EXPECT_NE(text.find("needs a `" + std::string(name) + "`"), std::string::npos);
}

TEST(Config, the_values_of_settings_arrive) {
  const Config config = good(
      "bare-newlines normalize; loops 3\nlog { level warning }\nresolver 127.0.0.1:5353 [::1]:53\n"
      "retry { after 1s 2s; then-every 3s; give-up 4s }\n"
      "limits { message-size 1MiB; connections 7; text-line 2KiB }\n"
      "next-hop other { mx; port 2526; protocol smtp; tls verify; connections 2; messages-per-connection 3; idle-timeout 0s }\n"
      "next-hop six { host [::1]:24; protocol lmtp }\nnext-hop name { host mail.example.org }\n"
      "closure { after-close-notify quit; close-notify-timeout 250ms }\n"
      "listen [::1]:25 { tls required; closure { after-close-notify plaintext } }\n");
  EXPECT_EQ(config.bare_newlines, smtp::BareNewlines::normalize);
  EXPECT_EQ(config.loops, 3u);
  EXPECT_EQ(config.log_level, LogLevel::warning);
  EXPECT_EQ(config.resolver.size(), 2u);
  EXPECT_EQ(config.retry.then_every, 3s);
  EXPECT_EQ(config.limits.session.message_size, 1u << 20);
  EXPECT_EQ(config.limits.connections, 7u);
  const auto hop = [&](std::string_view name) {
    return *std::find_if(config.next_hops.begin(), config.next_hops.end(), [&](const NextHop& each) { return each.name == name; });
  };
  EXPECT_EQ(std::get<MxTarget>(hop("other").target).port, 2526);
  EXPECT_EQ(hop("six").protocol, smtp::ClientProtocol::lmtp);
  EXPECT_EQ(hop("other").tls, NextHopTls::verify);
  EXPECT_EQ(std::get<HostTarget>(hop("six").target).host, "::1");
  EXPECT_EQ(std::get<HostTarget>(hop("name").target).port, 25);
  // Listeners inherit the file's closure, wherever it stands, and may have their own.
  EXPECT_EQ(config.listeners[0].closure.after_close_notify, AfterCloseNotify::quit);
  EXPECT_EQ(config.listeners[1].closure.after_close_notify, AfterCloseNotify::plaintext);
  EXPECT_EQ(config.listeners[1].closure.close_notify_timeout, 250ms);
}

TEST(Config, cut_at_every_octet_has_errors_in_the_file_or_none) {
  const std::string text = read("tests/relay/config/data/fuller.conf");
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    for (const Diagnostic& diagnostic : load_text("cut.conf", text.substr(0, cut)).diagnostics) {
      ASSERT_TRUE(diagnostic.position.line >= 1 && diagnostic.position.line <= lines && diagnostic.position.column >= 1) << cut;
    }
  }
}

// --- the table, the manual page, conf/ and the parser say the same

TEST(Settings, every_supported_row_has_a_place_for_its_value) {
  for (const Setting& setting : settings()) {
    const bool simple = setting.type != Type::block && setting.type != Type::statement;
    if (setting.supported && simple) {
      EXPECT_NE(binding(setting.block, setting.name), nullptr) << setting.block << " " << setting.name;
    }
  }
}

/// The entries of the manual page: "block name" with "(type; default)" where it has one, and the text behind it.
struct Entry {
  std::string type;
  std::string text;
};
std::map<std::string, Entry> entries_of_the_page() {
  std::map<std::string, Entry> entries;
  std::istringstream page(read("man/adieu.conf.5"));
  std::string block, last;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with(".Sh ")) block.clear();
    if (line.starts_with(".Ss ")) block = line.substr(4);
    if (line.starts_with(".It Ic ")) {
      last = block + " " + line.substr(7, line.find(' ', 7) - 7);
      entries.emplace(last, Entry{});
    } else if (line.starts_with(".Pq ") && entries[last].type.empty() && entries[last].text.empty()) {
      entries[last].type = line.substr(4);
    } else if (!last.empty()) {
      entries[last].text += line + "\n";
    }
  }
  return entries;
}

TEST(Settings, stand_in_the_manual_page_with_their_defaults_and_no_others_do) {
  auto entries = entries_of_the_page();
  for (const Setting& setting : settings()) {
    const std::string key = std::string(setting.block) + " " + std::string(setting.name);
    const auto entry = entries.find(key);
    ASSERT_NE(entry, entries.end()) << "adieu.conf(5) lacks " << key;
    if (setting.type != Type::block && setting.type != Type::statement) {
      const std::string type(setting.type == Type::choice ? setting.choices : name(setting.type));
      EXPECT_EQ(entry->second.type, type + "; " + (setting.value.empty() ? "-" : std::string(setting.value))) << key;
    }
    entries.erase(entry);
  }
  for (const auto& [key, text] : entries) ADD_FAILURE() << "adieu.conf(5) has an entry that is no setting: " << key;
}

TEST(Settings, stand_in_the_manual_page_with_their_bounds) {
  const auto entries = entries_of_the_page();
  for (const Bounds& each : bounds()) {
    const Setting* setting = find_setting(each.block, each.name);
    ASSERT_NE(setting, nullptr) << each.name;
    const std::string& text = entries.at(std::string(each.block) + " " + std::string(each.name)).text;
    // One millisecond is the page's "0s is refused", one of a number its "1 or more".
    if (each.least > 1) {
      EXPECT_NE(text.find("\n" + bound_text(setting->type, each.least) + " or more"), std::string::npos) << each.name << text;
    }
    if (each.least == 1 && setting->type != Type::number) {
      EXPECT_NE(text.find(setting->type == Type::age ? "\n0s and 0 messages are refused" : "\n0s is refused"), std::string::npos) << each.name << text;
    }
    if (each.most < kUnbounded) {
      EXPECT_NE(text.find("\n" + bound_text(setting->type, each.most) + " or less"), std::string::npos) << each.name << text;
    }
  }
}

TEST(Settings, are_held_to_their_bounds) {
  for (const Setting& setting : settings()) {
    const bool number = setting.type == Type::number;
    if (!setting.supported || (!number && setting.type != Type::size && setting.type != Type::duration && setting.type != Type::durations)) continue;
    const Bounds held = bounds_of(setting);
    const auto taken = [&](std::uint64_t value) {
      return std::holds_alternative<Value>(parse_value(setting, {number || setting.type == Type::size ? std::to_string(value) + (number ? "" : "B")
                                                                                                       : std::to_string(value) + "ms"}));
    };
    EXPECT_TRUE(taken(held.least) && taken(held.most)) << setting.name;
    EXPECT_FALSE(taken(held.most + 1)) << setting.name;
    if (held.least > 0) {
      EXPECT_FALSE(taken(held.least - 1)) << setting.name;
    }
  }
}

TEST(Settings, the_examples_of_the_manual_page_parse) {
  std::istringstream page(read("man/adieu.conf.5"));
  std::string example;
  bool inside = false;
  int examples = 0;
  for (std::string line; std::getline(page, line);) {
    const bool display = line.starts_with(".Dl ");
    if (line == ".Ed" && inside) inside = false;
    else if (inside) { example += line + "\n"; continue; }
    else if (line.starts_with(".Bd -literal")) { inside = true; example.clear(); continue; }
    else if (display) example = line.substr(4) + "\n";
    else continue;
    ++examples;
    // An example may lack what stands elsewhere; it may not have what is unknown.
    for (const Diagnostic& diagnostic : load_text("example", example).diagnostics) {
      if (diagnostic.severity == Severity::warning) ADD_FAILURE() << example << diagnostic.text();
      const bool lacks = diagnostic.message.find(" needs a ") != std::string::npos || diagnostic.message.find("there is no ") != std::string::npos;
      EXPECT_TRUE(lacks) << example << diagnostic.text();
    }
  }
  EXPECT_GE(examples, 8);
}

TEST(Settings, the_page_says_how_deep_files_may_include_each_other) {
  const std::string text = read("man/adieu.conf.5");
  EXPECT_NE(text.find("at most " + std::to_string(kMaxIncludeDepth) + " deep"), std::string::npos);
}

TEST(Settings, the_files_of_conf_are_good) {
  for (const char* file : {"conf/quickstart.conf", "conf/adieu.conf"}) {
    const Loaded loaded = load_file(in_source_tree(file));
    EXPECT_TRUE(loaded.config) << loaded.text();
    EXPECT_EQ(loaded.text(), "");
  }
}

}  // namespace
}  // namespace adieu::config
