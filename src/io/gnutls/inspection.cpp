// See inspection.h.
#include "io/gnutls/inspection.h"

#include <gnutls/abstract.h>

#include <memory>
#include <optional>
#include <type_traits>

#include "adieu/base/result.h"

namespace adieu::gnutls {
namespace {

/// Takes what stands behind its length in `octets` of it; none when it is not whole.
std::optional<Octets> take_vector(Octets& octets, std::size_t length_octets) {
  if (octets.size() < length_octets) return std::nullopt;
  std::size_t length = 0;
  for (const char octet : octets.substr(0, length_octets)) length = length << 8 | static_cast<unsigned char>(octet);
  octets.remove_prefix(length_octets);
  if (octets.size() < length) return std::nullopt;
  const Octets taken = octets.substr(0, length);
  octets.remove_prefix(length);
  return taken;
}

gnutls_datum_t datum(Octets octets) {
  // GnuTLS takes no const pointer, and writes through none of these.
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(octets.data())), static_cast<unsigned>(octets.size())};
}

unsigned bits_of(Octets number) {
  const std::size_t first = number.find_first_not_of('\0');
  if (first == Octets::npos) return 0;
  unsigned bits = static_cast<unsigned>(number.size() - first - 1) * 8;
  for (auto octet = static_cast<unsigned char>(number[first]); octet != 0; octet = static_cast<unsigned char>(octet >> 1)) ++bits;
  return bits;
}

unsigned take_bits(gnutls_datum_t& number) {
  const unsigned bits = bits_of({reinterpret_cast<const char*>(number.data), number.size});
  gnutls_free(number.data);
  return bits;
}

struct Free {
  void operator()(gnutls_x509_crt_t certificate) const { gnutls_x509_crt_deinit(certificate); }
  void operator()(gnutls_pubkey_t key) const { gnutls_pubkey_deinit(key); }
};
template <class Handle>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Free>;

std::string too_large(const char* what, unsigned bits, unsigned limit) {
  return std::string(what) + " of " + std::to_string(bits) + " bits in a certificate, at most " + std::to_string(limit) + " are taken";
}

}  // namespace

std::string fault_of_key(gnutls_x509_crt_t certificate) {
  gnutls_pubkey_t key = nullptr;
  check(gnutls_pubkey_init(&key) == GNUTLS_E_SUCCESS, "memory for a key");
  const Owned<gnutls_pubkey_t> owner(key);
  if (gnutls_pubkey_import_x509(key, certificate, 0) < 0) return {};
  unsigned bits = 0;
  const int algorithm = gnutls_pubkey_get_pk_algorithm(key, &bits);
  // Its second number may be as long as the first, and nobody has had one for years (RFC 8446 appendix D.5 does not know it).
  if (algorithm == GNUTLS_PK_DSA) return "a DSA key in a certificate";
  if (bits > kMaxKeyBits) return too_large("a key", bits, kMaxKeyBits);
  gnutls_datum_t modulus{nullptr, 0};
  gnutls_datum_t exponent{nullptr, 0};
  if (gnutls_pubkey_export_rsa_raw(key, &modulus, &exponent) < 0) return {};  // not RSA
  const unsigned modulus_bits = take_bits(modulus);
  const unsigned exponent_bits = take_bits(exponent);
  if (modulus_bits > kMaxKeyBits) return too_large("an RSA key", modulus_bits, kMaxKeyBits);
  if (exponent_bits > kMaxExponentBits) return too_large("an RSA exponent", exponent_bits, kMaxExponentBits);
  return {};
}

namespace {
std::string fault_of_certificate(Octets octets) {
  gnutls_x509_crt_t certificate = nullptr;
  check(gnutls_x509_crt_init(&certificate) == GNUTLS_E_SUCCESS, "memory for a certificate");
  const Owned<gnutls_x509_crt_t> owner(certificate);
  const gnutls_datum_t der = datum(octets);
  return gnutls_x509_crt_import(certificate, &der, GNUTLS_X509_FMT_DER) < 0 ? std::string() : fault_of_key(certificate);
}
}  // namespace

std::string fault_of_certificates(Octets message, bool tls13) {
  if (tls13 && !take_vector(message, 1)) return {};  // certificate_request_context
  auto list = take_vector(message, 3);
  while (list && !list->empty()) {
    const auto certificate = take_vector(*list, 3);
    if (!certificate) return {};
    if (std::string fault = fault_of_certificate(*certificate); !fault.empty()) return fault;
    if (tls13 && !take_vector(*list, 2)) return {};  // its extensions
  }
  return {};
}

std::string fault_of_dhe_prime(Octets message) {
  const auto prime = take_vector(message, 2);
  const unsigned bits = prime ? bits_of(*prime) : 0;
  if (bits <= kMaxKeyBits) return {};
  return "a Diffie-Hellman prime of " + std::to_string(bits) + " bits, at most " + std::to_string(kMaxKeyBits) + " are taken";
}

}  // namespace adieu::gnutls
