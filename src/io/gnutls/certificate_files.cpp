// See certificate_files.h.
#include "io/gnutls/certificate_files.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace adieu::gnutls {
namespace {

constexpr std::time_t kDay = 86'400;
constexpr std::size_t kMaxFile = 1 << 20;

struct PrivateKey {
  PrivateKey() { check(gnutls_privkey_init(&key) == GNUTLS_E_SUCCESS, "memory for a key"); }
  ~PrivateKey() { gnutls_privkey_deinit(key); }
  PrivateKey(const PrivateKey&) = delete;
  PrivateKey& operator=(const PrivateKey&) = delete;
  gnutls_privkey_t key = nullptr;
};

struct PublicKey {
  PublicKey() { check(gnutls_pubkey_init(&key) == GNUTLS_E_SUCCESS, "memory for a key"); }
  ~PublicKey() { gnutls_pubkey_deinit(key); }
  PublicKey(const PublicKey&) = delete;
  PublicKey& operator=(const PublicKey&) = delete;
  std::string id() const {
    std::array<unsigned char, 64> id{};
    std::size_t size = id.size();
    return gnutls_pubkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, id.data(), &size) < 0 ? std::string() : std::string(id.begin(), id.begin() + static_cast<std::ptrdiff_t>(size));
  }
  gnutls_pubkey_t key = nullptr;
};

/// The certificates of a PEM text, in its order.
class Chain {
 public:
  explicit Chain(const std::string& pem) {
    const gnutls_datum_t data{reinterpret_cast<unsigned char*>(const_cast<char*>(pem.data())), static_cast<unsigned>(pem.size())};
    code_ = gnutls_x509_crt_list_import2(&list_, &size_, &data, GNUTLS_X509_FMT_PEM, 0);
    if (code_ < 0) size_ = 0;
  }
  ~Chain() {
    for (unsigned i = 0; i < size_; ++i) gnutls_x509_crt_deinit(list_[i]);
    gnutls_free(list_);
  }
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  int code() const { return code_; }
  unsigned size() const { return size_; }
  gnutls_x509_crt_t at(unsigned index) const { return list_[index]; }
  std::string key_id(unsigned index) const {
    const PublicKey key;
    return gnutls_pubkey_import_x509(key.key, at(index), 0) < 0 ? std::string() : key.id();
  }

 private:
  gnutls_x509_crt_t* list_ = nullptr;
  unsigned size_ = 0;
  int code_ = 0;
};

/// The text, or in `problem` why there is none.
std::string read(const std::string& path, std::string& problem) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string octets(file ? kMaxFile + 1 : 0, '\0');
  file.read(octets.data(), static_cast<std::streamsize>(octets.size()));
  octets.resize(static_cast<std::size_t>(file.gcount()));
  if (octets.empty()) problem = errno != 0 ? std::string("cannot be read: ") + std::strerror(errno) : "is empty";
  if (octets.size() > kMaxFile) problem = "cannot be read: it is larger than 1MiB";
  return problem.empty() ? octets : std::string();
}

bool has(const std::string& text, const char* what) { return text.find(what) != std::string::npos; }
bool is_certificate(const std::string& text) { return has(text, "-----BEGIN CERTIFICATE-----") || has(text, "-----BEGIN X509 CERTIFICATE-----"); }
bool is_key(const std::string& text) { return has(text, "PRIVATE KEY-----"); }

std::string date(std::time_t time) {
  std::tm parts{};
  std::array<char, 16> text{};
  ::gmtime_r(&time, &parts);
  return std::string(text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts));
}

class Inspection {
 public:
  Inspection(const CertificateFiles& files, std::time_t now) : files_(files), now_(now) {}

  std::vector<CertificateFinding> run() {
    std::string chain_problem, key_problem;
    const std::string chain = read(files_.chain, chain_problem);
    const std::string key = read(files_.key, key_problem);
    if (!chain_problem.empty()) say(About::chain, "certificate chain " + files_.chain + " " + chain_problem);
    if (!key_problem.empty()) say(About::key, "certificate key " + files_.key + " " + key_problem);
    // One file may hold both.
    if (is_key(chain) && !is_certificate(chain) && is_certificate(key) && !is_key(key)) {
      say(About::chain, "chain and key are exchanged: " + files_.chain + " holds the key, and " + files_.key + " the chain");
      return std::move(findings_);
    }
    const Chain certificates(chain);
    if (chain_problem.empty()) look_at_chain(chain, certificates);
    if (key_problem.empty()) look_at_key(key, certificates);
    return std::move(findings_);
  }

 private:
  using About = CertificateFinding::About;

  void say(About about, std::string message, bool wrong = true) { findings_.push_back({about, wrong, std::move(message)}); }

  void look_at_chain(const std::string& text, const Chain& chain) {
    if (!is_certificate(text)) return say(About::chain, files_.chain + " holds no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----");
    if (chain.size() == 0) return say(About::chain, files_.chain + " holds a certificate that cannot be used: " + gnutls_strerror(chain.code()));
    const std::time_t begin = gnutls_x509_crt_get_activation_time(chain.at(0));
    const std::time_t end = gnutls_x509_crt_get_expiration_time(chain.at(0));
    if (end < now_) {
      say(About::chain, "certificate " + files_.chain + " has expired, on " + date(end) + ": peers that verify refuse it", false);
    } else if (begin > now_) {
      say(About::chain, "certificate " + files_.chain + " is not valid yet, but from " + date(begin) + " on: peers that verify refuse it", false);
    } else if (end - now_ < kRenewBefore) {
      const auto days = std::to_string((end - now_) / kDay);
      say(About::chain, "certificate " + files_.chain + " expires in " + days + (days == "1" ? " day" : " days") + ", on " + date(end) + ": renew it", false);
    }
    for (const std::string& name : files_.server_names) {
      if (!certificate_names(files_.chain, name)) {
        say(About::chain, "certificate " + files_.chain + " does not name " + name + ", which it is to be sent for: clients that verify refuse it", false);
      }
    }
  }

  void look_at_key(const std::string& text, const Chain& chain) {
    if (!is_key(text)) return say(About::key, files_.key + " holds no private key in PEM, which begins with -----BEGIN PRIVATE KEY----- or the like");
    if (has(text, "ENCRYPTED")) return say(About::key, files_.key + " is encrypted, and nobody is there to be asked for its passphrase: store it decrypted, readable by root alone");
    const PrivateKey key;
    const gnutls_datum_t data{reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())), static_cast<unsigned>(text.size())};
    const int code = gnutls_privkey_import_x509_raw(key.key, &data, GNUTLS_X509_FMT_PEM, nullptr, 0);
    if (code < 0) return say(About::key, files_.key + " holds a key that cannot be used: " + gnutls_strerror(code));
    const PublicKey pub;
    if (chain.size() == 0 || gnutls_pubkey_import_privkey(pub.key, key.key, 0, 0) < 0) return;
    const std::string id = pub.id();
    for (unsigned i = 0; i < chain.size(); ++i) {
      if (chain.key_id(i) != id) continue;
      if (i > 0) say(About::key, "the key " + files_.key + " is that of certificate " + std::to_string(i + 1) + " in " + files_.chain + ", which must stand first");
      return;
    }
    say(About::key, "the key " + files_.key + " and the certificate in " + files_.chain + " do not match");
  }

  const CertificateFiles& files_;
  const std::time_t now_;
  std::vector<CertificateFinding> findings_;
};

}  // namespace

std::vector<CertificateFinding> inspect_certificate(const CertificateFiles& files, std::time_t now) { return Inspection(files, now).run(); }

bool certificate_names(const std::string& chain_file, const std::string& host) {
  std::string problem;
  const Chain chain(read(chain_file, problem));
  if (chain.size() == 0) return false;
  // Where the certificate has no DNS name GnuTLS would look at its common name, which peers no longer do.
  std::array<char, 256> name{};
  bool has_names = false;
  for (unsigned i = 0; !has_names; ++i) {
    std::size_t size = name.size();
    const int type = gnutls_x509_crt_get_subject_alt_name(chain.at(0), i, name.data(), &size, nullptr);
    if (type < 0 && type != GNUTLS_E_SHORT_MEMORY_BUFFER) break;
    has_names = type != GNUTLS_E_SHORT_MEMORY_BUFFER;
  }
  if (!has_names) return false;
  // A wildcard of the policy is proved where any one name below it is.
  const std::string one = host.starts_with("*.") ? "any" + host.substr(1) : host;
  return gnutls_x509_crt_check_hostname2(chain.at(0), one.c_str(), 0) != 0;
}

}  // namespace adieu::gnutls
