#include "io/unbound/unbound_resolver.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>
#include <sys/resource.h>

#include <array>
#include <chrono>
#include <optional>
#include <thread>

#include "support/nsd.h"
#include "support/queued_executor.h"

namespace adieu::unbound {
namespace {

constexpr const char* kZone = R"(
several MX 20 b.example.net.
several MX 10 A.example.net.
null MX 0 .
both A 127.0.0.2
both AAAA ::1
four A 127.0.0.3
alias CNAME both
text TXT "no mail here"
)";

/// Some of those that libunbound answers by itself unless it is told not to.
constexpr std::array kSpecialZones = {"test", "home.arpa", "invalid", "onion", "168.192.in-addr.arpa", "10.in-addr.arpa", "d.f.ip6.arpa"};

struct Resolving : testing::Test {
  static void SetUpTestSuite() { nsd = new test::Nsd(kZone, {kSpecialZones.begin(), kSpecialZones.end()}); }
  static void TearDownTestSuite() { delete nsd; }
  void SetUp() override {
    ASSERT_TRUE(nsd->running()) << "nsd did not start: install Debian's package nsd";
    auto opened = UnboundResolver::open({{*IpAddress::parse("127.0.0.1"), nsd->port()}}, executor);
    ASSERT_TRUE(opened) << opened.error().message;
    resolver = std::move(*opened);
  }
  template <class Answer, class Ask>
  Answer ask(Ask question) {
    std::optional<Answer> answer;
    question([&](Answer got) { answer = std::move(got); });
    EXPECT_FALSE(answer) << "never within the call";
    for (int turns = 0; turns < 600 && !answer; ++turns) {
      pollfd waiting{resolver->descriptor(), POLLIN, 0};
      ::poll(&waiting, 1, 100);
      resolver->process();
      executor.run();
    }
    EXPECT_TRUE(answer) << "no answer in a minute";
    return answer ? *answer : Answer{};
  }
  dns::MailExchangers exchangers(const std::string& name) {
    return ask<dns::MailExchangers>([&](auto done) { resolver->mail_exchangers(name, done); });
  }
  dns::Addresses addresses(const std::string& name) {
    return ask<dns::Addresses>([&](auto done) { resolver->addresses(name, done); });
  }
  static test::Nsd* nsd;
  test::QueuedExecutor executor;
  std::unique_ptr<UnboundResolver> resolver;
};
test::Nsd* Resolving::nsd = nullptr;

TEST_F(Resolving, exchangers_come_by_preference_in_lower_case) {
  const auto answer = exchangers("several.example.net");
  EXPECT_EQ(answer.status, dns::Status::found);
  EXPECT_EQ(answer.records, (std::vector<dns::MailExchanger>{{10, "a.example.net"}, {20, "b.example.net"}}));
  EXPECT_FALSE(answer.authenticated);
}
TEST_F(Resolving, a_null_mx_has_no_name) {
  EXPECT_EQ(exchangers("null.example.net").records, (std::vector<dns::MailExchanger>{{0, ""}}));
}
TEST_F(Resolving, no_mx_and_no_domain_are_told_apart) {
  EXPECT_EQ(exchangers("text.example.net").status, dns::Status::no_data);
  EXPECT_EQ(exchangers("nothing.example.net").status, dns::Status::no_domain);
}
TEST_F(Resolving, addresses_are_those_of_both_families_ipv6_first_behind_aliases_too) {
  for (const char* name : {"both.example.net", "alias.example.net"}) {
    const auto answer = addresses(name);
    EXPECT_EQ(answer.status, dns::Status::found);
    EXPECT_EQ(answer.records, (std::vector<IpAddress>{*IpAddress::parse("::1"), *IpAddress::parse("127.0.0.2")})) << name;
  }
  EXPECT_EQ(addresses("four.example.net").records.size(), 1u);
  EXPECT_EQ(addresses("text.example.net").status, dns::Status::no_data);
  EXPECT_EQ(addresses("nothing.example.net").status, dns::Status::no_domain);
}
TEST_F(Resolving, zones_for_special_purposes_are_asked_of_the_given_server) {
  for (const std::string zone : kSpecialZones) {
    for (const std::string& name : {zone, "host." + zone}) {
      EXPECT_EQ(exchangers(name).records, (std::vector<dns::MailExchanger>{{10, "mx.example.net"}})) << name;
    }
  }
}
TEST_F(Resolving, a_name_that_cannot_be_asked_for_is_trouble_told_later) {
  for (const std::string& name : {std::string(64, 'a') + ".example.net", std::string("a..example.net"), std::string(300, 'a')}) {
    EXPECT_EQ(exchangers(name).status, dns::Status::temporary) << name;
    EXPECT_NE(exchangers(name).why, "") << name;
    EXPECT_EQ(addresses(name).status, dns::Status::temporary) << name;
  }
  EXPECT_EQ(addresses("both.example.net").status, dns::Status::found);
}
TEST_F(Resolving, after_its_end_no_callback_runs) {
  int calls = 0;
  resolver->addresses("both.example.net", [&](const auto&) { ++calls; });
  resolver.reset();
  EXPECT_EQ(calls, 0);
}
TEST(ResolvingNothing, a_name_server_that_is_gone_is_temporary_trouble) {
  test::Nsd gone("");
  ASSERT_TRUE(gone.running());
  gone.stop();
  test::QueuedExecutor executor;
  auto resolver = std::move(*UnboundResolver::open({{*IpAddress::parse("127.0.0.1"), gone.port()}}, executor));
  std::optional<dns::MailExchangers> answer;
  resolver->mail_exchangers("several.example.net", [&](dns::MailExchangers got) { answer = std::move(got); });
  for (int turns = 0; turns < 1200 && !answer; ++turns) {
    pollfd waiting{resolver->descriptor(), POLLIN, 0};
    ::poll(&waiting, 1, 100);
    resolver->process();
    executor.run();
  }
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, dns::Status::temporary);
}

/// The limit on open files while it lives.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t limit) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit few{limit, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  }
  ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

/// Each of these ended the process.
TEST_F(Resolving, descriptors_that_are_missing_at_the_start_are_an_error) {
  const int next = ::dup(0);
  ::close(next);
  const DescriptorLimit few(static_cast<rlim_t>(next) + 10);
  const auto opened = UnboundResolver::open({}, executor);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::unavailable);
}
TEST_F(Resolving, descriptors_that_are_missing_at_a_question_are_trouble_that_passes) {
  {
    const DescriptorLimit none(0);
    bool answered = false;
    resolver->addresses("both.example.net", [&](const dns::Addresses& answer) {
      answered = true;
      EXPECT_NE(answer.status, dns::Status::no_domain);
    });
    for (int turns = 0; turns < 600 && !answered; ++turns) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));  // poll() itself obeys the limit
      resolver->process();
      executor.run();
    }
    EXPECT_TRUE(answered);
  }
  EXPECT_EQ(addresses("four.example.net").status, dns::Status::found);
}

}  // namespace
}  // namespace adieu::unbound
