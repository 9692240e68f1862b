// What is said about the files of a certificate before anything is served with them.
#include "io/gnutls/certificate_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pki.h"

namespace adieu::test {
namespace {

using gnutls::CertificateFiles;
using gnutls::CertificateFinding;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class CertificateFilesTest : public testing::Test {
 protected:
  /// Each finding on a line: what it is about, E or W, and its message.
  static std::vector<std::string> found(const CertificateFiles& files, std::time_t after = 0) {
    std::vector<std::string> all;
    for (const CertificateFinding& each : gnutls::inspect_certificate(files, std::time(nullptr) + after)) {
      all.push_back(std::string(each.about == CertificateFinding::About::chain ? "chain " : "key ") + (each.wrong ? "E " : "W ") + each.message);
    }
    return all;
  }
  CertificateFiles files(const std::string& name, const gnutls::CertificatePem& pem) const {
    return {folder_.write(name + ".pem", pem.chain), folder_.write(name + ".key", pem.key)};
  }
  const Folder folder_;
  const Certificate authority_{nullptr, KeyKind::p256, {"An Authority"}, -1, 400};
  const Certificate leaf_{&authority_, KeyKind::p256, {"relay.example.org", "*.wild.example"}, -1, 100};
};

TEST_F(CertificateFilesTest, that_are_good_are_silent) {
  EXPECT_THAT(found(files("good", leaf_.pem())), IsEmpty());
  EXPECT_THAT(found(files("chain", {leaf_.chain() + authority_.chain(), leaf_.key()})), IsEmpty());
  const std::string both = folder_.write("both.pem", leaf_.key() + leaf_.chain());
  EXPECT_THAT(found({both, both}), IsEmpty());
  EXPECT_THAT(found(files("rsa", Certificate(&authority_, KeyKind::rsa, {"a.example"}, -1, 100).pem())), IsEmpty());
}

TEST_F(CertificateFilesTest, one_that_is_missing_hides_nothing_of_the_other) {
  EXPECT_THAT(found({folder_.path("none.pem"), folder_.path("none.key")}),
              ElementsAre(AllOf(StartsWith("chain E "), HasSubstr("none.pem cannot be read: No such file")),
                          AllOf(StartsWith("key E "), HasSubstr("none.key cannot be read: No such file"))));
  EXPECT_THAT(found({folder_.write("a", ""), folder_.write("b", "nothing")}),
              ElementsAre(AllOf(StartsWith("chain E "), HasSubstr("is empty")), AllOf(StartsWith("key E "), HasSubstr("holds no private key"))));
  EXPECT_THAT(found({"/dev/zero", folder_.path("")}),
              ElementsAre(HasSubstr("larger than 1MiB"), AllOf(StartsWith("key E "), HasSubstr("Is a directory"))));
}

TEST_F(CertificateFilesTest, that_are_exchanged_are_told_so) {
  const auto good = files("good", leaf_.pem());
  EXPECT_THAT(found({good.key, good.chain}), ElementsAre(AllOf(StartsWith("chain E chain and key are exchanged: "), HasSubstr(good.key + " holds the key"))));
}

TEST_F(CertificateFilesTest, a_key_of_another_certificate_is_told_and_where_its_own_stands) {
  const Certificate other(&authority_, KeyKind::p256, {"other.example"}, -1, 100);
  EXPECT_THAT(found(files("two", {leaf_.chain(), other.key()})), ElementsAre(AllOf(StartsWith("key E "), HasSubstr("do not match"))));
  EXPECT_THAT(found(files("order", {authority_.chain() + leaf_.chain(), leaf_.key()})),
              ElementsAre(AllOf(StartsWith("key E "), HasSubstr("is that of certificate 2"), HasSubstr("must stand first"))));
}

TEST_F(CertificateFilesTest, what_is_no_certificate_and_no_key_is_told_and_not_shown) {
  const std::string secret = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
  const auto said = found({folder_.write("c", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), folder_.write("k", secret)});
  EXPECT_THAT(said, ElementsAre(HasSubstr("holds a certificate that cannot be used"), HasSubstr("holds a key that cannot be used")));
  for (const std::string& each : said) EXPECT_EQ(each.find("c2VjcmV0"), std::string::npos);
  const auto good = files("good", leaf_.pem());
  EXPECT_THAT(found({good.chain, folder_.write("e", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")}),
              ElementsAre(HasSubstr("is encrypted")));
}

TEST_F(CertificateFilesTest, that_end_within_21_days_are_warned_of) {
  constexpr std::time_t kDay = 86'400;
  const auto good = files("good", leaf_.pem());
  EXPECT_THAT(found(good, 78 * kDay), IsEmpty());
  EXPECT_THAT(found(good, 80 * kDay + kDay / 2), ElementsAre(AllOf(StartsWith("chain W "), HasSubstr("expires in 19 days"), HasSubstr("renew it"))));
  EXPECT_THAT(found(good, 101 * kDay), ElementsAre(AllOf(StartsWith("chain W "), HasSubstr("has expired"))));
  EXPECT_THAT(found(good, -2 * kDay), ElementsAre(AllOf(StartsWith("chain W "), HasSubstr("is not valid yet"))));
}

TEST_F(CertificateFilesTest, names_are_those_of_the_subject_alternative_name) {
  const auto good = files("good", leaf_.pem());
  EXPECT_TRUE(gnutls::certificate_names(good.chain, "relay.example.org"));
  EXPECT_TRUE(gnutls::certificate_names(good.chain, "a.wild.example"));
  EXPECT_TRUE(gnutls::certificate_names(good.chain, "*.wild.example"));
  EXPECT_FALSE(gnutls::certificate_names(good.chain, "mx1.example.org"));
  EXPECT_FALSE(gnutls::certificate_names(good.chain, "*.example.org"));
  EXPECT_FALSE(gnutls::certificate_names(folder_.path("none"), "relay.example.org"));
  EXPECT_FALSE(gnutls::certificate_names(folder_.write("authority", authority_.chain()), "An Authority"));
  CertificateFiles second = good;
  second.server_names = {"relay.example.org", "mx.second.example"};
  EXPECT_THAT(found(second), ElementsAre(AllOf(StartsWith("chain W "), HasSubstr("does not name mx.second.example"))));
}

}  // namespace
}  // namespace adieu::test
