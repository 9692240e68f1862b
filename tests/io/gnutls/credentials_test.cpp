// Certificates, keys, priorities: what is loaded, which certificate is sent, whom a client trusts, and what the errors tell.
#include "io/gnutls/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ends.h"

namespace adieu::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Certificates : public testing::Test {
 protected:
  gnutls::CertificateFiles files(const std::string& name, const gnutls::CertificatePem& pem) const {
    return {folder_.write(name + ".pem", pem.chain), folder_.write(name + ".key", pem.key)};
  }
  static std::string error(const Result<std::shared_ptr<const gnutls::Credentials>>& result) {
    return result ? "no error" : result.error().message;
  }
  const Folder folder_;
  const Certificate authority_{nullptr, KeyKind::p256, {"An Authority"}};
};

TEST_F(Certificates, are_sent_for_names_that_the_policy_gives_them_too) {
  gnutls::CertificateFiles second = files("second", *gnutls::make_self_signed("inner.example.org", 2));
  second.server_names = {"MX.second.example", "*.third.example"};
  const auto credentials = gnutls::make_server_credentials({files("first", *gnutls::make_self_signed("relay.example.org", 2)), second}, "NORMAL", true);
  ASSERT_TRUE(credentials) << credentials.error().message;
  const auto inner = (*credentials)->get("inner.example.org");
  EXPECT_EQ((*credentials)->get("mx.second.example"), inner);
  EXPECT_EQ((*credentials)->get("a.third.example"), inner);
  EXPECT_NE((*credentials)->get("relay.example.org"), inner);
  EXPECT_NE((*credentials)->get("unknown.example"), inner);
}

TEST_F(Certificates, a_file_that_is_not_there_is_named) {
  const auto good = files("good", authority_.pem());
  EXPECT_THAT(error(gnutls::make_server_credentials({{folder_.path("none.pem"), good.key}}, "NORMAL", false)),
              AllOf(HasSubstr("none.pem"), HasSubstr("No such file")));
  EXPECT_THAT(error(gnutls::make_server_credentials({{good.chain, folder_.path("none.key")}}, "NORMAL", false)),
              AllOf(HasSubstr("none.key"), HasSubstr("No such file")));
}

TEST_F(Certificates, a_key_of_another_certificate_is_told) {
  const auto one = files("one", gnutls::make_self_signed("one.example", 1).value());
  const auto two = files("two", gnutls::make_self_signed("two.example", 1).value());
  EXPECT_THAT(error(gnutls::make_server_credentials({{one.chain, two.key}}, "NORMAL", false)),
              AllOf(HasSubstr("one.pem"), HasSubstr("two.key"), HasSubstr("do not match")));
}

TEST_F(Certificates, files_that_hold_no_PEM_are_told) {
  for (const std::string text : {"", "not PEM at all\n"}) {
    const auto good = files("good", authority_.pem());
    EXPECT_THAT(error(gnutls::make_server_credentials({{folder_.write("bad.pem", text), good.key}}, "NORMAL", false)),
                HasSubstr("bad.pem"));
    EXPECT_THAT(error(gnutls::make_server_credentials({{good.chain, folder_.write("bad.key", text)}}, "NORMAL", false)),
                HasSubstr("bad.key"));
  }
}

TEST_F(Certificates, a_priority_that_makes_no_sense_is_told_with_its_place) {
  const auto pem = authority_.pem();
  EXPECT_THAT(error(gnutls::make_server_credentials(pem, "NORMAL:-VERS-ALL:+VERS-TLS9.9")), HasSubstr("`+VERS-TLS9.9`"));
  EXPECT_THAT(error(gnutls::make_client_credentials("NONSENSE", false)), HasSubstr("NONSENSE"));
}

TEST_F(Certificates, a_self_signed_one_verifies_as_its_own_authority) {
  const auto pem = gnutls::make_self_signed(kHost, 1).value();
  const std::string trust = folder_.write("trust.pem", pem.chain);
  const auto server = gnutls::ServerChannels(gnutls::make_server_credentials(pem, "NORMAL").value()).make();
  const auto client = gnutls::ClientChannels(gnutls::make_client_credentials("NORMAL", true, trust).value(), kHost, true).make();
  EXPECT_TRUE(shake_hands(*client, *server)) << client->failure().detail;
  EXPECT_EQ(client->info().peer_identity, kHost);
}

/// The first name in the certificate that a client is sent that asks for `name`.
std::string sent_for(const std::shared_ptr<const gnutls::Credentials>& credentials, const std::string& version,
                     const std::string& name) {
  const auto server = gnutls::ServerChannels(credentials).make();
  BareClient client(priority_of(version));
  if (!name.empty()) client.name_host(name);
  if (!client.shake_hands(*server)) return "no handshake";
  unsigned count = 0;
  const gnutls_datum_t* chain = gnutls_certificate_get_peers(client.session(), &count);
  gnutls_x509_crt_t leaf = nullptr;
  must(gnutls_x509_crt_init(&leaf));
  must(gnutls_x509_crt_import(leaf, chain, GNUTLS_X509_FMT_DER));
  std::string first(256, '\0');
  std::size_t size = first.size();
  must(gnutls_x509_crt_get_subject_alt_name(leaf, 0, first.data(), &size, nullptr));
  gnutls_x509_crt_deinit(leaf);
  first.resize(size);
  return first;
}

TEST_F(Certificates, the_one_whose_name_was_asked_for_is_sent_and_else_the_first) {
  const auto credentials = gnutls::make_server_credentials(
                               {files("a", Certificate(&authority_, KeyKind::p256, {"first.example"}).pem()),
                                files("b", Certificate(&authority_, KeyKind::ed25519, {"second.example", "also.example"}).pem()),
                                files("c", Certificate(&authority_, KeyKind::p256, {"*.wild.example"}).pem()),
                                files("d", Certificate(&authority_, KeyKind::rsa, {"last.example"}).pem())},
                               "NORMAL", true)
                               .value();
  for (const std::string version : {"TLS1.2", "TLS1.3"}) {
    SCOPED_TRACE(version);
    EXPECT_EQ(sent_for(credentials, version, "first.example"), "first.example");
    EXPECT_EQ(sent_for(credentials, version, "second.example"), "second.example");
    EXPECT_EQ(sent_for(credentials, version, "ALSO.example"), "second.example");
    EXPECT_EQ(sent_for(credentials, version, "mx.wild.example"), "*.wild.example");
    EXPECT_EQ(sent_for(credentials, version, "mx.far.wild.example"), "first.example");
    EXPECT_EQ(sent_for(credentials, version, "wild.example"), "first.example");
    EXPECT_EQ(sent_for(credentials, version, "last.example"), "last.example");
    EXPECT_EQ(sent_for(credentials, version, "unknown.example"), "first.example");
    EXPECT_EQ(sent_for(credentials, version, "mail_relay"), "no handshake") << "GnuTLS 3.7 takes no such name; adieu.conf(5) says so";
    EXPECT_EQ(sent_for(credentials, version, ""), "first.example");
  }
}

TEST_F(Certificates, an_exact_name_goes_before_a_wildcard) {
  const auto credentials =
      gnutls::make_server_credentials({files("a", Certificate(&authority_, KeyKind::p256, {"*.example"}).pem()),
                                       files("b", Certificate(&authority_, KeyKind::rsa, {"mx.example"}).pem())},
                                      "NORMAL", false)
          .value();
  for (const std::string version : {"TLS1.2", "TLS1.3"}) {
    EXPECT_EQ(sent_for(credentials, version, "mx.example"), "mx.example");
    EXPECT_EQ(sent_for(credentials, version, "mx2.example"), "*.example");
  }
}

TEST_F(Certificates, two_keys_of_one_name_serve_whoever_knows_only_one_of_them) {
  const auto credentials = gnutls::make_server_credentials({files("a", Certificate(&authority_, KeyKind::p256, {kHost}).pem()),
                                                            files("b", Certificate(&authority_, KeyKind::rsa, {kHost}).pem())},
                                                           "NORMAL", false)
                               .value();
  for (const std::string kinds :
       {":-SIGN-ALL:+SIGN-ECDSA-SECP256R1-SHA256", ":-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-SHA256"}) {
    const auto server = gnutls::ServerChannels(credentials).make();
    BareClient client(priority_of("TLS1.3") + kinds);
    client.name_host(kHost);
    EXPECT_TRUE(client.shake_hands(*server)) << kinds;
  }
}

class Verification : public testing::TestWithParam<std::string> {
 protected:
  /// What a client that verifies says to this certificate: its failure's words, or "verified".
  std::string verdict(const Certificate& certificate, const std::string& host = kHost, bool verify = true) {
    const auto server = gnutls::ServerChannels(gnutls::make_server_credentials(certificate.pem(), "NORMAL").value()).make();
    const std::string trust = folder_.write("trust.pem", authority_.chain());
    const auto client =
        gnutls::ClientChannels(gnutls::make_client_credentials(priority_of(GetParam()), verify, trust).value(), host, verify)
            .make();
    if (shake_hands(*client, *server)) {
      EXPECT_EQ(client->info().peer_identity, verify ? host : "");
      return "verified";
    }
    EXPECT_EQ(client->info().peer_identity, "");
    return client->failure().detail;
  }
  const Folder folder_;
  const Certificate authority_{nullptr, KeyKind::p256, {"An Authority"}};
  const Certificate other_{nullptr, KeyKind::p256, {"Another Authority"}};
};
INSTANTIATE_TEST_SUITE_P(Versions, Verification, testing::Values("TLS1.2", "TLS1.3"),
                         [](const auto& one) { return one.param == "TLS1.2" ? "TLS12" : "TLS13"; });

TEST_P(Verification, takes_a_certificate_of_the_host_by_a_trusted_authority) {
  EXPECT_EQ(verdict(Certificate(&authority_, KeyKind::p256, {kHost})), "verified");
  EXPECT_EQ(verdict(Certificate(&authority_, KeyKind::p256, {"other.example", "*.example.org"})), "verified");
}

TEST_P(Verification, refuses_another_name) {
  EXPECT_EQ(verdict(Certificate(&authority_, KeyKind::p256, {"mx.example.net", "*.example.com"})),
            "the certificate is not for mx.example.org: it names mx.example.net, *.example.com");
  EXPECT_THAT(verdict(Certificate(&authority_, KeyKind::p256, {"*.example.org"}), "a.b.example.org"),
              HasSubstr("is not for a.b.example.org: it names *.example.org"));
}

TEST_P(Verification, refuses_a_wildcard_that_is_no_whole_label) {
  for (const std::string wildcard : {"m*.example.org", "*x.example.org", "mx.*.org", "*.org"}) {
    EXPECT_THAT(verdict(Certificate(&authority_, KeyKind::p256, {wildcard})), HasSubstr("it names " + wildcard));
  }
}

TEST_P(Verification, refuses_a_name_that_stands_in_the_subject_alone) {
  EXPECT_EQ(verdict(Certificate(&authority_, KeyKind::p256, {kHost}, -1, 1, {.purposes = {}, .has_alternative_names = false})),
            "the certificate is not for mx.example.org: it names no host");
}

TEST_P(Verification, refuses_a_certificate_for_another_purpose) {
  const auto with = [&](std::vector<const char*> purposes) {
    return verdict(Certificate(&authority_, KeyKind::p256, {kHost}, -1, 1, {.purposes = std::move(purposes)}));
  };
  for (const char* const other : {GNUTLS_KP_TLS_WWW_CLIENT, GNUTLS_KP_CODE_SIGNING, GNUTLS_KP_EMAIL_PROTECTION, GNUTLS_KP_OCSP_SIGNING}) {
    EXPECT_THAT(with({other}), HasSubstr("purpose")) << other;
  }
  EXPECT_EQ(with({GNUTLS_KP_TLS_WWW_SERVER}), "verified");
  EXPECT_EQ(with({GNUTLS_KP_TLS_WWW_CLIENT, GNUTLS_KP_TLS_WWW_SERVER}), "verified");
  EXPECT_EQ(with({GNUTLS_KP_ANY}), "verified");
}

TEST_P(Verification, refuses_an_authority_it_does_not_trust) {
  EXPECT_THAT(verdict(Certificate(&other_, KeyKind::p256, {kHost})), HasSubstr("issuer is unknown"));
}

TEST_P(Verification, refuses_one_that_has_expired_or_is_not_valid_yet) {
  EXPECT_THAT(verdict(Certificate(&authority_, KeyKind::p256, {kHost}, -3, -1)), HasSubstr("expired"));
  EXPECT_THAT(verdict(Certificate(&authority_, KeyKind::p256, {kHost}, 1, 3)), HasSubstr("not yet valid"));
}

TEST_P(Verification, is_left_out_where_it_was_not_asked_for_and_then_nobody_is_identified) {
  EXPECT_EQ(verdict(Certificate(&other_, KeyKind::p256, {"mx.example.net"}, -3, -1), kHost, false), "verified");
}

TEST(TrustStore, a_file_without_certificates_is_told) {
  const Folder folder;
  const auto none = gnutls::make_client_credentials("NORMAL", true, folder.path("none.pem"));
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("none.pem"));
  const auto empty = gnutls::make_client_credentials("NORMAL", true, folder.write("empty.pem", "\n"));
  ASSERT_FALSE(empty);
  EXPECT_THAT(empty.error().message, HasSubstr("empty.pem"));
}

}  // namespace
}  // namespace adieu::test
