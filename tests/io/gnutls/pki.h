// A public-key infrastructure in memory: authorities that sign certificates of any key, name and time.
#pragma once

#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <gtest/gtest.h>

#include <atomic>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "io/gnutls/credentials.h"

namespace adieu::test {

inline void must(int code) { ASSERT_GE(code, 0) << gnutls_strerror(code); }

inline std::string text_and_free(gnutls_datum_t& datum) {
  std::string text(reinterpret_cast<const char*>(datum.data), datum.size);
  gnutls_free(datum.data);
  return text;
}

enum class KeyKind { p256, ed25519, rsa };

/// What a certificate may be used for, by object identifiers, and whether its names stand where names belong.
struct CertificateUses {
  std::vector<const char*> purposes = {};
  bool has_alternative_names = true;
};

class Certificate {
 public:
  /// Of an authority where `issuer` is null, else signed by it; valid from `from_days` to `to_days` from now.
  Certificate(const Certificate* issuer, KeyKind kind, const std::vector<std::string>& names, int from_days = -1,
              int to_days = 1, const CertificateUses& uses = {}) {
    must(gnutls_x509_privkey_init(&key_));
    must(gnutls_x509_crt_init(&certificate_));
    switch (kind) {
      case KeyKind::p256:
        must(gnutls_x509_privkey_generate(key_, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
        break;
      case KeyKind::ed25519: must(gnutls_x509_privkey_generate(key_, GNUTLS_PK_EDDSA_ED25519, 256, 0)); break;
      case KeyKind::rsa: must(gnutls_x509_privkey_generate(key_, GNUTLS_PK_RSA, 2048, 0)); break;
    }
    static std::atomic<unsigned char> serial{1};
    const unsigned char number = serial++;
    const std::time_t now = std::time(nullptr);
    must(gnutls_x509_crt_set_version(certificate_, 3));
    must(gnutls_x509_crt_set_serial(certificate_, &number, 1));
    must(gnutls_x509_crt_set_activation_time(certificate_, now + from_days * 86'400));
    must(gnutls_x509_crt_set_expiration_time(certificate_, now + to_days * 86'400));
    must(gnutls_x509_crt_set_dn_by_oid(certificate_, GNUTLS_OID_X520_COMMON_NAME, 0, names[0].data(), size(names[0])));
    must(gnutls_x509_crt_set_key(certificate_, key_));
    if (issuer == nullptr) {
      must(gnutls_x509_crt_set_basic_constraints(certificate_, 1, -1));
      must(gnutls_x509_crt_set_key_usage(certificate_, GNUTLS_KEY_KEY_CERT_SIGN));
    } else {
      for (const char* const purpose : uses.purposes) must(gnutls_x509_crt_set_key_purpose_oid(certificate_, purpose, 0));
      for (const std::string& name : names) {
        if (uses.has_alternative_names) must(gnutls_x509_crt_set_subject_alt_name(certificate_, GNUTLS_SAN_DNSNAME, name.data(), size(name), GNUTLS_FSAN_APPEND));
      }
      must(gnutls_x509_crt_set_key_usage(certificate_, GNUTLS_KEY_DIGITAL_SIGNATURE | GNUTLS_KEY_KEY_ENCIPHERMENT));
    }
    const Certificate& signer = issuer != nullptr ? *issuer : *this;
    must(gnutls_x509_crt_sign2(certificate_, signer.certificate_, signer.key_, GNUTLS_DIG_SHA256, 0));
  }
  ~Certificate() {
    gnutls_x509_crt_deinit(certificate_);
    gnutls_x509_privkey_deinit(key_);
  }
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;

  std::string chain() const {
    gnutls_datum_t text{};
    must(gnutls_x509_crt_export2(certificate_, GNUTLS_X509_FMT_PEM, &text));
    return text_and_free(text);
  }
  std::string key() const {
    gnutls_datum_t text{};
    must(gnutls_x509_privkey_export2_pkcs8(key_, GNUTLS_X509_FMT_PEM, nullptr, GNUTLS_PKCS_PLAIN, &text));
    return text_and_free(text);
  }
  gnutls::CertificatePem pem() const { return {chain(), key()}; }

 private:
  static unsigned size(const std::string& text) { return static_cast<unsigned>(text.size()); }

  gnutls_x509_privkey_t key_ = nullptr;
  gnutls_x509_crt_t certificate_ = nullptr;
};

/// A folder that goes with its owner; `write` gives the file's path.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "adieu-tls-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) ADD_FAILURE() << "no temporary folder";
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string path(const std::string& name) const { return (path_ / name).string(); }
  std::string write(const std::string& name, std::string_view text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

}  // namespace adieu::test
