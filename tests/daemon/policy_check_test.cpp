// What `adieu check` finds on the machine, said where it stands in the policy.
#include "daemon/policy_check.h"

#include <gtest/gtest.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "daemon/privileges.h"
#include "io/gnutls/credentials.h"
#include "support/nsd.h"

namespace adieu::daemon {
namespace {
namespace fs = std::filesystem;

class PolicyCheckTest : public testing::Test {
 protected:
  PolicyCheckTest() {
    std::string name = (fs::temp_directory_path() / "adieu-check-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    const gnutls::CertificatePem pem = *gnutls::make_self_signed("relay.example.org", 100);
    std::ofstream(directory_ / "chain.pem") << pem.chain;
    std::ofstream(directory_ / "key.pem") << pem.key;
  }
  ~PolicyCheckTest() override { fs::remove_all(directory_); }

  std::string path(const std::string& name) const { return (directory_ / name).string(); }

  /// "line:column: message" for each, with the test's directory as `.`.
  std::string said(const std::string& text) {
    config::Loaded loaded = config::load_text(path("adieu.conf"), text);
    check_policy(loaded, std::time(nullptr) + later_, [this](const std::string& host) {
      asked_ = host;
      dns::Addresses found;
      found.status = status_;
      found.why = status_ == dns::Status::temporary ? "no server" : "";
      return found;
    });
    std::string all;
    for (const config::Diagnostic& each : loaded.diagnostics) {
      if (each.message.find("open relay") != std::string::npos) continue;  // for brevity the policies here are
      all += std::to_string(each.position.line) + ":" + std::to_string(each.position.column) + ": " +
             (each.severity == config::Severity::warning ? "warning: " : "") + each.message + "\n";
    }
    for (std::size_t at = 0; (at = all.find(directory_.string(), at)) != std::string::npos;) all.replace(at, directory_.string().size(), ".");
    good_ = loaded.config.has_value();
    return all;
  }
  std::string said_with(const std::string& certificate, const std::string& listen = "tls optional", const std::string& more = "") {
    return said("hostname relay.example.org\nspool rocksdb spool\ncertificate default { " + certificate + " }\nlisten 127.0.0.1:2525 { " + listen +
                " }\nnext-hop out { host 127.0.0.1:24 }\n" + more + "postmaster admin@example.org\nrelay from any to any via out\n");
  }

  fs::path directory_;
  dns::Status status_ = dns::Status::found;
  std::time_t later_ = 0;
  std::string asked_;
  bool good_ = false;
};

TEST_F(PolicyCheckTest, a_good_policy_is_silent) {
  EXPECT_EQ(said_with("chain chain.pem; key key.pem"), "");
  EXPECT_TRUE(good_);
  EXPECT_EQ(asked_, "relay.example.org");
}

TEST_F(PolicyCheckTest, every_file_is_opened_whether_a_listener_uses_it_or_not_and_none_hides_another) {
  EXPECT_EQ(said_with("chain none.pem; key none.key", "tls off", "speling mistake\n"),
            "3:29: certificate chain ./none.pem cannot be read: No such file or directory\n"
            "3:43: certificate key ./none.key cannot be read: No such file or directory\n"
            "6:1: expected a statement, found `speling`\n");
  EXPECT_FALSE(good_);
  EXPECT_EQ(said_with("chain none.pem"), "3:1: `certificate` needs a `key`\n3:29: ./none.pem cannot be read: No such file or directory\n");
}

TEST_F(PolicyCheckTest, chain_and_key_that_are_exchanged_are_told_so) {
  EXPECT_EQ(said_with("chain key.pem; key chain.pem"), "3:29: chain and key are exchanged: ./key.pem holds the key, and ./chain.pem the chain\n");
}

TEST_F(PolicyCheckTest, a_certificate_that_does_not_name_the_host_or_soon_ends_is_warned_of) {
  const gnutls::CertificatePem other = *gnutls::make_self_signed("other.example.org", 100);
  std::ofstream(directory_ / "other.pem") << other.chain;
  std::ofstream(directory_ / "other.key") << other.key;
  EXPECT_EQ(said_with("chain other.pem; key other.key"),
            "3:29: warning: certificate ./other.pem does not name relay.example.org, the `hostname`, nor does another of listener 127.0.0.1:2525: "
            "clients that verify refuse it\n");
  EXPECT_TRUE(good_);
  EXPECT_EQ(said_with("chain other.pem; key other.key", "tls optional", "certificate more { chain chain.pem; key key.pem }\n"), "");
  EXPECT_EQ(said_with("chain other.pem; key other.key", "tls off"), "");
  later_ = 90 * 86'400 + 43'200;
  EXPECT_NE(said_with("chain chain.pem; key key.pem").find("3:29: warning: certificate ./chain.pem expires in 9 days"), std::string::npos);
}

TEST_F(PolicyCheckTest, a_priority_that_makes_no_sense_is_one_mistake_where_it_stands) {
  const std::string text = said_with("chain chain.pem; key key.pem", "tls optional", "tls { priority NORMAL:+VERS-TLS9.9 }\n");
  EXPECT_EQ(text.find("6:16: tls priority"), 0u) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
}

TEST_F(PolicyCheckTest, a_host_name_that_does_not_resolve_is_warned_of) {
  status_ = dns::Status::no_domain;
  EXPECT_EQ(said_with("chain chain.pem; key key.pem"),
            "1:10: warning: relay.example.org does not resolve: peers look for its address, and some refuse mail without\n");
  EXPECT_TRUE(good_);
  status_ = dns::Status::temporary;
  EXPECT_EQ(said_with("chain chain.pem; key key.pem"), "1:10: warning: relay.example.org could not be looked up: no server\n");
  // What is no name is not asked for.
  asked_.clear();
  said("hostname 192.0.2.1\nspool rocksdb spool\nlisten 127.0.0.1:2525\n");
  EXPECT_EQ(asked_, "");
}

TEST_F(PolicyCheckTest, the_name_is_asked_of_the_policy_s_own_resolver) {
  const adieu::test::Nsd nsd("relay A 192.0.2.1\n");
  if (!nsd.running()) GTEST_SKIP() << "nsd is not here";
  config::Config config;
  config.resolver.push_back(*Endpoint::parse("127.0.0.1:" + std::to_string(nsd.port())));
  EXPECT_EQ(look_up(config, "relay.example.net").status, dns::Status::found);
  EXPECT_EQ(look_up(config, "none.example.net").status, dns::Status::no_domain);
}

TEST_F(PolicyCheckTest, a_policy_without_a_postmaster_is_warned_of) {
  EXPECT_EQ(said("hostname relay.example.org\nspool rocksdb spool\nlisten 127.0.0.1:2525\n").find("1:10: warning: there is no `postmaster`: "), 0u);
  EXPECT_TRUE(good_);
}

TEST_F(PolicyCheckTest, a_user_that_is_missing_is_told) {
  EXPECT_EQ(said_with("chain chain.pem; key key.pem", "tls off", "user adieu-nobody-is-this\n").find("6:6: user adieu-nobody-is-this: there is no such user"), 0u);
}

TEST_F(PolicyCheckTest, a_spool_of_another_owner_is_told_with_both_names) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a directory to somebody else";
  const passwd* nobody = ::getpwnam("nobody");
  ASSERT_NE(nobody, nullptr);
  const uid_t uid = nobody->pw_uid;
  fs::create_directory(directory_ / "spool");
  fs::permissions(directory_ / "spool", fs::perms::owner_all);
  const std::string wrong = " belongs to root, and the relay becomes nobody (`user`): chown -R nobody ./spool\n";
  EXPECT_EQ(said_with("chain chain.pem; key key.pem", "tls off", "user nobody\n"), "2:15: ./spool" + wrong);
  ASSERT_EQ(::chown(path("spool").c_str(), uid, static_cast<gid_t>(-1)), 0);
  EXPECT_EQ(said_with("chain chain.pem; key key.pem", "tls off", "user nobody\n"), "");
  // What a run as root has left in it.
  fs::create_directory(directory_ / "spool/records");
  EXPECT_EQ(said_with("chain chain.pem; key key.pem", "tls off", "user nobody\n"), "2:15: ./spool/records" + wrong);
  const auto made = make_directory(path("spool"), "nobody");
  ASSERT_FALSE(made) << "and serve says so, too";
  EXPECT_EQ(made.error().kind, ErrorKind::invalid);
}

TEST_F(PolicyCheckTest, a_spool_that_others_may_read_is_told_with_what_mends_it) {
  fs::create_directory(directory_ / "spool");
  for (const auto open : {fs::perms::group_read, fs::perms::others_exec}) {
    fs::permissions(directory_ / "spool", fs::perms::owner_all | open);
    EXPECT_EQ(said_with("chain chain.pem; key key.pem", "tls off"),
              "2:15: warning: ./spool is open to others than its owner, and mail is in it: `chmod -R go= ./spool` mends that\n");
    EXPECT_TRUE(good_);
  }
  fs::permissions(directory_ / "spool", fs::perms::owner_all);
  EXPECT_EQ(said_with("chain chain.pem; key key.pem", "tls off"), "");
}

TEST_F(PolicyCheckTest, a_spool_that_cannot_be_is_told) {
  const std::string postmaster = "postmaster a@example.org\nnext-hop out { host 127.0.0.1:24 }\nrelay from any to any via out\n";
  EXPECT_EQ(said("hostname relay.example.org\nspool rocksdb none/spool\nlisten 127.0.0.1:2525\n" + postmaster),
            "2:15: ./none/spool cannot be made: ./none: No such file or directory\n");
  EXPECT_EQ(said("hostname relay.example.org\nspool rocksdb key.pem\nlisten 127.0.0.1:2525\n" + postmaster), "2:15: ./key.pem is no directory\n");
}

}  // namespace
}  // namespace adieu::daemon
