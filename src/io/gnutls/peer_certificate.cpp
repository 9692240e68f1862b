// See peer_certificate.h.
#include "io/gnutls/peer_certificate.h"

#include <gnutls/ocsp.h>
#include <gnutls/x509.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "adieu/base/bytes.h"
#include "adieu/base/ip.h"
#include "adieu/base/result.h"
#include "adieu/protocol/tls/host_names.h"
#include "io/gnutls/inspection.h"

namespace adieu::gnutls {
namespace {

constexpr unsigned kMaxNames = 1000;

std::string take(gnutls_datum_t& datum) {
  std::string text(reinterpret_cast<const char*>(datum.data), datum.size);
  gnutls_free(datum.data);
  return text;
}

std::string distinguished_name(gnutls_x509_crt_t certificate, int (*get)(gnutls_x509_crt_t, gnutls_datum_t*, unsigned)) {
  gnutls_datum_t text{nullptr, 0};
  return get(certificate, &text, 0) == GNUTLS_E_SUCCESS ? take(text) : std::string();
}

std::string address(const char* octets, std::size_t size) {
  std::array<std::uint8_t, 16> v6{};
  std::array<std::uint8_t, 4> v4{};
  if (size == v6.size()) {
    std::copy_n(octets, size, v6.begin());
    return IpAddress::v6(v6).text();
  }
  if (size == v4.size()) {
    std::copy_n(octets, size, v4.begin());
    return IpAddress::v4(v4).text();
  }
  return {};
}

struct AlternativeNames {
  std::vector<std::string> hosts;
  std::vector<std::string> addresses;
  std::vector<std::string> all() const {
    std::vector<std::string> both = hosts;
    both.insert(both.end(), addresses.begin(), addresses.end());
    return both;
  }
};

AlternativeNames alternative_names(gnutls_x509_crt_t certificate) {
  AlternativeNames names;
  std::array<char, 256> name{};
  for (unsigned i = 0; i < kMaxNames; ++i) {
    std::size_t size = name.size();
    const int type = gnutls_x509_crt_get_subject_alt_name(certificate, i, name.data(), &size, nullptr);
    if (type == GNUTLS_E_SHORT_MEMORY_BUFFER) continue;  // longer than any name there can be
    if (type < 0) break;
    if (type == GNUTLS_SAN_DNSNAME) names.hosts.emplace_back(name.data(), size);
    if (type == GNUTLS_SAN_IPADDRESS) names.addresses.push_back(address(name.data(), size));
  }
  return names;
}

bool names_host(const AlternativeNames& names, const std::string& host) {
  if (const auto wanted = IpAddress::parse(host)) {
    return std::any_of(names.addresses.begin(), names.addresses.end(), [&](const std::string& each) { return IpAddress::parse(each) == wanted; });
  }
  return std::any_of(names.hosts.begin(), names.hosts.end(), [&](const std::string& each) { return tls::is_name_of(each, host); });
}

std::string words_of_status(unsigned status) {
  gnutls_datum_t text{nullptr, 0};
  if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) != GNUTLS_E_SUCCESS) return "the certificate was not accepted";
  std::string words = take(text);
  while (!words.empty() && (words.back() == ' ' || words.back() == '\0')) words.pop_back();
  return words;
}

/// The peer's own certificate, for `look`.
template <class Look>
void with_leaf(gnutls_session_t session, Look look) {
  unsigned count = 0;
  const gnutls_datum_t* chain = gnutls_certificate_get_peers(session, &count);
  gnutls_x509_crt_t leaf = nullptr;
  check(gnutls_x509_crt_init(&leaf) == GNUTLS_E_SUCCESS, "memory for a certificate");
  if (chain != nullptr && count != 0 && gnutls_x509_crt_import(leaf, &chain[0], GNUTLS_X509_FMT_DER) == GNUTLS_E_SUCCESS) look(leaf);
  gnutls_x509_crt_deinit(leaf);
}

/// A stapled OCSP response brings certificates of its own, and the library verifies with their keys before it asks who vouches for them.
std::string fault_of_stapled_keys(gnutls_session_t session) {
  std::string fault;
  gnutls_datum_t stapled{nullptr, 0};
  for (unsigned i = 0; gnutls_ocsp_status_request_get2(session, i, &stapled) == GNUTLS_E_SUCCESS; ++i) {
    gnutls_ocsp_resp_t response = nullptr;
    check(gnutls_ocsp_resp_init(&response) == GNUTLS_E_SUCCESS, "memory for an OCSP response");
    gnutls_x509_crt_t* certificates = nullptr;
    std::size_t count = 0;
    if (gnutls_ocsp_resp_import2(response, &stapled, GNUTLS_X509_FMT_DER) == GNUTLS_E_SUCCESS &&
        gnutls_ocsp_resp_get_certs(response, &certificates, &count) == GNUTLS_E_SUCCESS) {
      for (std::size_t each = 0; each < count; ++each) {
        if (fault.empty()) fault = fault_of_key(certificates[each]);
        gnutls_x509_crt_deinit(certificates[each]);
      }
      gnutls_free(certificates);
    }
    gnutls_ocsp_resp_deinit(response);
  }
  return fault;
}

}  // namespace

std::string fault_of_peer(gnutls_session_t session, const std::string& host) {
  if (std::string fault = fault_of_stapled_keys(session); !fault.empty()) return fault;
  std::string server = GNUTLS_KP_TLS_WWW_SERVER;  // GnuTLS takes no const pointer
  gnutls_typed_vdata_st purpose{GNUTLS_DT_KEY_PURPOSE_OID, reinterpret_cast<unsigned char*>(server.data()), static_cast<unsigned>(server.size())};
  unsigned status = 0;
  const int code = gnutls_certificate_verify_peers(session, &purpose, 1, &status);
  if (code < 0) return gnutls_strerror(code);
  if (status != 0) return words_of_status(status);
  std::string fault = "the certificate cannot be read";
  with_leaf(session, [&](gnutls_x509_crt_t leaf) {
    // The library's own comparison takes the subject's common name where there is no alternative name, and partial wildcards.
    const AlternativeNames names = alternative_names(leaf);
    fault = names_host(names, host) ? std::string() : tls::name_mismatch(host, names.all());
  });
  return fault;
}

tls::PeerCertificate read_peer_certificate(gnutls_session_t session, const std::string& host) {
  tls::PeerCertificate facts;
  facts.fault = fault_of_peer(session, host);
  with_leaf(session, [&facts](gnutls_x509_crt_t leaf) {
    facts.subject = distinguished_name(leaf, gnutls_x509_crt_get_dn3);
    facts.issuer = distinguished_name(leaf, gnutls_x509_crt_get_issuer_dn3);
    facts.names = alternative_names(leaf).all();
    facts.not_before = WallTime(std::chrono::seconds(gnutls_x509_crt_get_activation_time(leaf)));
    facts.not_after = WallTime(std::chrono::seconds(gnutls_x509_crt_get_expiration_time(leaf)));
  });
  return facts;
}

}  // namespace adieu::gnutls
