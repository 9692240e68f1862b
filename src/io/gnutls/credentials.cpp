// See credentials.h.
#include "io/gnutls/credentials.h"

#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <fstream>
#include <sstream>

#include "adieu/base/bytes.h"
#include "adieu/base/ip.h"

namespace adieu::gnutls {
namespace {

tl::unexpected<Error> failed(const std::string& what, int code) {
  return failure(ErrorKind::invalid, what + ": " + gnutls_strerror(code));
}

Result<std::string> read_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return tl::unexpected<Error>(error_of_errno("read " + path, errno != 0 ? errno : EIO));
  return text.str();
}

gnutls_datum_t datum(const std::string& text) {
  // GnuTLS takes no const pointer, and writes through none of these.
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())), static_cast<unsigned>(text.size())};
}

gnutls_certificate_credentials_t allocate() {
  gnutls_certificate_credentials_t credentials = nullptr;
  check(gnutls_certificate_allocate_credentials(&credentials) == GNUTLS_E_SUCCESS, "memory for credentials");
  return credentials;
}

/// The DNS names of a chain's first certificate.
std::set<std::string, std::less<>> names_in(const gnutls_datum_t& chain) {
  std::set<std::string, std::less<>> names;
  gnutls_x509_crt_t leaf = nullptr;
  check(gnutls_x509_crt_init(&leaf) == GNUTLS_E_SUCCESS, "memory for a certificate");
  int type = gnutls_x509_crt_import(leaf, &chain, GNUTLS_X509_FMT_PEM) == GNUTLS_E_SUCCESS ? 0 : -1;
  std::array<char, 256> name{};
  for (unsigned i = 0; type >= 0; ++i) {
    std::size_t size = name.size();
    type = gnutls_x509_crt_get_subject_alt_name(leaf, i, name.data(), &size, nullptr);
    if (type == GNUTLS_SAN_DNSNAME) names.insert(to_ascii_lower({name.data(), size}));
    if (type == GNUTLS_E_SHORT_MEMORY_BUFFER) type = 0;  // longer than any name there can be
  }
  gnutls_x509_crt_deinit(leaf);
  return names;
}

}  // namespace

Credentials::Credentials() : credentials_(allocate()) {}

Credentials::~Credentials() {
  if (ticket_key_.data != nullptr) {
    gnutls_memset(ticket_key_.data, 0, ticket_key_.size);
    gnutls_free(ticket_key_.data);
  }
  if (priority_ != nullptr) gnutls_priority_deinit(priority_);
  for (const Server& server : servers_) gnutls_certificate_free_credentials(server.credentials);
  gnutls_certificate_free_credentials(credentials_);
}

gnutls_certificate_credentials_t Credentials::get(std::string_view server_name) const {
  // GnuTLS's own choice compares names octet by octet, knows no wildcards, and in TLS 1.2 puts the cipher suite before the name.
  const std::string name = to_ascii_lower(server_name);
  const std::size_t dot = name.find('.');
  const std::string wildcard = dot != std::string::npos ? "*" + name.substr(dot) : std::string();
  for (const std::string* wanted : {&name, &wildcard}) {
    for (const Server& server : servers_) {
      if (server.names.count(*wanted) != 0) return server.credentials;
    }
  }
  return get();
}

Result<> Credentials::set_priority(const std::string& priority) {
  const char* where = nullptr;
  const int code = gnutls_priority_init(&priority_, priority.c_str(), &where);
  if (code == GNUTLS_E_SUCCESS) return {};
  std::string what = "tls priority \"" + priority + "\"";
  if (where != nullptr && *where != '\0') what += " at `" + std::string(where) + "`";
  return failed(what, code);
}

Result<> Credentials::add_certificate(const CertificatePem& pem) {
  const gnutls_datum_t chain = datum(pem.chain);
  const gnutls_datum_t key = datum(pem.key);
  servers_.push_back({allocate(), names_in(chain)});
  const Server& added = servers_.back();
  int code = 0;
  for (const Server& server : servers_) {
    const bool stands_in = std::includes(added.names.begin(), added.names.end(), server.names.begin(), server.names.end());
    if (code < 0 || !stands_in || (server.names.empty() && &server != &added)) continue;
    code = gnutls_certificate_set_x509_key_mem2(server.credentials, &chain, &key, GNUTLS_X509_FMT_PEM, nullptr, 0);
  }
  if (code < 0) return failed("certificate", code);
  return {};
}

Result<> Credentials::add_certificate(const CertificateFiles& files) {
  auto chain = read_file(files.chain);
  if (!chain) return tl::unexpected<Error>(std::move(chain.error()).within("certificate chain"));
  auto key = read_file(files.key);
  if (!key) return tl::unexpected<Error>(std::move(key.error()).within("certificate key"));
  auto added = add_certificate(CertificatePem{std::move(*chain), std::move(*key)});
  if (!added) {
    added.error().message +=
        " (chain " + files.chain + ", key " + files.key + ": PEM files, the key of the chain's first certificate)";
  }
  if (added) {
    for (const std::string& name : files.server_names) servers_.back().names.insert(to_ascii_lower(name));
  }
  return added;
}

Result<> Credentials::enable_tickets() {
  const int code = gnutls_session_ticket_key_generate(&ticket_key_);
  if (code < 0) return failed("session ticket key", code);
  return {};
}

Result<> Credentials::trust(const std::string& file) {
  const std::string what = file.empty() ? "the system's trust store" : "trust anchors " + file;
  const int code = file.empty() ? gnutls_certificate_set_x509_system_trust(credentials_)
                                : gnutls_certificate_set_x509_trust_file(credentials_, file.c_str(), GNUTLS_X509_FMT_PEM);
  if (code < 0) return failed(what, code);
  if (code == 0) {
    const char* const hint = file.empty() ? "; `tls verify` needs one (Debian: ca-certificates)" : "";
    return failure(ErrorKind::not_found, what + " holds no certificate" + hint);
  }
  return {};
}

Result<std::shared_ptr<const Credentials>> make_server_credentials(const std::vector<CertificateFiles>& certificates,
                                                                   const std::string& priority, bool tickets) {
  auto credentials = std::make_shared<Credentials>();
  Result<> done = credentials->set_priority(priority);
  for (const CertificateFiles& files : certificates) {
    if (done) done = credentials->add_certificate(files);
  }
  if (done && tickets) done = credentials->enable_tickets();
  if (!done) return tl::unexpected<Error>(done.error());
  return credentials;
}

Result<std::shared_ptr<const Credentials>> make_server_credentials(const CertificatePem& certificate,
                                                                   const std::string& priority) {
  auto credentials = std::make_shared<Credentials>();
  Result<> done = credentials->set_priority(priority);
  if (done) done = credentials->add_certificate(certificate);
  if (!done) return tl::unexpected<Error>(done.error());
  return credentials;
}

Result<std::shared_ptr<const Credentials>> make_client_credentials(const std::string& priority, bool verify,
                                                                   const std::string& trust_file) {
  auto credentials = std::make_shared<Credentials>();
  Result<> done = credentials->set_priority(priority);
  if (done && verify) done = credentials->trust(trust_file);
  if (!done) return tl::unexpected<Error>(done.error());
  return credentials;
}

Result<CertificatePem> make_self_signed(const std::string& name, int days) {
  gnutls_x509_privkey_t key = nullptr;
  gnutls_x509_crt_t certificate = nullptr;
  gnutls_x509_privkey_init(&key);
  gnutls_x509_crt_init(&certificate);
  std::array<unsigned char, 16> serial{};
  gnutls_rnd(GNUTLS_RND_NONCE, serial.data(), serial.size());
  serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 1);  // positive, as RFC 5280 section 4.1.2.2 asks
  const std::time_t now = std::time(nullptr);
  int code = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
  const auto step = [&](int result) {
    if (code >= 0) code = result;
  };
  if (code >= 0) {
    step(gnutls_x509_crt_set_version(certificate, 3));
    step(gnutls_x509_crt_set_serial(certificate, serial.data(), serial.size()));
    step(gnutls_x509_crt_set_activation_time(certificate, now - 3600));
    step(gnutls_x509_crt_set_expiration_time(certificate, now + days * 86'400L));
    step(gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name.data(),
                                       static_cast<unsigned>(name.size())));
    if (const auto address = IpAddress::parse(name)) {
      step(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, address->octets().data(),
                                                static_cast<unsigned>(address->bits() / 8), GNUTLS_FSAN_SET));
    } else {
      step(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, name.data(), static_cast<unsigned>(name.size()),
                                                GNUTLS_FSAN_SET));
    }
    step(gnutls_x509_crt_set_key(certificate, key));
    step(gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_DIGITAL_SIGNATURE));
    step(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0));
  }
  gnutls_datum_t chain_text{nullptr, 0};
  gnutls_datum_t key_text{nullptr, 0};
  if (code >= 0) {
    step(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &chain_text));
    step(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &key_text));
  }
  CertificatePem pem;
  if (code >= 0) {
    pem.chain.assign(reinterpret_cast<const char*>(chain_text.data), chain_text.size);
    pem.key.assign(reinterpret_cast<const char*>(key_text.data), key_text.size);
  }
  gnutls_free(chain_text.data);
  gnutls_free(key_text.data);
  gnutls_x509_crt_deinit(certificate);
  gnutls_x509_privkey_deinit(key);
  if (code < 0) return failed("self-signed certificate for " + name, code);
  return pem;
}

}  // namespace adieu::gnutls
