// See record13.h.
#include "io/gnutls/record13.h"

#include <gnutls/crypto.h>

#include <array>
#include <vector>

namespace adieu::gnutls {
namespace {

constexpr std::size_t kHeader = 5;
constexpr std::size_t kNonce = 12;
constexpr char kApplicationData = 23;

using Sequence = std::array<unsigned char, 8>;

struct Keys {
  gnutls_aead_cipher_hd_t cipher = nullptr;
  std::size_t tag = 0;
  std::array<unsigned char, kNonce> nonce{};
  Sequence sequence{};

  Keys() = default;
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;
  ~Keys() {
    if (cipher != nullptr) gnutls_aead_cipher_deinit(cipher);
  }
};

/// The keys of a direction and the nonce of one of its records (RFC 8446 section 5.3).
bool prepare(gnutls_session_t session, Direction direction, Record which, Keys& keys) {
  gnutls_datum_t mac{};
  gnutls_datum_t iv{};
  gnutls_datum_t key{};
  Sequence& sequence = keys.sequence;
  if (gnutls_record_get_state(session, direction == Direction::reading ? 1 : 0, &mac, &iv, &key, sequence.data()) < 0)
    return false;
  if (iv.size != kNonce) return false;
  if (which == Record::last) {
    for (std::size_t i = sequence.size(); i-- > 0 && sequence[i]-- == 0;) {
    }
  }
  for (std::size_t i = 0; i < kNonce; ++i) keys.nonce[i] = iv.data[i];
  for (std::size_t i = 0; i < sequence.size(); ++i) keys.nonce[kNonce - sequence.size() + i] ^= sequence[i];
  const gnutls_cipher_algorithm_t algorithm = gnutls_cipher_get(session);
  keys.tag = gnutls_cipher_get_tag_size(algorithm);
  return gnutls_aead_cipher_init(&keys.cipher, algorithm, &key) >= 0;
}

}  // namespace

std::optional<std::size_t> record_length(Octets octets) {
  if (octets.size() < kHeader) return std::nullopt;
  const auto high = static_cast<unsigned char>(octets[3]);
  const auto low = static_cast<unsigned char>(octets[4]);
  return kHeader + (static_cast<std::size_t>(high) << 8 | low);
}

std::optional<InnerPlaintext> open_record(gnutls_session_t session, Octets record, Record which) {
  Keys keys;
  if (record.size() <= kHeader || record.size() > kMaxRecord13 || record[0] != kApplicationData) return std::nullopt;
  if (!prepare(session, Direction::reading, which, keys)) return std::nullopt;
  const Octets sealed = record.substr(kHeader);
  std::string plaintext(sealed.size(), '\0');
  std::size_t size = plaintext.size();
  if (gnutls_aead_cipher_decrypt(keys.cipher, keys.nonce.data(), keys.nonce.size(), record.data(), kHeader, keys.tag,
                                 sealed.data(), sealed.size(), plaintext.data(), &size) < 0) {
    return std::nullopt;
  }
  plaintext.resize(size);
  const std::size_t type = plaintext.find_last_not_of('\0');
  if (type == std::string::npos) return std::nullopt;
  return InnerPlaintext{static_cast<std::uint8_t>(plaintext[type]), plaintext.substr(0, type)};
}

std::optional<std::string> seal_record(gnutls_session_t session, std::uint8_t content_type, Octets content) {
  Keys keys;
  if (!prepare(session, Direction::writing, Record::next, keys)) return std::nullopt;
  std::string inner(content);
  inner += static_cast<char>(content_type);
  const std::size_t length = inner.size() + keys.tag;
  std::string record = {kApplicationData, 3, 3, static_cast<char>(length >> 8), static_cast<char>(length & 255)};
  record.resize(kHeader + length);
  std::size_t size = length;
  if (gnutls_aead_cipher_encrypt(keys.cipher, keys.nonce.data(), keys.nonce.size(), record.data(), kHeader, keys.tag,
                                 inner.data(), inner.size(), record.data() + kHeader, &size) < 0 ||
      size != length) {
    return std::nullopt;
  }
  for (std::size_t i = keys.sequence.size(); i-- > 0 && ++keys.sequence[i] == 0;) {
  }
  if (gnutls_record_set_state(session, 0, keys.sequence.data()) < 0) return std::nullopt;
  return record;
}

}  // namespace adieu::gnutls
