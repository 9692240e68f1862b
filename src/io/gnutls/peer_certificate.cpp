// See peer_certificate.h.
#include "io/gnutls/peer_certificate.h"

#include <gnutls/x509.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "adieu/base/bytes.h"
#include "adieu/base/ip.h"
#include "adieu/base/result.h"

namespace adieu::gnutls {
namespace {

constexpr unsigned kMaxNames = 100;

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

std::vector<std::string> alternative_names(gnutls_x509_crt_t certificate) {
  std::vector<std::string> names;
  std::array<char, 256> name{};
  for (unsigned i = 0; i < kMaxNames; ++i) {
    std::size_t size = name.size();
    const int type = gnutls_x509_crt_get_subject_alt_name(certificate, i, name.data(), &size, nullptr);
    if (type == GNUTLS_E_SHORT_MEMORY_BUFFER) continue;  // longer than any name there can be
    if (type < 0) break;
    if (type == GNUTLS_SAN_DNSNAME) names.emplace_back(name.data(), size);
    if (type == GNUTLS_SAN_IPADDRESS) names.push_back(address(name.data(), size));
  }
  return names;
}

}  // namespace

std::string words_of_status(unsigned status) {
  gnutls_datum_t text{nullptr, 0};
  if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) != GNUTLS_E_SUCCESS) return "the certificate was not accepted";
  std::string words = take(text);
  while (!words.empty() && (words.back() == ' ' || words.back() == '\0')) words.pop_back();
  return words;
}

std::string words_of_refusal(gnutls_session_t session, const std::string& host) {
  constexpr std::size_t kToldNames = 5;
  constexpr std::size_t kToldName = 64;
  const unsigned status = gnutls_session_get_verify_cert_status(session);
  std::string words = words_of_status(status);
  unsigned count = 0;
  const gnutls_datum_t* chain = gnutls_certificate_get_peers(session, &count);
  if ((status & GNUTLS_CERT_UNEXPECTED_OWNER) == 0 || chain == nullptr || count == 0) return words;
  gnutls_x509_crt_t leaf = nullptr;
  check(gnutls_x509_crt_init(&leaf) == GNUTLS_E_SUCCESS, "memory for a certificate");
  std::vector<std::string> names;
  if (gnutls_x509_crt_import(leaf, &chain[0], GNUTLS_X509_FMT_DER) == GNUTLS_E_SUCCESS) names = alternative_names(leaf);
  gnutls_x509_crt_deinit(leaf);
  words += " It is for ";
  if (names.empty()) words += "no name (it has no subjectAltName)";
  for (std::size_t i = 0; i < std::min(names.size(), kToldNames); ++i) words += (i == 0 ? "" : ", ") + printable(names[i], kToldName);
  if (names.size() > kToldNames) words += ", ...";
  return words + ", not for " + host + ".";
}

tls::PeerCertificate read_peer_certificate(gnutls_session_t session, const std::string& host) {
  tls::PeerCertificate facts;
  unsigned count = 0;
  const gnutls_datum_t* chain = gnutls_certificate_get_peers(session, &count);
  unsigned status = 0;
  const int verified = gnutls_certificate_verify_peers3(session, host.c_str(), &status);
  if (verified != GNUTLS_E_SUCCESS) facts.fault = gnutls_strerror(verified);
  if (status != 0) facts.fault = words_of_status(status);
  gnutls_x509_crt_t leaf = nullptr;
  check(gnutls_x509_crt_init(&leaf) == GNUTLS_E_SUCCESS, "memory for a certificate");
  if (chain != nullptr && count != 0 && gnutls_x509_crt_import(leaf, &chain[0], GNUTLS_X509_FMT_DER) == GNUTLS_E_SUCCESS) {
    facts.subject = distinguished_name(leaf, gnutls_x509_crt_get_dn3);
    facts.issuer = distinguished_name(leaf, gnutls_x509_crt_get_issuer_dn3);
    facts.names = alternative_names(leaf);
    facts.not_before = WallTime(std::chrono::seconds(gnutls_x509_crt_get_activation_time(leaf)));
    facts.not_after = WallTime(std::chrono::seconds(gnutls_x509_crt_get_expiration_time(leaf)));
  }
  gnutls_x509_crt_deinit(leaf);
  return facts;
}

}  // namespace adieu::gnutls
