// SHA-256 (FIPS 180-4) of octets that come in parts.
#pragma once

#include <gnutls/crypto.h>

#include <memory>
#include <string>
#include <type_traits>

#include "adieu/base/bytes.h"
#include "adieu/base/result.h"

namespace adieu::gnutls {

class Digest {
 public:
  static constexpr std::size_t kSize = 32;

  Digest() {
    gnutls_hash_hd_t made = nullptr;
    check(gnutls_hash_init(&made, GNUTLS_DIG_SHA256) == 0, "the library has SHA-256");
    hash_.reset(made);
  }
  Digest& update(Octets octets) {
    gnutls_hash(hash_.get(), octets.data(), octets.size());
    return *this;
  }
  /// kSize octets; begins anew.
  std::string finish() {
    std::string digest(kSize, '\0');
    gnutls_hash_output(hash_.get(), digest.data());
    return digest;
  }

 private:
  struct Free {
    void operator()(gnutls_hash_hd_t hash) const { gnutls_hash_deinit(hash, nullptr); }
  };
  std::unique_ptr<std::remove_pointer_t<gnutls_hash_hd_t>, Free> hash_;
};

}  // namespace adieu::gnutls
