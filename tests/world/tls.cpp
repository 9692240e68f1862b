// See tls.h.
#include "tls.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <ctime>

#include "adieu/base/result.h"
#include "io/gnutls/channel.h"
#include "support/fake_channel.h"

namespace adieu::world {
namespace {

std::string take(gnutls_datum_t text) {
  std::string taken(reinterpret_cast<const char*>(text.data), text.size);
  gnutls_free(text.data);
  return taken;
}

/// Ed25519: an ECDSA signature is now a few octets longer, now a few shorter.
gnutls::CertificatePem make_certificate() {
  gnutls_x509_privkey_t key = nullptr;
  gnutls_x509_crt_t certificate = nullptr;
  gnutls_datum_t chain_text{nullptr, 0};
  gnutls_datum_t key_text{nullptr, 0};
  const std::time_t now = std::time(nullptr);
  const auto done = [](int code) { check(code >= 0, "GnuTLS makes a certificate"); };
  done(gnutls_x509_privkey_init(&key));
  done(gnutls_x509_crt_init(&certificate));
  done(gnutls_x509_privkey_generate(key, GNUTLS_PK_EDDSA_ED25519, 0, 0));
  done(gnutls_x509_crt_set_version(certificate, 3));
  done(gnutls_x509_crt_set_serial(certificate, "\1", 1));
  done(gnutls_x509_crt_set_activation_time(certificate, now - 3600));
  done(gnutls_x509_crt_set_expiration_time(certificate, now + 86'400));
  done(gnutls_x509_crt_set_dn(certificate, "CN=relay.example.org", nullptr));
  done(gnutls_x509_crt_set_key(certificate, key));
  done(gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_DIGITAL_SIGNATURE));
  done(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA512, 0));
  done(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &chain_text));
  done(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, nullptr, GNUTLS_PKCS_PLAIN, &key_text));
  gnutls_x509_crt_deinit(certificate);
  gnutls_x509_privkey_deinit(key);
  return {take(chain_text), take(key_text)};
}

}  // namespace

Tls toy_tls() {
  return {[] { return std::make_unique<test::FakeChannels>(test::FakeChannel::Role::server); },
          [] { return std::make_unique<test::FakeChannels>(test::FakeChannel::Role::client); }};
}

Tls gnutls_tls(const std::string& version) {
  static const gnutls::CertificatePem kCertificate = make_certificate();
  const auto server = gnutls::make_server_credentials(kCertificate, "NORMAL:+VERS-TLS1.2");
  const auto client = gnutls::make_client_credentials("NORMAL:-VERS-ALL:+VERS-" + version, false);
  check(server && client, "GnuTLS takes the world's certificate and priorities");
  return {[server = *server] { return std::make_unique<gnutls::ServerChannels>(server); },
          [client = *client] { return std::make_unique<gnutls::ClientChannels>(client, "relay.example.org", false); }};
}

}  // namespace adieu::world
