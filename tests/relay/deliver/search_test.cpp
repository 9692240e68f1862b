#include "adieu/relay/deliver/search.h"

#include <gtest/gtest.h>

#include "support/table_resolver.h"

namespace adieu::deliver {
namespace {

struct SearchTest : testing::Test {
  config::NextHop internet() {
    config::NextHop hop;
    hop.name = "internet";
    hop.target = config::MxTarget{25};
    hop.local_addresses = config::LocalAddresses::private_too;
    hop.address_literals = true;
    return hop;
  }
  config::NextHop smarthost(const std::string& host) {
    config::NextHop hop;
    hop.name = "smarthost";
    hop.target = config::HostTarget{host, 587};
    return hop;
  }
  /// "host: address address (tries)" for each host, then the outcome: "5.4.4". `dialled`: of each host, at most its tries.
  std::vector<std::string> search(const config::NextHop& hop, const std::string& domain, std::size_t dialled = 99, const std::string& after = {}) {
    Search search({{hop.name, domain, after}, &hop, "relay.example.org", 1}, resolver, [this]() -> const route::MachineAddresses& { return machine; });
    std::vector<std::string> told;
    std::size_t spent = 0;
    for (bool more = true; more;) {
      std::optional<Search::Step> step;
      search.next(spent, [&](Search::Step got) { step = std::move(got); });
      resolver.run();
      if (!step) return {"no answer"};
      if (const auto* found = std::get_if<Search::Found>(&*step)) {
        std::string line = found->host + ":";
        for (const Endpoint& address : found->addresses) line += " " + address.address.text();
        told.push_back(line + " (" + std::to_string(found->tries) + ")");
        spent = std::min({dialled, found->tries, found->addresses.size()});
        port = found->addresses.front().port;
      } else {
        last = std::get<smtp::Outcome>(*step);
        told.push_back(last.status.text());
        more = false;
      }
    }
    EXPECT_FALSE(search.has_more());
    return told;
  }
  using Told = std::vector<std::string>;
  test::TableResolver resolver;
  route::MachineAddresses machine{{*IpAddress::parse("198.51.100.7")}, {}};
  smtp::Outcome last;
  std::uint16_t port = 0;
};

TEST_F(SearchTest, finds_the_hosts_by_preference_and_asks_for_each_only_when_its_turn_has_come) {
  resolver.exchangers["example.net"] = {{10, "a"}, {20, "b"}};
  resolver.hosts = {{"a", {"192.0.2.1"}}, {"b", {"192.0.2.2"}}};
  EXPECT_EQ(search(internet(), "example.net"), (Told{"a: 192.0.2.1 (9)", "b: 192.0.2.2 (9)", "5.4.4"}));
  EXPECT_EQ(port, 25);
  resolver.asked.clear();
  const config::NextHop hop = internet();
  Search first({{hop.name, "example.net"}, &hop, "relay.example.org", 1}, resolver, [this]() -> const route::MachineAddresses& { return machine; });
  first.next(0, [](const Search::Step&) {});
  resolver.run();
  EXPECT_EQ(resolver.asked, (Told{"MX example.net", "A a"}));
  EXPECT_TRUE(first.has_more());
}
TEST_F(SearchTest, many_addresses_of_one_family_or_of_one_host_leave_some_for_the_others) {
  resolver.exchangers["example.net"] = {{10, "a"}, {20, "b"}};
  for (int i = 1; i <= 12; ++i) resolver.hosts["a"].push_back("2001:db8::" + std::to_string(i));
  resolver.hosts["a"].push_back("192.0.2.1");
  resolver.hosts["b"] = {"192.0.2.2"};
  const auto told = search(internet(), "example.net");
  ASSERT_EQ(told.size(), 3u);
  EXPECT_TRUE(told[0].starts_with("a: 2001:db8::1 192.0.2.1 2001:db8::2 ")) << told[0];
  EXPECT_TRUE(told[0].ends_with(" (9)")) << told[0];
  EXPECT_EQ(told[1], "b: 192.0.2.2 (1)");
}
TEST_F(SearchTest, asks_for_five_hosts_and_dials_ten_addresses_at_most) {
  for (int i = 0; i < 300; ++i) {
    const std::string name = "mx" + std::to_string(i);
    resolver.exchangers["example.net"].push_back({static_cast<std::uint16_t>(i), name});
    resolver.hosts[name] = {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7", "192.0.2.8"};
  }
  const auto told = search(internet(), "example.net");
  EXPECT_EQ(told.size(), 6u);
  EXPECT_EQ(resolver.asked, (Told{"MX example.net", "A mx0", "A mx1", "A mx2", "A mx3", "A mx4"}));
  EXPECT_TRUE(told[0].ends_with(" (6)") && told[4].ends_with(" (1)")) << told[0] << told[4];
  resolver.hosts.clear();
  resolver.asked.clear();
  EXPECT_EQ(search(internet(), "example.net"), Told{"5.4.4"});
  EXPECT_EQ(resolver.asked.size(), 6u);
}
TEST_F(SearchTest, a_configured_host_that_does_not_exist_defers_and_is_named) {
  EXPECT_EQ(search(smarthost("gone.lab"), ""), Told{"4.4.4"});
  EXPECT_NE(last.detail.find("host gone.lab of next-hop smarthost"), std::string::npos) << last.detail;
  EXPECT_EQ(last.fate, smtp::Fate::deferred);
  resolver.hosts["empty.lab"] = {};
  EXPECT_EQ(search(smarthost("empty.lab"), ""), Told{"4.4.4"});
  EXPECT_EQ(search(smarthost(std::string(64, 'a') + ".lab"), ""), Told{"4.4.4"});
  resolver.in_trouble = {"slow.lab"};
  EXPECT_EQ(search(smarthost("slow.lab"), ""), Told{"4.4.3"});
  EXPECT_EQ(search(smarthost("127.0.0.1"), ""), (Told{"127.0.0.1: 127.0.0.1 (10)", "4.4.4"}));
  EXPECT_EQ(port, 587);
  resolver.hosts["here.lab"] = {"::1", "127.0.0.1"};
  EXPECT_EQ(search(smarthost("here.lab"), "").front(), "here.lab: ::1 127.0.0.1 (10)");
}
TEST_F(SearchTest, a_recipients_domain_that_does_not_exist_or_cannot_fails) {
  EXPECT_EQ(search(internet(), "gone.example"), Told{"5.1.2"});
  resolver.asked.clear();
  EXPECT_EQ(search(internet(), std::string(64, 'a') + ".example"), Told{"5.1.2"});
  EXPECT_TRUE(resolver.asked.empty());
  resolver.exchangers["dangling.example"] = {{10, "gone"}};
  EXPECT_EQ(search(internet(), "dangling.example"), Told{"5.4.4"});
  resolver.in_trouble = {"gone"};
  EXPECT_EQ(search(internet(), "dangling.example"), Told{"4.4.3"});
}
TEST_F(SearchTest, an_address_literal_is_dialled_with_its_tag_in_any_case_where_the_next_hop_allows_it) {
  for (const char* literal : {"[192.0.2.1]", "[ipv6:2001:db8::1]", "[IPv6:2001:db8::1]"}) {
    const auto told = search(internet(), literal);
    EXPECT_EQ(told.size(), 2u) << literal;
    config::NextHop none = internet();
    none.address_literals = false;
    EXPECT_EQ(search(none, literal), Told{"5.1.2"});
    EXPECT_NE(last.detail.find("`address-literals no` of next-hop internet"), std::string::npos) << last.detail;
  }
  EXPECT_EQ(search(internet(), "[x400:c=de]"), Told{"5.1.2"});
  EXPECT_EQ(search(internet(), "[127.0.0.2]"), Told{"5.4.6"});
  EXPECT_EQ(search(internet(), "[ipv6:::]"), Told{"5.4.6"});
  EXPECT_TRUE(resolver.asked.empty());
}
TEST_F(SearchTest, this_machine_ends_the_search_and_other_addresses_that_may_not_be_dialled_are_passed_over) {
  resolver.exchangers["loop.example"] = {{10, "a"}, {20, "self"}, {30, "b"}};
  resolver.hosts = {{"a", {"192.0.2.1"}}, {"self", {"198.51.100.7"}}, {"b", {"192.0.2.2"}}, {"group", {"224.0.0.1"}}, {"home", {"127.0.0.2"}}};
  EXPECT_EQ(search(internet(), "loop.example"), (Told{"a: 192.0.2.1 (8)", "5.4.6"}));
  EXPECT_NE(last.detail.find("self[198.51.100.7]"), std::string::npos) << last.detail;
  resolver.exchangers["home.example"] = {{10, "home"}};
  EXPECT_EQ(search(internet(), "home.example"), Told{"5.4.6"});
  resolver.exchangers["group.example"] = {{10, "group"}, {20, "b"}};
  EXPECT_EQ(search(internet(), "group.example"), (Told{"b: 192.0.2.2 (10)", "5.4.4"}));
  EXPECT_NE(last.detail.find("group[224.0.0.1]"), std::string::npos) << last.detail;
  config::NextHop lab = internet();
  lab.local_addresses = config::LocalAddresses::yes;
  EXPECT_EQ(search(lab, "home.example").front(), "home: 127.0.0.2 (10)");
}
TEST_F(SearchTest, behind_an_exchanger_that_deferred_come_those_that_are_no_better) {
  resolver.exchangers["example.net"] = {{10, "a"}, {20, "b"}, {30, "c"}};
  resolver.hosts = {{"a", {"192.0.2.1"}}, {"b", {"192.0.2.2"}}, {"c", {"192.0.2.3"}}};
  const auto told = search(internet(), "example.net", 1, "b");
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.front(), "c: 192.0.2.3 (10)");
}
TEST_F(SearchTest, one_that_is_gone_is_not_answered) {
  const config::NextHop hop = internet();
  int answers = 0;
  {
    Search gone({{hop.name, "example.net"}, &hop, "relay.example.org", 1}, resolver, [this]() -> const route::MachineAddresses& { return machine; });
    gone.next(0, [&](const Search::Step&) { ++answers; });
  }
  resolver.run();
  EXPECT_EQ(answers, 0);
}

}  // namespace
}  // namespace adieu::deliver
